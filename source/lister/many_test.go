package lister_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/source/index"
	"gitmirror/source/lister"
)

// indexes is a world whose sources have indexes of their own, by the id of their rows.
type indexes struct {
	*world
	of map[string]map[string]string
}

func newIndexes(t *testing.T) *indexes {
	x := &indexes{newWorld(t), map[string]map[string]string{"index": {}}}
	return x
}

// second is another source, with an index of that name.
func (x *indexes) second(name, namespace, index string) {
	x.t.Helper()
	x.sure(&command.PutSource{Source: &command.NewSource{Id: name, Name: name, Namespace: namespace, Index: &command.NewRepo{
		Id: name + "-index", Name: "h/" + index, Urls: []string{"https://h/" + index}, UrlKeys: []string{"h/" + index}, Copies: []string{"b"}, Owner: "b"}}})
	if id := x.state.View().SourceByID(name).Index; x.of[id] == nil {
		x.of[id] = map[string]string{}
	}
}

// Index implements lister.Indexes.
func (x *indexes) Index(repo string, _ uint64, _ string) (index.Tree, func(), error) {
	return files(x.of[repo]), func() {}, nil
}

// follow has all indexes published and listed, on both nodes.
func (x *indexes) follow() {
	for _, id := range slices.Sorted(maps.Keys(x.of)) {
		if row := x.state.View().Repo(id); row != nil && !row.Removed && row.Owner != 0 {
			x.publishes(id)
		}
	}
	for _, self := range []string{"a", "b"} {
		lister.New(lister.Config{Self: self, State: x.state, Proposer: x, Indexes: x, Log: slog.New(slog.DiscardHandler),
			NewID: func() string { x.ids++; return fmt.Sprintf("id%06d", x.ids) }}).Look(context.Background())
	}
}

// called are all names, and the upstreams that they lead to.
func (x *indexes) called() map[string]string {
	out := map[string]string{}
	x.state.View().Repos("", func(r *fsm.Repo) bool {
		if r.Removed || !r.Sourced.RetiredAt().IsZero() {
			return true
		}
		for _, name := range append([]string{r.Name}, r.Aliases...) {
			out[name] = r.URLs()[0]
		}
		return true
	})
	return out
}

func (x *indexes) isCalled(want map[string]string) {
	x.t.Helper()
	if got := x.called(); !maps.Equal(got, want) {
		x.t.Errorf("there is %v\nwant     %v", got, want)
	}
}

func TestTwoIndexesShareLetterFoldersAndUrls(t *testing.T) {
	x := newIndexes(t)
	x.second("t", "o", "other")
	x.of["index"] = map[string]string{"l/a/a": "url: https://h/a1", "l/b/b": "url: https://h/b", "l/DEFAULTS": "replicas: 3"}
	x.of["t-index"] = map[string]string{"l/a/a": "url: https://h/a2", "l/c/c": "url: https://h/b"}
	x.follow()
	all := map[string]string{"h/index": "https://h/index", "h/other": "https://h/other", "ns/l/a/a": "https://h/a1", "h/a1": "https://h/a1",
		"o/l/a/a": "https://h/a2", "h/a2": "https://h/a2", "ns/l/b/b": "https://h/b", "o/l/c/c": "https://h/b", "h/b": "https://h/b"}
	x.isCalled(all)
	if row := x.state.View().RepoByName("o/l/a/a"); row.Policy.Replicas != 2 {
		t.Errorf("DEFAULTS of another index count: %+v", row.Policy)
	}
	// What one gives up is the other's: under its name, as it asks.
	delete(x.of["index"], "l/b/b")
	x.follow()
	delete(all, "ns/l/b/b")
	x.isCalled(all)
	if row := x.state.View().RepoByName("o/l/c/c"); row.Policy.Replicas != 2 {
		t.Errorf("%+v", row.Policy)
	}
}

func TestOneIndexTwice(t *testing.T) {
	x := newIndexes(t)
	x.second("t", "o", "index")
	x.of["index"]["l/a"] = "url: https://h/a"
	x.follow()
	all := map[string]string{"h/index": "https://h/index", "ns/l/a": "https://h/a", "o/l/a": "https://h/a", "h/a": "https://h/a"}
	x.isCalled(all)
	// The index stays for the one that is left.
	x.sure(&command.RemoveSource{Id: "s"})
	delete(all, "ns/l/a")
	x.isCalled(all)
	x.of["index"]["l/b"] = "url: https://h/b"
	x.follow()
	all["o/l/b"], all["h/b"] = "https://h/b", "https://h/b"
	x.isCalled(all)
	x.sure(&command.RemoveSource{Id: "t"})
	x.isCalled(map[string]string{})
}

func TestAnIndexThatListsItself(t *testing.T) {
	x := newIndexes(t)
	x.of["index"] = map[string]string{"me": "url: https://h/index\nreplicas: 1\nsubmodules: true", "a": "url: https://h/a"}
	x.modules["h/index"] = modules("h/index", "h/a")
	x.follow()
	all := map[string]string{"h/index": "https://h/index", "ns/me": "https://h/index", "ns/a": "https://h/a", "h/a": "https://h/a"}
	x.isCalled(all)
	x.settle(t, func() string { return "a" })
	x.isCalled(all)
	delete(x.of["index"], "me")
	x.follow()
	delete(all, "ns/me")
	x.isCalled(all)
	delete(x.of["index"], "a")
	x.follow()
	x.isCalled(map[string]string{"h/index": "https://h/index"})
}

func TestAnIndexAndAHandWantOne(t *testing.T) {
	for _, handFirst := range []bool{true, false} {
		x := newIndexes(t)
		byHand := func() {
			x.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "hand", Name: "mine", Urls: []string{"https://h/a"}, UrlKeys: []string{"h/a"}}}})
		}
		if handFirst {
			byHand()
		}
		x.of["index"]["a"] = "url: https://h/a"
		x.follow()
		if !handFirst {
			byHand()
		}
		both := map[string]string{"h/index": "https://h/index", "mine": "https://h/a", "ns/a": "https://h/a", "h/a": "https://h/a"}
		x.isCalled(both)
		id := x.state.View().RepoByName("mine").ID
		// The hand lets go: it stays for the index, which lets go too.
		x.sure(&command.RemoveRepos{Ids: []string{id}})
		delete(both, "mine")
		x.isCalled(both)
		if out := x.do(&command.RemoveRepos{Ids: []string{id}}); out.Items[0].GetCode() == "" {
			t.Error("what an index alone wants is removed by hand")
		}
		byHand()
		both["mine"] = "https://h/a"
		x.isCalled(both)
		delete(x.of["index"], "a")
		x.follow()
		delete(both, "ns/a")
		delete(both, "h/a")
		x.isCalled(both)
		x.sure(&command.RemoveRepos{Ids: []string{id}})
		x.isCalled(map[string]string{"h/index": "https://h/index"})
	}
}
