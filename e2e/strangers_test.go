package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// plainBinary is the binary under test as people run it: the race detector takes several
// times its memory.
var plainBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "gitmirror-plain")
	build := exec.Command("go", "build", "-o", path, "gitmirror")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return path, build.Run()
})

// hostile is an upstream that takes what it can get. What it does is in the path.
type hostile struct {
	*httptest.Server
	pack []byte
	made string // an object of gigabytes that pack makes
	zip  []byte // a gibibyte
	refs []byte // a mebibyte of refs
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{}
	h.pack, h.made = gittest.DeltaBomb(8<<20, 200) // 1.6 GB
	var zip bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zip, gzip.BestCompression)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	h.zip = bytes.Repeat(zip.Bytes(), 1<<10)
	name := "refs/heads/" + strings.Repeat("x/", 400)
	for i := 0; len(h.refs) < 1<<20; i++ {
		h.refs = append(h.refs, pkt(strings.Repeat("1", 40)+" "+name+strconv.Itoa(i)+"\n")...)
	}
	l, err := net.Listen("tcp4", "0.0.0.0:0") // 127.0.0.2 is another host
	if err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewUnstartedServer(h)
	h.Listener = l
	h.Start()
	t.Cleanup(h.CloseClientConnections)
	return h
}

func (h *hostile) at(host int, name string) string {
	_, port, _ := net.SplitHostPort(h.Listener.Addr().String())
	return fmt.Sprintf("http://127.0.0.%d:%s/%s", host, port, name)
}

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-")
	flush := func() { _ = http.NewResponseController(w).Flush() }
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		if kind == "packed" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(h.zip)
			return
		}
		_, _ = io.WriteString(w, pkt("# service=git-upload-pack\n")+"0000"+pkt("version 2\n")+pkt("ls-refs=unborn\n")+pkt("fetch=shallow\n")+pkt("object-format=sha1\n")+"0000")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	switch fetch := bytes.Contains(body, []byte("command=fetch")); {
	case kind == "large" && !fetch:
		for range 250 {
			if _, err := w.Write(h.refs); err != nil {
				return
			}
		}
	case !fetch:
		_, _ = io.WriteString(w, pkt(h.made+" refs/tags/x\n")+"0000")
	case kind == "bomb":
		_, _ = io.WriteString(w, pkt("packfile\n"))
		for rest := h.pack; len(rest) > 0; {
			n := min(len(rest), 60000)
			_, _ = io.WriteString(w, pkt("\x01"+string(rest[:n])))
			rest = rest[n:]
		}
		_, _ = io.WriteString(w, "0000")
	default: // trickle
		_, _ = io.WriteString(w, pkt("packfile\n")+pkt("\x01PACK\x00\x00\x00\x02\x00\x00\x10\x00"))
		for flush(); ; flush() {
			if _, err := io.WriteString(w, pkt("\x02wait\r")+pkt("\x01\x35")); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
}

// resident sums up the memory of a process and of its children, in MiB.
func resident(pid int) (own, children int) {
	parents := map[int]int{}
	rss := map[int]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		id, _ := strconv.Atoi(filepath.Base(dir))
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
		parents[id], _ = strconv.Atoi(fields[1])
		pages, _ := strconv.Atoi(fields[21])
		rss[id] = pages * os.Getpagesize() >> 10
	}
	for id := range rss {
		for up := id; up > 1; up = parents[up] {
			if up == pid {
				if id == pid {
					own += rss[id]
				} else {
					children += rss[id]
				}
				break
			}
		}
	}
	return own >> 10, children >> 10
}

