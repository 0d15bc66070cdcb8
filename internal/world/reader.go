package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"gitmirror/api"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/wire"
)

// Shown is what a node shows of a repository.
type Shown struct {
	Refs   map[string]string // name → id
	Digest refs.Digest       // of the generation's public refs
}

// patient is how long somebody waits for an answer.
const patient = 10 * time.Second

// Read asks the node for the refs of a repository, as git does before it clones.
func (n *Node) Read(ctx context.Context, name string) (Shown, error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	body := wire.LsRefs{Symrefs: true, Unborn: true, Prefixes: []string{"refs/", "HEAD"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url("/git/"+name+"/git-upload-pack"), bytes.NewReader(body))
	if err != nil {
		return Shown{}, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Git-Protocol", "version=2")
	resp, err := n.asked(req)
	if err != nil {
		return Shown{}, err
	}
	defer resp.Body.Close()
	ad, err := wire.ParseLsRefs(resp.Body, wire.Limits{Refs: 100_000})
	if err != nil {
		return Shown{}, err
	}
	names := map[string]string{}
	for _, r := range ad.Refs {
		names[r.Name] = r.OID
	}
	head := refs.Head(ad.HeadOID)
	if ad.HeadRef != "" {
		head = refs.Symbolic(ad.HeadRef)
	}
	return Shown{Refs: names, Digest: tableOf(names, head).PublicDigest()}, nil
}

// Get asks the node's API, and returns which place in the log the answer says it is from.
func (n *Node) Get(ctx context.Context, path string, into any) (index uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url(path), nil)
	if err != nil {
		return 0, err
	}
	resp, err := n.asked(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if index, err = strconv.ParseUint(resp.Header.Get("X-Gitmirror-Index"), 10, 64); err != nil {
		return 0, err
	}
	return index, json.NewDecoder(resp.Body).Decode(into)
}

func (n *Node) url(path string) string { return "http://" + n.Host.IP() + ":80" + path }

// asked is an answer that is none of its refusals.
func (n *Node) asked(req *http.Request) (*http.Response, error) {
	resp, err := n.of.browser.Do(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	return nil, fmt.Errorf("%s: %s", resp.Status, words)
}

// Newest is a repository as it is when everything that was acknowledged before is counted. An
// error is the node's, where it has answered.
func (n *Node) Newest(ctx context.Context, name string) (row api.Repo, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url("/api/v1/repos/"+name+"?consistent=true"), nil)
	if err != nil {
		return row, err
	}
	resp, err := n.of.browser.Do(req)
	if err != nil {
		return row, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p := &api.Problem{}
		if err := json.NewDecoder(resp.Body).Decode(p); err != nil {
			return row, err
		}
		p.Status = resp.StatusCode
		return row, p
	}
	return row, json.NewDecoder(resp.Body).Decode(&row)
}
