package coordinator

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// What nobody claims any more is there for seven days, and what was never cloned not at all.
func TestWhatIsRetiredGoesAfterAWeek(t *testing.T) {
	w := newWorld(t, 3).modern()
	if _, err := w.c.AddSource(context.Background(), NewSource{URL: "https://host/index", Name: "kernel"}, "add"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	list := func(l *command.Listing) {
		t.Helper()
		view := w.state.View()
		src := view.SourceByName("kernel")
		row := view.Repo(src.Index)
		l.Source, l.Node, l.Epoch = src.ID, view.Node(row.Owner).ID, row.Epoch
		if err := fsm.AsError(w.apply(l)); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(name string) *command.Entry {
		return &command.Entry{Path: name, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "id-" + name, Name: name, Urls: []string{"https://host/" + name}, UrlKeys: []string{"host/" + name}}}
	}
	list(&command.Listing{Put: []*command.Entry{entry("a"), entry("b")}})
	w.settle()
	list(&command.Listing{Put: []*command.Entry{entry("never")}})
	list(&command.Listing{Take: []string{"a", "never"}})
	there := func(name string) bool { return w.state.View().RepoByName(name) != nil }
	w.look()
	if !there("a") || !there("b") || there("never") {
		t.Fatalf("a %t, b %t, never %t", there("a"), there("b"), there("never"))
	}
	w.now = w.now.Add(200 * 24 * time.Hour) // the clock is wrong, and nothing goes because of it
	w.apply(&command.Tick{})
	w.look()
	if !there("a") {
		t.Fatal("gone as a clock jumped")
	}
	w.now = w.now.Add(-200 * 24 * time.Hour)
	w.apply(&command.Tick{})
	for day := range 9 {
		if day < 7 && !there("a") {
			t.Fatalf("gone after %d days", day)
		}
		for range 24 { // a clock that jumps says nothing
			w.now = w.now.Add(59 * time.Minute)
			w.apply(&command.Tick{})
		}
		w.look()
	}
	if there("a") || !there("b") {
		t.Errorf("a %t, b %t", there("a"), there("b"))
	}
	// A source that is removed has all its claims taken back, in batches.
	var all []*command.Entry
	for i := range 1500 {
		all = append(all, entry(fmt.Sprint("r", i)))
	}
	list(&command.Listing{Put: all[:1000]})
	list(&command.Listing{Put: all[1000:]})
	w.apply(&command.RemoveSource{Id: w.state.View().SourceByName("kernel").ID})
	for range 3 {
		w.look()
	}
	if src := w.state.View().SourceByName("kernel"); src != nil || there("r1") || !there("b") {
		t.Errorf("%+v, r1 %t, b %t", src, there("r1"), there("b"))
	}
}

// What nobody claims any more, and nobody has a copy of, is nothing to wait for: it would be cloned by nobody.
func TestWhatIsRetiredAndLostGoes(t *testing.T) {
	w := newWorld(t, 3).modern()
	if _, err := w.c.AddSource(context.Background(), NewSource{Name: "f", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}, ""); err != nil {
		t.Fatal(err)
	}
	list := func(l *command.Listing) {
		t.Helper()
		src := w.state.View().SourceByName("f")
		l.Source, l.Node, l.Epoch = src.ID, w.state.View().Node(src.Owner).ID, src.Epoch
		if err := fsm.AsError(w.apply(l)); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	var put []*command.Entry
	for _, name := range []string{"gone", "wanted"} {
		put = append(put, &command.Entry{Path: name, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "id-" + name, Name: name, Urls: []string{"https://host/" + name}, UrlKeys: []string{"host/" + name}}})
	}
	list(&command.Listing{Put: put})
	w.settle()
	list(&command.Listing{Take: []string{"gone"}})
	w.look()
	lose := func(name string, n int) {
		for _, c := range w.state.View().RepoByName(name).Copies[:n] {
			w.report(c.Node, &command.CopyReport{Repo: "id-" + name, State: command.CopyState_COPY_STATE_BROKEN})
		}
		w.look()
	}
	lose("wanted", 2)
	lose("gone", 1)
	if view := w.state.View(); view.RepoByName("gone") == nil || view.RepoByName("wanted") == nil {
		t.Fatal("it went while somebody has a copy, or wants it")
	}
	lose("gone", 2)
	if w.state.View().RepoByName("gone") != nil {
		t.Error("what is lost, and nobody wants, is waited for")
	}
}

// Who adds what is a source already is told what has the name; another name is for what is another.
func TestASourceThatIsThere(t *testing.T) {
	w := newWorld(t, 3).modern()
	index := NewSource{URL: "https://host/acme", Namespace: "up"}
	github := NewSource{Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "tools"}}
	for _, n := range []NewSource{index, github} {
		if _, err := w.c.AddSource(t.Context(), n, ""); err != nil {
			t.Fatal(err)
		}
	}
	is := func(n NewSource, name, message, hint string) {
		t.Helper()
		_, err := w.c.AddSource(t.Context(), n, "")
		if r := refusal.Of(err); r == nil || r.Code != refusal.ConflictName || r.Existing != name || r.Detail != message || r.Hint != hint {
			t.Errorf("%+v", r)
		}
	}
	ofIndex, ofAccount := "there is a source acme already, of index https://host/acme", "there is a source tools already, of github https://github.com/tools"
	other := "choose another name with --name"
	is(index, "acme", ofIndex, "gitmirror source show acme")
	is(NewSource{URL: "https://HOST/acme.git", Name: "ACME", Ref: "main"}, "acme", ofIndex, "gitmirror source show acme")
	is(NewSource{URL: "https://elsewhere/acme"}, "acme", ofIndex, other)
	is(NewSource{Name: "acme", Forge: github.Forge}, "acme", ofIndex, other)
	is(github, "tools", ofAccount, "gitmirror source show tools")
	is(NewSource{Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "Tools"}}, "tools", ofAccount, "gitmirror source show tools")
	is(NewSource{Forge: &command.Forge{Kind: "gitea", Base: "https://github.com", Account: "tools"}}, "tools", ofAccount, other)
	is(NewSource{URL: "https://host/acme", Name: "tools"}, "tools", ofAccount, other)
	if n := len(w.state.View().Sources()); n != 2 {
		t.Errorf("%d sources", n)
	}
}

// A namespace that cannot be one is refused with the flag that it came from.
func TestABadNamespace(t *testing.T) {
	w := newWorld(t, 1).modern()
	_, err := w.c.AddSource(context.Background(), NewSource{URL: "https://host/index", Name: "kernel", Namespace: "a b"}, "")
	if r := refusal.Of(err); r == nil || r.Code != refusal.NameInvalid || !strings.Contains(r.Hint, "set it with --namespace") {
		t.Errorf("%v, %+v", err, r)
	}
}