// All that strangers can do at once, upstreams and clients: answers of 250 MB, answers of
// a mebibyte that unpack to a gibibyte, packs of some bytes that make objects of
// gigabytes, fetches that trickle, requests of 65 kB that unpack to 64 MiB, clients that
// read two bytes a second. Meanwhile an honest clone, fetch and check end well, in the long
// form within ten seconds each, and the node stays small. The short form has no clock: two
// rounds, on a machine that may have other things to do.
func TestStrangersDoNotTakeTheNode(t *testing.T) {
	during, bound := 4*time.Minute, time.Duration(0)
	if os.Getenv("GITMIRROR_LONG") != "" {
		during, bound = 3*time.Minute, 10*time.Second
	}
	plain, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	p := newProc(t, "n1")
	p.Binary = plain
	p.start(nil)
	f := &cluster{t: t, nodes: []*proc{p}}
	f.leader()
	up, evil := newForge(t), newHostile(t)
	up.sample("honest")
	p.add(up, "honest", 1)
	large := up.sample("big")
	noise := make([]byte, 24<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	gittest.Edit(t, large, func(e *upstream.Edit) { e.Commit("main", "noise", map[string]string{"n": string(noise)}) })
	p.add(up, "big", 1)
	tip, err := large.Git("rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var strangers sync.WaitGroup
	defer func() { cancel(); strangers.Wait() }()
	var urls []string
	for i := range 8 {
		urls = append(urls, evil.at(2, fmt.Sprintf("large-%d", i)), evil.at(3, fmt.Sprintf("packed-%d", i)))
	}
	for i := range 4 {
		urls = append(urls, evil.at(4+i, fmt.Sprintf("trickle-%d", i)), evil.at(8+i, fmt.Sprintf("bomb-%d", i)))
	}
	for i, u := range urls {
		name := fmt.Sprintf("evil/%d", i)
		if _, err := p.client.Add(ctx, api.AddRepo{URL: u, Name: name, Replicas: 1, Interval: "1s"}, ""); err != nil {
			t.Fatal(err)
		}
		strangers.Go(func() { // backoff would be too kind
			for ctx.Err() == nil {
				_, _ = p.client.Sync(ctx, name, 0)
				pause(ctx, 2*time.Second)
			}
		})
	}
	var request bytes.Buffer
	z := gzip.NewWriter(&request)
	_, _ = io.WriteString(z, pkt("command=fetch")+"0001"+strings.Repeat(pkt("want "+tip+"\n"), 64<<20/50-10)+pkt("done\n")+"0000")
	_ = z.Close()
	for range 24 {
		strangers.Go(func() {
			for ctx.Err() == nil {
				post(ctx, p.gitURL("big"), request.Bytes(), "gzip", func(r io.Reader) { _, _ = io.Copy(io.Discard, r) })
			}
		})
	}
	ask := []byte(pkt("command=fetch") + "0001" + pkt("want "+tip+"\n") + pkt("done\n") + "0000")
	for range 16 {
		strangers.Go(func() {
			for ctx.Err() == nil {
				post(ctx, p.gitURL("big"), ask, "", func(r io.Reader) {
					for ctx.Err() == nil {
						if _, err := r.Read(make([]byte, 1)); err != nil {
							return
						}
						pause(ctx, 500*time.Millisecond)
					}
				})
			}
		})
	}
	var node, children int
	strangers.Go(func() {
		for ctx.Err() == nil {
			own, others := resident(p.Pid())
			node, children = max(node, own), max(children, others)
			pause(ctx, 100*time.Millisecond)
		}
	})

	slowest := map[string]time.Duration{}
	timed := func(what string, do func() error) {
		t.Helper()
		began := time.Now()
		err := do()
		if took := time.Since(began); err != nil || bound > 0 && took > bound {
			t.Errorf("an honest %s: %v after %s", what, err, took.Round(100*time.Millisecond))
		} else {
			slowest[what] = max(slowest[what], took.Round(10*time.Millisecond))
		}
	}
	clone := filepath.Join(t.TempDir(), "clone")
	gittest.Run(t, t.TempDir(), "clone", "--quiet", "--bare", p.gitURL("honest"), clone)
	pause(ctx, 5*time.Second)
	rounds := 0
	for ; ctx.Err() == nil && (bound > 0 || rounds < 2); rounds++ {
		up.push("honest", fmt.Sprint("round ", rounds))
		timed("check that finds a push", func() error {
			out, err := p.client.Sync(t.Context(), "honest", time.Minute)
			if err == nil && out.Outcome != api.SyncChanged && out.Outcome != api.SyncUnchanged { // the schedule may have been faster
				err = fmt.Errorf("%s: %+v", out.Outcome, out.Error)
			}
			return err
		})
		timed("check", func() error { _, err := p.client.Sync(t.Context(), "honest", time.Minute); return err })
		timed("clone", func() error {
			_, err := gittest.Try(t, t.TempDir(), "clone", "--quiet", "--bare", p.gitURL("honest"), filepath.Join(t.TempDir(), "x"))
			return err
		})
		timed("fetch", func() error {
			_, err := gittest.Try(t, clone, "fetch", "--quiet", "origin", "+refs/*:refs/*")
			return err
		})
		pause(ctx, time.Second)
	}
	cancel()
	strangers.Wait()
	t.Logf("%d rounds; the node had %d MiB, its children %d MiB; slowest: %v", rounds, node, children, slowest)
	if node > 600 {
		t.Errorf("the node had %d MiB", node)
	}
	if rounds < 2 {
		t.Errorf("%d rounds", rounds)
	}
	if out := gittest.LsRemote(t, p.gitURL("honest")); out != gittest.LsRemote(t, up.URL("honest")) {
		t.Errorf("afterwards it shows\n%s", out)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// post sends a request for a pack on a connection of its own.
func post(ctx context.Context, url string, body []byte, encoding string, read func(io.Reader)) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/git-upload-pack", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Git-Protocol", "version=2")
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		pause(ctx, 100*time.Millisecond)
		return
	}
	defer resp.Body.Close()
	read(resp.Body)
	if resp.StatusCode != http.StatusOK {
		pause(ctx, 100*time.Millisecond)
	}
}
