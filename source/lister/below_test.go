package lister_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/source"
	"gitmirror/source/lister"
)

// grow has every row that is new placed, owned and cloned, on the node of that name.
func (w *world) grow(node string) (grown bool) {
	view := w.state.View()
	view.Claims(view.SourceByID("s").Num, "", func(c *fsm.Claim) bool {
		if row := w.state.View().Repo(c.Repo); row.Generation == 0 && row.ID != "index" {
			w.sure(&command.Place{Rows: []*command.Placement{{Repo: row.ID, RowVersion: row.Version, Add: []string{node}}}})
			w.sure(&command.AssignOwners{Rows: []*command.Ownership{{Repo: row.ID, Epoch: row.Epoch, Owner: node}}})
			w.publishes(row.ID)
			grown = true
		}
		return true
	})
	return grown
}

// paths are all that the source claims.
func (w *world) paths() (list []string) {
	view := w.state.View()
	view.Claims(view.SourceByID("s").Num, "\x00", func(c *fsm.Claim) bool { list = append(list, c.Path); return true })
	return list
}

// flawsBelow are what submodules cannot be followed, by path.
func (w *world) flawsBelow() map[string]string {
	view, out := w.state.View(), map[string]string{}
	view.Above(view.SourceByID("s").Num, func(c *fsm.Claim) bool {
		if c.SubmodulesFlaw != "" {
			out[c.Path] = c.SubmodulesFlaw
		}
		return true
	})
	return out
}

func modules(keys ...string) string {
	var b strings.Builder
	for i, key := range keys {
		fmt.Fprintf(&b, "[submodule \"m%d\"]\n\tpath = m%d\n\turl = https://%s\n", i, i, key)
	}
	return b.String()
}

// settle has both nodes look until there is nothing more to be cloned, or to be listed.
func (w *world) settle(t testing.TB, on func() string) {
	t.Helper()
	for range 30 {
		for _, self := range []string{"a", "b"} {
			l := w.lister(self)
			l.Look(t.Context())
			l.LookBelow(t.Context())
		}
		if before := w.index; !w.grow(on()) {
			for _, self := range []string{"a", "b"} {
				w.lister(self).LookBelow(t.Context())
			}
			if w.index == before {
				return
			}
		}
	}
	t.Fatal("it does not end")
}

// However upstreams name each other in .gitmodules, in loops too, and whoever dies while they are read:
// in the end what is claimed is what can be reached, computed by this test.
func TestSubmodulesAreFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		keys := []string{"h/r0", "h/r1", "h/r2", "h/r3", "h/r4"}
		edges, listed := map[string][]string{}, map[string]bool{}
		key := rapid.SampledFrom(keys)
		node := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			w.now = w.now.Add(25 * time.Hour) // what may be lost in a day is lost anew
			at := key.Draw(t, "at")
			switch rapid.SampledFrom([]string{"list", "list", "drop", "ask", "edge", "edge", "edge", "cut"}).Draw(t, "edit") {
			case "list", "ask":
				listed[at] = rapid.IntRange(0, 3).Draw(t, "submodules") > 0
			case "drop":
				delete(listed, at)
			case "edge":
				if to := key.Draw(t, "to"); !slices.Contains(edges[at], to) {
					edges[at] = append(edges[at], to)
				}
			case "cut":
				if n := len(edges[at]); n > 0 {
					edges[at] = edges[at][:n-1]
				}
			}
			clear(w.files)
			for k, asks := range listed {
				w.files["l/"+k[2:]] = fmt.Sprintf("url: https://%s\nsubmodules: %t\n", k, asks)
			}
			w.modules[at] = modules(edges[at]...)
			if row := w.rowOf(at); row != nil && row.Generation > 0 && row.ID != "index" {
				w.publishes(row.ID)
			}
			w.publish()
			for range rapid.IntRange(0, 3).Draw(t, "deaths") {
				w.left = rapid.IntRange(0, 3).Draw(t, "left")
				l := w.lister(node.Draw(t, "who"))
				l.Look(t.Context())
				l.LookBelow(t.Context())
				w.left = -1
				w.grow(node.Draw(t, "on"))
				if row := w.rowOf(key.Draw(t, "moves")); row != nil && row.ID != "index" && row.Owner != 0 {
					other := map[string]string{"a": "b", "b": "a"}[w.state.View().Node(row.Owner).ID]
					w.sure(&command.Place{Rows: []*command.Placement{{Repo: row.ID, RowVersion: row.Version, Add: []string{other}}}})
					w.sure(&command.AssignOwners{Rows: []*command.Ownership{{Repo: row.ID, Epoch: row.Epoch, Owner: other}}})
				}
			}
			w.settleDrawn(t, node)
			want := []string{}
			for k, asks := range listed {
				want = append(want, "l/"+k[2:])
				if asks {
					want = reach(want, edges, "l/"+k[2:], []string{k})
				}
			}
			slices.Sort(want)
			if got := w.paths(); !slices.Equal(got, want) || len(w.flawsBelow()) > 0 {
				t.Fatalf("claimed are %q, want %q; flaws %v, listed %v, edges %v", got, want, w.flawsBelow(), listed, edges)
			}
		}
	})
}

