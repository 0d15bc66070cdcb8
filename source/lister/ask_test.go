package lister_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm/command"
)

// A source whose index was mirrored before it was added reads nothing of it until its upstream was asked, and shows
// that: it may be another repository by now.
func TestAnIndexThatWasThereBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.files["old"] = "url: https://h/old"
		w.publish()
		w.sure(&command.RemoveSource{Id: "s"})
		for w.state.View().SourceByID("s") != nil {
			w.lister("a").Look(t.Context())
		}
		w.now = w.now.Add(time.Hour)
		index := &command.NewRepo{Id: "another", Name: "h/index", Urls: w.row().URLs(), UrlKeys: []string{"h/index"}}
		w.sure(&command.PutSource{Source: &command.NewSource{Id: "s", Name: "s", Namespace: "ns", Index: index}})
		if src := w.state.View().SourceByID("s"); src.Index != "index" {
			t.Fatalf("%+v", src)
		}
		w.strange = true
		l := w.lister("a")
		look := func() {
			t.Helper()
			for range 4 {
				l.Look(t.Context())
				synctest.Wait()
				time.Sleep(10 * time.Second)
			}
		}
		look()
		if src := w.state.View().SourceByID("s"); src.Listed != nil || src.Error != "" || w.asked == 0 {
			t.Fatalf("it is listed before anybody knows what it is: %+v, asked %d times", src, w.asked)
		}
		row := w.row()
		w.sure(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "index", Epoch: row.Epoch, HoldReason: "head_rewrite", HoldDigest: make([]byte, 20)}}})
		look()
		if src := w.state.View().SourceByID("s"); src.Listed != nil || !strings.Contains(src.Error, "held: gitmirror repo approve h/index") {
			t.Fatalf("%+v", src)
		}
		w.strange = false
		delete(w.files, "old")
		w.files["new"] = "url: https://h/new"
		w.publish()
		look()
		if src, claims := w.state.View().SourceByID("s"), w.claims(); src.Error != "" || len(claims) != 1 || claims["new"] == "" {
			t.Errorf("%+v, %v", src, claims)
		}
	})
}

// What was cloned for it is read at once.
func TestAnIndexThatIsNewIsNotAsked(t *testing.T) {
	w := newWorld(t)
	w.files["one"] = "url: https://h/one"
	w.publish()
	w.lister("a").Look(t.Context())
	if w.asked != 0 || len(w.claims()) != 1 {
		t.Errorf("asked %d times, %v", w.asked, w.claims())
	}
}

// What waits since a mirror serves what another address had is taken up as soon as it does not.
func TestWhatAnotherServesIsTakenUpOnceItIsProved(t *testing.T) {
	w := newWorld(t)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "x", Urls: []string{"https://h/old"}, UrlKeys: []string{"h/old"}, Copies: []string{"a"}, Owner: "a"}}})
	w.publishes("x")
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "x", Upstream: &command.Upstream{Urls: []string{"https://h/new"}, Keys: []string{"h/new"}}}}})
	w.files["new"] = "url: https://h/new"
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); len(w.claims()) != 0 || src.Listed.GetFlawsTotal() != 1 {
		t.Fatalf("%v, %+v", w.claims(), src.Listed)
	}
	before := w.batches
	if l.Look(t.Context()); w.batches != before {
		t.Errorf("%d proposals though nothing has changed", w.batches-before)
	}
	row := w.state.View().Repo("x")
	w.sure(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "x", Epoch: row.Epoch, Heard: row.Word()}}})
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); len(w.claims()) != 1 || src.Listed.GetFlawsTotal() != 0 {
		t.Errorf("%v, %+v", w.claims(), src.Listed)
	}
}

// A retired row that serves what another address had is in nobody's way for long: who waits is taken up when it is retired.
func TestARetiredRowThatServesAnotherIsNotInTheWay(t *testing.T) {
	w := newWorld(t)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "f", Owner: "a", Forge: &command.Forge{Kind: "gitea", Base: "https://h", Account: "acme"}}})
	list := func(l *command.Listing) {
		l.Source, l.Node, l.Epoch = "f", "a", w.forge().Epoch
		w.sure(l)
	}
	at := func(url string) *command.Entry {
		return &command.Entry{Path: "1", File: "one", Hash: []byte((url + "................")[:16]), Repo: &command.NewRepo{Id: "x", Name: "f/one", Urls: []string{"https://h/" + url}, UrlKeys: []string{"h/" + url}, Copies: []string{"a"}, Owner: "a"}}
	}
	list(&command.Listing{Put: []*command.Entry{at("old")}})
	w.publishes("x")
	list(&command.Listing{Put: []*command.Entry{at("new")}})
	w.files["new"] = "url: https://h/new"
	w.publish()
	l := w.lister("a")
	if l.Look(t.Context()); len(w.claims()) != 0 {
		t.Fatal(w.claims())
	}
	list(&command.Listing{Take: []string{"1"}})
	l.Look(t.Context())
	if row := w.state.View().RepoByURLKey("h/new"); len(w.claims()) != 1 || row.ID == "x" || row.Estranged() != "" {
		t.Errorf("%v, %+v", w.claims(), row)
	}
}
