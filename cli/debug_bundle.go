package cli

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/cli/doctor"
	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

func debugBundleCommand() command {
	return command{
		path: "debug bundle", args: "[FILE]", usage: "write what helps to find a fault into one archive", max: 1,
		about: `What the cluster says of itself, its nodes, repositories and what happened to them, each node's
probes and metrics,
what doctor finds here, and, with --data, node.json and config.yaml of this host's node. Names and
URLs of repositories are in it, unless --anonymous puts others in their place; passwords and
tokens are not. Look through it before you hand it on: it is a tar file. Logs are not in it.`,
		examples: []string{"gitmirror debug bundle", "gitmirror debug bundle --anonymous /tmp/for-support.tar.gz"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "anonymous", Usage: "put made-up words in the place of hosts and of names and URLs of repositories"},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			path := c.Args().First()
			if path == "" {
				path = "gitmirror-debug-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
			}
			return writeBundle(ctx, s, path, c.Bool("anonymous"))
		},
	}
}

// bundle collects files, for several at once. What could not be had is one of them.
type bundle struct {
	mu     sync.Mutex
	files  map[string][]byte
	missed []string
	hide   func(string) string
}

func (b *bundle) add(name string, data []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.missed = append(b.missed, fmt.Sprintf("%s: %v", name, err))
		return
	}
	b.files[name] = data
}

func (b *bundle) json(name string, v any, err error) {
	if err != nil {
		b.add(name, nil, err)
		return
	}
	data, err := json.MarshalIndent(v, "", "  ")
	b.add(name, data, err)
}

const (
	askedOfCluster = 20 * time.Second // all that is asked through the API
	askedOfNode    = 5 * time.Second
	mostOfNode     = 8 << 20
)

// nodePages are the pages of each node that go in.
var nodePages = map[string]string{"livez.txt": "/livez", "readyz.txt": "/readyz?verbose", "metrics.txt": "/metrics"}

func writeBundle(ctx context.Context, s *session, path string, anonymous bool) error {
	s.patience = 0 // what does not answer is part of what it tells
	s.absent.Do(func() {})
	b := &bundle{files: map[string][]byte{}, hide: func(text string) string { return text }}
	b.json("version.json", readBuild(), nil)
	asks, stop := context.WithTimeout(ctx, cmp.Or(s.timeout/2, askedOfCluster))
	defer stop()
	var (
		st                        *api.Status
		rows                      *api.RepoList
		happened                  *api.EventList
		err, rowsErr, happenedErr error
		asking                    sync.WaitGroup
	)
	asking.Go(func() { st, err = askStatus(asks, s) })
	asking.Go(func() { rows, rowsErr = s.repos(asks, repoLsOptions{limit: mostExamined}) })
	asking.Go(func() { happened, happenedErr = s.client.Events(asks, api.EventQuery{Limit: mostEvents}) })
	asking.Wait()
	b.json("status.json", st, err)
	b.json("repos.json", rows, rowsErr)
	b.json("events.json", happened, happenedErr)
	here := doctor.Host{Data: s.data, Held: s.data != "" && node.Runs(s.data), Git: node.GitVersion, Unheard: err}
	if err == nil {
		here.Status = st
	}
	if rowsErr == nil {
		here.Upstreams = upstreamHosts(rows.Repos)
	}
	asking.Go(func() { b.json("doctor.json", checks{here.Examine(ctx)}, nil) })
	if here.Status != nil {
		for _, n := range st.Nodes {
			for file, page := range nodePages { // each node is asked beside the others: one may be frozen
				asking.Go(func() {
					data, err := pageOf(ctx, n.HTTP+page)
					b.add("nodes/"+filepath.Base(n.Name)+"/"+file, data, err)
				})
			}
		}
	}
	asking.Wait()
	slices.Sort(b.missed)
	if s.data != "" {
		for _, file := range []string{"node.json", "config.yaml"} {
			data, err := os.ReadFile(filepath.Join(s.data, file))
			if !errors.Is(err, fs.ErrNotExist) {
				b.add("here/"+file, data, err)
			}
		}
	}
	if anonymous {
		if err := errors.Join(rowsErr, happenedErr); err != nil {
			return fmt.Errorf("without the lists of repositories and of what happened to them nothing can be put in the place of their names: %w", err)
		}
		if b.hide, err = hidden(rows.Repos, happened.Events); err != nil {
			return err
		}
	}
	if err := b.write(path); err != nil {
		return &Failure{What: fmt.Sprintf("%s cannot be written: %v", path, err), Try: "gitmirror debug bundle /tmp/bundle.tar.gz", Code: codeFailed, Exit: exitFailed}
	}
	s.say("Wrote %s: %d files.", path, len(b.files)+1)
	for _, m := range b.missed {
		s.remark("Not in it: %s", m)
	}
	return s.showJSON(map[string]any{"path": path, "files": len(b.files) + 1, "missed": append([]string{}, b.missed...)})
}

// pageOf is a page of a node, as it answers.
func pageOf(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askedOfNode)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostOfNode))
	return append([]byte(resp.Status+"\n\n"), data...), err
}

// secret is what looks like one: the user part of a URL, and the value of a key with such a
// name. There should be none; a file that somebody wrote may have one all the same.
var secret = regexp.MustCompile(`(?i)(://)[^/\s"@]+@|((?:password|passwd|secret|token|authorization|api[-_]?key)"?\s*[:=]\s*)("[^"\n]*"|[^\s,}]+)`)

func redacted(text string) string { return secret.ReplaceAllString(text, "${1}${2}REDACTED") }

// hidden puts the same made-up word in the place of each name, URL and host, wherever it
// stands: those of repositories, and those they had, or that are not there any more, by what
// happened. The words of another archive are others.
func hidden(rows []api.Repo, happened []api.Event) (func(string) string, error) {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	known := map[string]string{}
	address := func(raw string) {
		known[raw] = "url-"
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			known[u.Hostname()] = "host-"
		}
	}
	for _, r := range rows {
		for _, name := range append([]string{r.Name}, r.Aliases...) {
			known[name] = "repo-"
		}
		for _, raw := range r.URLs {
			address(raw)
		}
		if r.Moved != nil {
			address(r.Moved.To)
		}
	}
	for _, e := range happened {
		known[e.Repo] = "repo-"
		switch e.Type {
		case "repo_renamed":
			known[strings.TrimPrefix(e.Detail, "was ")] = "repo-"
		case "upstream_moved", "upstream_switched":
			address(e.Detail)
		case "redirected":
			from, to, _ := strings.Cut(e.Detail, " to ")
			address(from)
			address(to)
		}
	}
	delete(known, "")
	words := make([]string, 0, len(known))
	for w := range known {
		words = append(words, w)
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // a URL before the host in it
	var pairs []string
	for _, w := range words {
		sum := hmac.New(sha256.New, key)
		sum.Write([]byte(w))
		pairs = append(pairs, w, known[w]+hex.EncodeToString(sum.Sum(nil)[:6]))
	}
	return strings.NewReplacer(pairs...).Replace, nil
}

// write writes the archive, whole or not at all.
func (b *bundle) write(path string) (err error) {
	manifest := "What gitmirror says of itself. Made by: gitmirror debug bundle\n"
	for _, m := range b.missed {
		manifest += "not in it: " + m + "\n"
	}
	b.files["MANIFEST.txt"] = []byte(manifest)
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	names := make([]string, 0, len(b.files))
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		data := []byte(b.hide(redacted(string(b.files[name]))))
		if err := archive.WriteHeader(&tar.Header{Name: "gitmirror-debug/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: time.Now()}); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(out.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}
