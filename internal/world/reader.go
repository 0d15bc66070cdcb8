package world

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"gitmirror/mirror/wire"
)

// Read asks the node for the refs of a repository, as git does before it clones.
func (n *Node) Read(ctx context.Context, name string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url := "http://" + n.Host.IP() + ":80/git/" + name + "/git-upload-pack"
	body := pkt("command=ls-refs\n") + "0001" + pkt("ref-prefix refs/\n") + "0000"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Git-Protocol", "version=2")
	resp, err := n.of.browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		words, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, fmt.Errorf("%s: %s", resp.Status, words)
	}
	ad, err := wire.ParseLsRefs(resp.Body, wire.Limits{Refs: 100_000})
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, r := range ad.Refs {
		refs[r.Name] = r.OID
	}
	return refs, nil
}

func pkt(line string) string { return fmt.Sprintf("%04x%s", len(line)+4, line) }