// settleDrawn is settle, with nodes that are drawn.
func (w *world) settleDrawn(t *rapid.T, node *rapid.Generator[string]) {
	for range 40 {
		before := w.index
		for _, self := range []string{"a", "b"} {
			l := w.lister(self)
			l.Look(t.Context())
			l.LookBelow(t.Context())
		}
		w.grow(node.Draw(t, "on"))
		if w.index == before {
			return
		}
	}
	t.Fatal("it does not end")
}

func (w *world) rowOf(key string) (found *fsm.Repo) {
	view := w.state.View()
	view.Claims(view.SourceByID("s").Num, "", func(c *fsm.Claim) bool {
		if c.Keys[0] == key {
			found = view.Repo(c.Repo)
		}
		return found == nil
	})
	return found
}

// reach adds the paths of what hangs on one.
func reach(list []string, edges map[string][]string, path string, above []string) []string {
	if len(above) > source.MaxUnder {
		return list
	}
	for _, to := range edges[above[len(above)-1]] {
		if slices.Contains(above, to) {
			continue
		}
		below := path + " > " + to
		list = reach(append(list, below), edges, below, append(slices.Clone(above), to))
	}
	return list
}

func TestSubmodulesAreMirroredAsWhatNamesThem(t *testing.T) {
	w := newWorld(t)
	w.files["r"] = "url: https://h/r\nsubmodules: true\nreplicas: 1\ninterval: 1h\nlabels: {team: x}"
	w.modules["h/r"] = modules("h/lib")
	w.publish()
	w.settle(t, func() string { return "b" })
	row := w.state.View().RepoByName("h/lib")
	if row == nil || row.Policy.Replicas != 1 || row.Policy.Interval != time.Hour || row.Labels["team"] != "x" {
		t.Fatalf("%+v", row)
	}
	before := w.index
	w.publishes(w.rowOf("h/r").ID) // the same .gitmodules
	w.settle(t, func() string { return "b" })
	if w.index != before+1 {
		t.Errorf("%d entries more", w.index-before-1)
	}
	// What a hand took out of the file goes; with more than may go unasked it stays, and that is said.
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprint("h/m", i))
	}
	w.modules["h/r"] = modules(many...)
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, func() string { return "a" })
	if got := w.paths(); len(got) != 13 {
		t.Fatalf("%q", got)
	}
	w.now = w.now.Add(25 * time.Hour)
	w.modules["h/r"] = modules("h/m0")
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, func() string { return "a" })
	if got, flaw := w.paths(), w.flawsBelow()["r"]; len(got) != 13 || !strings.Contains(flaw, "11 would go") {
		t.Errorf("%q, flaw %q", got, flaw)
	}
}

func TestWhatOfSubmodulesCannotBeFollowed(t *testing.T) {
	w := newWorld(t)
	w.files["r"] = "url: https://h/r\nsubmodules: true"
	w.modules["h/r"] = modules("h/a", "h/b")
	w.publish()
	w.settle(t, func() string { return "a" })
	for _, data := range []string{modules("h/a", "h/bad name"), "[submodule", strings.Repeat("#", 1<<20+1)} {
		w.modules["h/r"] = data
		w.publishes(w.rowOf("h/r").ID)
		w.settle(t, func() string { return "a" })
		if got, flaws := w.paths(), w.flawsBelow(); len(got) != 3 || len(flaws) != 1 {
			t.Errorf("%.20q: %q, flaws %q", data, got, flaws)
		}
	}
	// A disk that fails is said once, and tried again.
	w.fails = fmt.Errorf("input/output error")
	w.publishes(w.rowOf("h/r").ID)
	l := w.lister("a")
	if next := l.LookBelow(t.Context()); next <= 0 || !strings.Contains(w.flawsBelow()["r"], "input/output error") {
		t.Errorf("again in %s: %q", next, w.flawsBelow())
	}
	before := w.index
	l.LookBelow(t.Context())
	if w.index != before {
		t.Errorf("%d entries more", w.index-before)
	}
	w.fails = lister.ErrNotYet
	if next := l.LookBelow(t.Context()); next <= 0 || w.index != before {
		t.Errorf("again in %s, %d entries more", next, w.index-before)
	}
	w.fails, w.modules["h/r"] = nil, modules("h/b")
	l.LookBelow(t.Context())
	if got, flaws := w.paths(), w.flawsBelow(); !slices.Equal(got, []string{"r", "r > h/b"}) || len(flaws) != 0 {
		t.Errorf("%q, %q", got, slices.Collect(maps.Values(flaws)))
	}
	// A source that is paused changes nothing.
	w.sure(&command.SetSource{Id: "s", Paused: new(bool(true))})
	w.modules["h/r"] = modules("h/b", "h/c")
	w.publishes(w.rowOf("h/r").ID)
	l.LookBelow(t.Context())
	if got := w.paths(); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestASubmoduleThatWasRefusedIsTriedWhenItIsFree(t *testing.T) {
	w := newWorld(t)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "h/lib", Urls: []string{"https://other/x"}, UrlKeys: []string{"other/x"}}}})
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules("h/lib")
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	w.grow("a")
	l.LookBelow(t.Context())
	if got, flaw := w.paths(), w.flawsBelow()["r"]; len(got) != 1 || !strings.Contains(flaw, "there is a repo h/lib already") {
		t.Fatalf("%q, %q", got, flaw)
	}
	l.LookBelow(t.Context())
	before := w.batches
	if l.LookBelow(t.Context()); w.batches != before {
		t.Errorf("%d proposals though nothing is free", w.batches-before)
	}
	w.sure(&command.RemoveRepos{Ids: []string{"x"}})
	l.LookBelow(t.Context())
	if got, flaws := w.paths(), w.flawsBelow(); len(got) != 2 || len(flaws) != 0 {
		t.Errorf("%q, %q", got, flaws)
	}
}

