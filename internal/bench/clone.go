package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/network"
)

// clone measures clones from a copy that was put in order, beside those from git itself, which has
// the same objects in one pack, without a bitmap: what comes before the first byte, what the answer
// takes alone, and with the client who puts it in order.
func (m *mirrors) clone(ctx context.Context) error {
	fmt.Println("Clones from a maintained copy, beside upload-pack without a bitmap, in turns")
	up, r, err := m.serve(ctx)
	if err != nil {
		return err
	}
	defer up.Close()
	p, err := m.mirrored(ctx, "clone", up.URL("r"))
	if err != nil {
		return err
	}
	defer p.Kill()
	if _, err := p.maintained(ctx, "r", api.Collect); err != nil {
		return err
	}
	if err := p.charted(ctx); err != nil {
		return err
	}
	_, list, err := r.Refs()
	if err != nil {
		return err
	}
	wants := map[string]bool{}
	for _, ref := range list {
		wants[ref[1]] = true
	}
	sides := []side{{name: "gitmirror", url: p.HTTP + "/git/r"}, {name: "upload-pack", url: up.URL("r")}}
	for i := range m.repeats {
		for k := range sides {
			s := &sides[(i+k)%2]
			first, all, err := s.answer(ctx, wants)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			s.first, s.all = append(s.first, first), append(s.all, all)
			if i >= m.clones {
				continue
			}
			dir := filepath.Join(m.dir, "cloned")
			began := time.Now()
			if _, err := git(ctx, m.dir, "clone", "--quiet", "--mirror", s.url, dir); err != nil {
				return err
			}
			s.whole = append(s.whole, time.Since(began))
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	for _, s := range sides {
		fmt.Printf("  %-12s until objects come %s; the answer alone %s; git clone --mirror %s\n", s.name, seconds(s.first), seconds(s.all), seconds(s.whole))
	}
	a, b := sides[0], sides[1]
	fmt.Printf("  ratio        %.2f; %.2f; %.2f\n", ratio(a.first, b.first), ratio(a.all, b.all), ratio(a.whole, b.whole))
	return nil
}

// side is one of two servers, and what was measured of it.
type side struct {
	name, url         string
	first, all, whole []time.Duration
}

// client reaches the servers as whoever clones does.
var client = &http.Client{Transport: &http.Transport{DialContext: network.Host.DialContext}}

// answer asks for all objects as a clone does, and keeps nothing of the answer. first is when
// objects began to come.
func (s *side) answer(ctx context.Context, wants map[string]bool) (first, all time.Duration, err error) {
	var body strings.Builder
	line := func(text string) { fmt.Fprintf(&body, "%04x%s", len(text)+4, text) }
	line("command=fetch")
	line("object-format=sha1")
	body.WriteString("0001")
	line("ofs-delta\n")
	for oid := range wants {
		line("want " + oid + "\n")
	}
	line("done\n")
	body.WriteString("0000")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/git-upload-pack", strings.NewReader(body.String()))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Git-Protocol", "version=2")
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("it answers %s", resp.Status)
	}
	begin := make([]byte, 64<<10)
	var seen []byte
	for {
		n, err := resp.Body.Read(begin)
		if first == 0 {
			if seen = append(seen, begin[:n]...); bytes.Contains(seen, []byte("\x01PACK")) {
				first, seen = time.Since(began), nil
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if first == 0 {
		return 0, 0, fmt.Errorf("no pack came: %.200q", seen)
	}
	return first, time.Since(began), nil
}

// charted waits until the copy has its bitmap, which a large one gets of itself.
func (p *process) charted(ctx context.Context) error {
	for range 600 {
		found, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", "*.git", "objects", "pack", "*.bitmap"))
		if err != nil || len(found) > 0 {
			return err
		}
		wait(ctx, time.Second)
	}
	return errors.New("the copy gets no bitmap: is it of 10,000 objects?")
}

// mirrored is a node that is alone and has mirrored a repository as "r".
func (m *mirrors) mirrored(ctx context.Context, name, url string) (*process, error) {
	p, err := m.single(ctx, name)
	if err == nil {
		err = p.add(ctx, url, "r", "8h")
	}
	if err == nil {
		err = p.ready(ctx, 1)
	}
	return p, err
}
