package fetch_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/fetch"
)

// A flipped bit in the middle of a pack would be passed on as it is.
func TestVerifyFindsAnyFlippedBit(t *testing.T) { both(t, testVerifyFindsAnyFlippedBit) }

func testVerifyFindsAnyFlippedBit(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": strings.Repeat("some text. ", 20)})
	})
	main := g.tip(t, "main")
	if err := g.fetch(t, g.up.URL("x.git"), main); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs %v, %v", packs, err)
	}
	whole, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(packs[0], 0o644); err != nil {
		t.Fatal(err)
	}
	verify := func(ctx context.Context) error { return g.fetcher.Verify(ctx, g.live.Dir(), []string{main}) }
	if err := verify(t.Context()); err != nil {
		t.Errorf("a whole copy: %v", err)
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/20 {
		data := append([]byte(nil), whole...)
		data[at] ^= 1
		if err := os.WriteFile(packs[0], data, 0o644); err != nil {
			t.Fatal(err)
		}
		if verify(t.Context()) == nil {
			t.Errorf("a flipped bit at byte %d of %d is not found", at, len(whole))
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := verify(stopped); !errors.Is(err, fetch.ErrInconclusive) {
		t.Errorf("a test that was stopped gives evidence: %v", err)
	}
}

// An index that leads elsewhere, and a pack that lacks what its objects lead to, are found, whatever
// checksums say.
func TestVerifyFindsWrongIndexesAndShortPacks(t *testing.T) { both(t, testVerifyFindsWrongIndexes) }

func testVerifyFindsWrongIndexes(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha", "b": "beta"}) })
	main := g.tip(t, "main")
	packs := filepath.Join(g.live.Dir(), "objects/pack")
	g.without(t, g.tip(t, "main:a"), filepath.Join(packs, "pack"))
	if err := g.fetcher.Verify(t.Context(), g.live.Dir(), []string{main}); err == nil || errors.Is(err, fetch.ErrInconclusive) {
		t.Errorf("a pack that lacks a file: %v", err)
	}
	g.without(t, strings.Repeat("0", 40), filepath.Join(packs, "pack"))
	if err := g.fetcher.Verify(t.Context(), g.live.Dir(), []string{main}); err != nil {
		t.Errorf("all is there, some of it twice: %v", err)
	}
	indexes, err := filepath.Glob(filepath.Join(packs, "*.idx"))
	if err != nil || len(indexes) != 2 {
		t.Fatal(indexes, err)
	}
	for _, index := range indexes {
		data, err := os.ReadFile(index)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-2*sha1.Size-1] ^= 1 // of the last offset
		sum := sha1.Sum(data[:len(data)-sha1.Size])
		if err := errors.Join(os.Remove(index), os.WriteFile(index, append(data[:len(data)-sha1.Size], sum[:]...), 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.fetcher.Verify(t.Context(), g.live.Dir(), []string{main}); err == nil || errors.Is(err, fetch.ErrInconclusive) {
		t.Errorf("indexes that lead elsewhere: %v", err)
	}
}