// Where a file cannot be understood, what hangs on what it had hangs there as before; and a source that is
// removed has nothing listed.
func TestSubmodulesStayWithWhatStays(t *testing.T) {
	w := newWorld(t)
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules("h/a")
	w.publish()
	w.settle(t, func() string { return "a" })
	w.files["r"] = "url: ["
	w.publish()
	w.settle(t, func() string { return "a" })
	if got := w.paths(); !slices.Equal(got, []string{"r", "r > h/a"}) {
		t.Errorf("%q", got)
	}
	w.files["r"] = "url: https://h/r\nsubmodules: true"
	w.publish()
	w.settle(t, func() string { return "a" })
	var many []*command.Entry
	for i := range 1500 { // so that the source is not gone at once
		many = append(many, &command.Entry{Path: fmt.Sprint("z", i), Hash: make([]byte, 16), Repo: &command.NewRepo{Id: fmt.Sprint("z", i), Name: fmt.Sprint("z", i), Urls: []string{fmt.Sprint("https://z/", i)}, UrlKeys: []string{fmt.Sprint("z/", i)}}})
	}
	for _, batch := range [][]*command.Entry{many[:1000], many[1000:]} {
		w.sure(&command.Listing{Source: "s", Node: "a", Epoch: w.row().Epoch, Put: batch})
	}
	w.modules["h/r"] = modules("h/a", "h/b")
	w.publishes(w.rowOf("h/r").ID)
	w.do(&command.RemoveSource{Id: "s"})
	before := w.batches
	w.lister("a").LookBelow(t.Context())
	if w.batches != before {
		t.Errorf("%d proposals for a source that is being removed", w.batches-before)
	}
}

func TestOnlyWhoOwnsARowReadsItsSubmodules(t *testing.T) {
	w := newWorld(t)
	w.files["r"], w.files["none"] = "url: https://h/r\nsubmodules: true", "url: https://h/none\nsubmodules: true"
	w.modules["h/r"] = modules("h/a")
	w.publish()
	w.lister("a").Look(t.Context())
	w.grow("b")
	before := w.batches
	if w.lister("a").LookBelow(t.Context()); w.batches != before {
		t.Errorf("%d proposals of who does not own it", w.batches-before)
	}
	w.lister("b").LookBelow(t.Context())
	if w.batches != before+2 { // what there is, and that it was read; nothing of what has no submodules
		t.Errorf("%d proposals", w.batches-before)
	}
	// An address that is denied is told, and not taken.
	w.modules["h/r"] = modules("h/a", "bad/x")
	w.publishes(w.rowOf("h/r").ID)
	w.denied("b").LookBelow(t.Context())
	if got, flaw := w.paths(), w.flawsBelow()["r"]; slices.Contains(got, "r > bad/x") || !strings.Contains(flaw, "it is ours") {
		t.Errorf("%q, %q", got, flaw)
	}
}

func TestWhatCannotBeReadRests(t *testing.T) {
	w := newWorld(t)
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules("h/a")
	w.publish()
	w.lister("a").Look(t.Context())
	w.grow("a")
	w.fails = fmt.Errorf("input/output error")
	l := w.lister("a")
	l.LookBelow(t.Context())
	w.reads = 0
	if l.LookSoon(t.Context()); w.reads != 0 {
		t.Errorf("it was read %d times more at once", w.reads)
	}
}

// More submodules than a batch has go with what they hang on, and before it.
func TestManySubmodulesGo(t *testing.T) {
	w := newWorld(t)
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("h/m%04d", i))
	}
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules(many...)
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	w.grow("a")
	l.LookBelow(t.Context())
	if got := len(w.paths()); got != 1001 {
		t.Fatalf("%d claims", got)
	}
	delete(w.files, "r")
	w.publish()
	l.Look(t.Context())
	hold := w.state.View().SourceByID("s").Hold
	if got := w.paths(); len(got) != 1001 || hold.GetLost() != 1001 {
		t.Fatalf("%d claims are left, %d would go", len(got), hold.GetLost())
	}
	w.sure(&command.ApproveSource{Id: "s", Digest: hold.Digest})
	l.Look(t.Context())
	if got := w.paths(); len(got) != 0 || w.state.View().SourceByID("s").Hold != nil {
		t.Errorf("%d claims are left", len(got))
	}
}
