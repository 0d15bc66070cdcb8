package lister_test

import (
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm/command"
)

// An edit that gives many entries one upstream takes away as much as one that deletes them: it waits for a person,
// and what goes so counts in the day.
func TestEntriesThatLeaveTheirRowsAreGuarded(t *testing.T) {
	w := newWorld(t)
	for i := range 14 {
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/u%d", i)
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	rows := w.claims()
	to := func(n int, url string) {
		for i := range n {
			w.files[fmt.Sprintf("r%02d", i)] = "url: " + url
		}
		w.publish()
		l.Look(t.Context())
	}
	retired := func() (n int) {
		for i := range 14 {
			if row := w.state.View().RepoByURLKey(fmt.Sprintf("h/u%d", i)); row != nil && !row.Sourced.RetiredAt().IsZero() {
				n++
			}
		}
		return n
	}
	to(14, "https://h/u0")
	src := w.state.View().SourceByID("s")
	if src.Hold.GetLost() != 13 || retired() != 0 || fmt.Sprint(w.claims()) != fmt.Sprint(rows) || src.Listed.GetKept() != 13 || src.Listed.GetChanged() != 0 {
		t.Fatalf("%+v, %d retired, %v", src.Hold, retired(), src.Listed)
	}
	if first := strings.Join(src.Hold.GetFirst(), " "); strings.Contains(first, "r00") || !strings.Contains(first, "r13") {
		t.Error(first)
	}
	// Another listing is another question; a few may go, in a day.
	for i := range 14 {
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/u%d", i)
	}
	to(4, "https://h/u0")
	if src = w.state.View().SourceByID("s"); src.Hold != nil || retired() != 3 || src.Lost(w.now) != 3 {
		t.Fatalf("%+v, %d retired, %d lost", src.Hold, retired(), src.Lost(w.now))
	}
	to(6, "https://h/u0")
	if src = w.state.View().SourceByID("s"); src.Hold.GetLost() != 2 || retired() != 3 {
		t.Fatalf("%+v, %d retired", src.Hold, retired())
	}
	w.sure(&command.ApproveSource{Id: "s", Digest: src.Hold.Digest})
	l.Look(t.Context())
	if src = w.state.View().SourceByID("s"); src.Hold != nil || retired() != 5 || src.Lost(w.now) != 3 {
		t.Errorf("%+v, %d retired, %d lost", src.Hold, retired(), src.Lost(w.now))
	}
}

// A row that only follows another upstream is not left, nor one whose upstream another entry has by now, nor one
// that somebody else wants.
func TestEntriesThatLeaveNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/u%d", i)
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	for i := range 12 { // all change places
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/u%d", (i+5)%12)
	}
	w.publish()
	l.Look(t.Context())
	for i := range 12 { // all go elsewhere
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/v%d", i)
	}
	w.publish()
	l.Look(t.Context())
	for i := range 12 { // and by hand
		w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: fmt.Sprint("hand", i), Name: fmt.Sprint("hand/", i), Urls: []string{fmt.Sprintf("https://h/v%d", i)}, UrlKeys: []string{fmt.Sprintf("h/v%d", i)}}}})
		w.files[fmt.Sprintf("r%02d", i)] = "url: https://h/v0"
	}
	w.publish()
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Hold != nil || src.Lost(w.now) != 0 || src.Listed.GetKept() != 0 {
		t.Errorf("%+v, %d lost, %v", src.Hold, src.Lost(w.now), src.Listed)
	}
}

// Of entries that all go to one upstream, which nobody has yet, the first takes its row there, and the others leave
// theirs; unless another source wants these, or a file that cannot be read now.
func TestEntriesThatGoToOneNewUpstream(t *testing.T) {
	for _, who := range []string{"nobody", "another source", "another file"} {
		w := newWorld(t)
		put := &command.Listing{Source: "f", Node: "a"}
		for i := range 14 {
			path, url := fmt.Sprintf("r%02d", i), fmt.Sprintf("h/u%d", i)
			w.files[path] = "url: https://" + url
			if who == "another file" {
				w.files["x"+path] = w.files[path]
			}
			put.Put = append(put.Put, &command.Entry{Path: path, File: path, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "f" + path, Name: "f/" + path, Urls: []string{"https://" + url}, UrlKeys: []string{url}}})
		}
		w.publish()
		l := w.lister("a")
		l.Look(t.Context())
		if who == "another source" {
			w.sure(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "f", Owner: "a", Forge: &command.Forge{Kind: "gitea", Base: "https://h", Account: "acme"}}})
			put.Epoch = w.forge().Epoch
			w.sure(put)
		}
		for path := range w.files {
			if w.files[path] = "url: https://h/new"; path[0] == 'x' {
				w.files[path] = "url: ["
			}
		}
		w.publish()
		l.Look(t.Context())
		lost := 0
		if who == "nobody" {
			lost = 13
		}
		if src := w.state.View().SourceByID("s"); int(src.Hold.GetLost()) != lost || src.Listed.GetChanged() != 0 != (lost == 0) {
			t.Errorf("%s: %+v, %v", who, src.Hold, src.Listed)
		}
	}
}
