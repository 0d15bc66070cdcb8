package world

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// history is what object ids mean, the same everywhere: which commit has which parents, and
// what a tag leads to. A node that lacks an object lacks it, whatever is known here.
type history struct {
	mu      sync.Mutex
	made    int
	parents map[string][]string          // of commits
	tags    map[string]string            // annotated ones, by what they lead to
	files   map[string]map[string]string // of commits that have any: what each says, by its path
}

func newHistory() *history {
	return &history{parents: map[string][]string{}, tags: map[string]string{}, files: map[string]map[string]string{}}
}

func (h *history) id() string {
	h.made++
	sum := sha1.Sum(fmt.Appendf(nil, "object %d", h.made))
	return hex.EncodeToString(sum[:])
}

// commit makes a commit.
func (h *history) commit(parents ...string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.id()
	h.parents[id] = slices.Clone(parents)
	return id
}

// hasFiles gives a commit files, before anybody sees it.
func (h *history) hasFiles(commit string, files map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[commit] = files
}

// filesOf are those of a commit.
func (h *history) filesOf(commit string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.files[commit]
}

// tag makes an annotated tag.
func (h *history) tag(of string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.id()
	h.tags[id] = of
	return id
}

// peel is what a tag leads to in the end; of another object itself.
func (h *history) peel(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.tags[id] != "" {
		id = h.tags[id]
	}
	return id
}

// closure is all that ids lead to, themselves included.
func (h *history) closure(ids ...string) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]bool{}
	for todo := slices.Clone(ids); len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if all[id] {
			continue
		}
		all[id] = true
		if of := h.tags[id]; of != "" {
			todo = append(todo, of)
		}
		todo = append(todo, h.parents[id]...)
	}
	return all
}

// leads tells whether one object leads to another, or is it.
func (h *history) leads(from, to string) bool { return h.closure(from)[to] }

// parentsOf are those of a commit.
func (h *history) parentsOf(id string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.parents[id])
}
