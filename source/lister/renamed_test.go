package lister_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/source/lister"
)

// edit has the index list these, by path, each with its urls, and has it read.
func (w *world) edit(l *lister.Lister, entries map[string]string) {
	w.t.Helper()
	clear(w.files)
	for path, urls := range entries {
		list := strings.Fields(urls)
		for i, u := range list {
			list[i] = "https://h/" + u
		}
		w.files[path] = "url: [" + strings.Join(list, ", ") + "]\nsubmodules: true\n"
	}
	w.publish()
	l.Look(w.t.(*testing.T).Context())
}

// rowAt is the row of a path.
func (w *world) rowAt(path string) *fsm.Repo {
	w.t.Helper()
	view := w.state.View()
	c := view.ClaimOf(view.SourceByID("s").Num, path)
	if c == nil {
		w.t.Fatalf("%s is not claimed", path)
	}
	return view.Repo(c.Repo)
}

func (w *world) source() *fsm.Source { return w.state.View().SourceByID("s") }

// A folder that is renamed loses nothing, whenever who reads that is killed; nor does it while something else is held.
func TestARenamedFolderLosesNothing(t *testing.T) {
	for dies := range 4 {
		w := newWorld(t)
		l := w.lister("a")
		entries, renamed := map[string]string{}, map[string]string{}
		for i := range 30 {
			entries[fmt.Sprintf("g/%02d", i)] = fmt.Sprint("u", i)
			renamed[fmt.Sprintf("k/%02d", i)] = fmt.Sprint("u", i)
		}
		w.edit(l, entries)
		w.left = dies
		w.edit(l, renamed)
		w.left = -1
		w.lister("a").Look(t.Context())
		if src := w.source(); src.Hold != nil || src.Lost(w.now) != 0 || src.Listed.GetGeneration() != w.shown || len(w.claims()) != 30 || w.state.View().Len() != 31 {
			t.Errorf("dead after %d: %+v, %d lost, %v", dies, src.Hold, src.Lost(w.now), src.Listed)
		}
	}
	w := newWorld(t)
	l := w.lister("a")
	entries := map[string]string{}
	for i := range 22 {
		entries[fmt.Sprintf("g/%02d", i)] = fmt.Sprint("u", i)
	}
	w.edit(l, entries)
	for i := range 6 {
		delete(entries, fmt.Sprintf("g/%02d", i))
	}
	w.edit(l, entries)
	for i := 6; i < 14; i++ {
		delete(entries, fmt.Sprintf("g/%02d", i))
		entries[fmt.Sprintf("k/%02d", i)] = fmt.Sprint("u", i)
	}
	for range 3 {
		if w.edit(l, entries); w.source().Hold.GetLost() != 6 {
			t.Errorf("%+v", w.source().Hold)
		}
	}
	for i := range 6 {
		entries[fmt.Sprintf("g/%02d", i)] = fmt.Sprint("u", i)
	}
	w.edit(l, entries)
	if src := w.source(); src.Hold != nil || src.Lost(w.now) != 0 || w.state.View().Len() != 23 {
		t.Errorf("%+v, %d lost", src.Hold, src.Lost(w.now))
	}
}

// What is refused has left nothing, however often it is listed, and is said each time.
func TestWhatIsRefusedIsNoLoss(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	entries := map[string]string{}
	for i := range 12 {
		entries[fmt.Sprintf("p%02d", i)] = fmt.Sprint("w", i)
	}
	w.edit(l, entries)
	delete(entries, "p04")
	w.edit(l, entries)
	entries["p05"] = "w4 w7" // retired; another's
	for range 6 {
		if w.edit(l, entries); w.source().Hold != nil || w.source().Lost(w.now) != 1 || w.source().Listed.GetFlawsTotal() != 1 {
			t.Fatalf("%+v, %d lost, %v", w.source().Hold, w.source().Lost(w.now), w.source().Listed)
		}
	}
	entries["p05"] = "w4"
	if w.edit(l, entries); w.source().Hold != nil || w.source().Lost(w.now) != 2 || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%+v, %d lost, %v", w.source().Hold, w.source().Lost(w.now), w.source().Listed)
	}
}

// What others of the same listing stand in the way of is taken up behind them.
func TestWhatTheSameListingMakesRoomFor(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"c": "y0", "d": "y1 y2", "z": "z"})
	w.edit(l, map[string]string{"c": "y2", "d": "y1", "z": "z", "new": "y0 y3"})
	if src := w.source(); src.Listed.GetFlawsTotal() != 0 || w.rowAt("c").URLs()[0] != "https://h/y2" || w.rowAt("new").URLs()[0] != "https://h/y0" {
		t.Errorf("%v, %v", src.Listed, w.claims())
	}
	// Nothing is tried again where nothing has changed.
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "x", Urls: []string{"https://h/x1"}, UrlKeys: []string{"h/x1"}}}})
	w.edit(l, map[string]string{"c": "y2 x1", "d": "y1", "z": "z", "new": "y0 y3"})
	before := w.batches
	w.edit(l, map[string]string{"c": "y2 x1", "d": "y1", "z": "z", "new": "y0 y3"})
	if n := w.batches - before; n != 2 || w.source().Listed.GetFlawsTotal() != 1 {
		t.Errorf("%d proposals, %v", n, w.source().Listed)
	}
}

// Whose url was changed by mistake, and changed back, keeps its mirror, and who gets that url meanwhile has its own.
func TestAWrongUrlIsMended(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	was := map[string]string{"g/s": "r20", "g/t": "r21", "i/t": "r24", "j/t": "r25", "z": "z"}
	w.edit(l, was)
	w.grow("a")
	rows := map[string]string{}
	for path := range was {
		rows[path] = w.rowAt(path).ID
	}
	serves := func(path, row, of string, urls ...string) {
		t.Helper()
		for i, u := range urls {
			urls[i] = "https://h/" + u
		}
		if r := w.rowAt(path); rows[path] != "" && r.ID != rows[path] || row != "" && r.ID != rows[row] || r.Estranged() != of || !slices.Equal(r.URLs(), urls) {
			t.Errorf("%s is on %s, which serves what %q had, of %q", path, r.ID, r.Estranged(), r.URLs())
		}
	}
	w.edit(l, map[string]string{"g/s": "r20", "g/t": "r10", "i/t": "r12", "j/t": "r13", "z": "z"})
	serves("g/t", "g/t", "h/r21", "r10")
	w.edit(l, map[string]string{"g/s": "r10", "g/t": "r21", "i/n": "r12", "i/t": "r24", "j/n": "r13", "j/t": "r13", "z": "z"})
	serves("g/t", "g/t", "", "r21")
	serves("g/s", "g/s", "h/r20", "r10")
	serves("i/t", "i/t", "", "r24")
	serves("i/n", "", "", "r12")
	view := w.state.View()
	if view.ClaimOf(w.source().Num, "j/n") != nil || w.source().Listed.GetFlawsTotal() != 1 || w.rowAt("i/n").ID == rows["i/t"] {
		t.Errorf("%v", w.source().Listed)
	}
	w.edit(l, map[string]string{"g/s": "r10", "g/t": "r21", "i/n": "r12", "i/t": "r24", "j/n": "r13", "j/t": "r25", "z": "z"})
	serves("j/t", "j/t", "", "r25")
	serves("j/n", "", "", "r13")
	if src := w.source(); src.Hold != nil || src.Listed.GetFlawsTotal() != 0 || src.Lost(w.now) != 0 {
		t.Errorf("%+v, %v, %d lost", src.Hold, src.Listed, src.Lost(w.now))
	}
	// Under another path it keeps what it has, proved or not.
	w.edit(l, map[string]string{"k/s": "r10", "k/t": "r21", "i/n": "r12", "i/t": "r24", "j/n": "r13", "j/t": "r25", "z": "z"})
	serves("k/s", "g/s", "h/r20", "r10")
	serves("k/t", "g/t", "", "r21")
}

// Of those that change places, beside one that is not proved, who wants what there is has it.
func TestChangingPlacesBesideWhatIsNotProved(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"a/x": "o1", "g/y": "o2", "k/z": "o3"})
	w.grow("a")
	w.edit(l, map[string]string{"a/x": "o4", "g/y": "o2", "k/z": "o3"})
	rows := []string{w.rowAt("a/x").ID, w.rowAt("g/y").ID, w.rowAt("k/z").ID}
	w.edit(l, map[string]string{"a/x": "o3", "g/y": "o4", "k/z": "o2"})
	if x, y, z := w.rowAt("a/x"), w.rowAt("g/y"), w.rowAt("k/z"); x.ID != rows[2] || z.ID != rows[1] || slices.Contains(rows, y.ID) || y.URLs()[0] != "https://h/o4" {
		t.Errorf("%s %s %s, were %q", x.ID, y.ID, z.ID, rows)
	}
}

// What is there of another address names no submodules of this one.
func TestSubmodulesOfWhatIsNotProved(t *testing.T) {
	w := newWorld(t)
	w.modules["h/app"] = "[submodule \"m\"]\n\tpath = m\n\turl = ../lib\n"
	w.modules["g/fork"] = w.modules["h/app"]
	l := w.lister("a")
	w.edit(l, map[string]string{"app": "app"})
	w.settle(t, func() string { return "a" })
	if got := w.paths(); !slices.Equal(got, []string{"app", "app > h/lib"}) {
		t.Fatalf("%q", got)
	}
	w.files["app"] = "url: https://g/fork\nsubmodules: true\n"
	w.publish()
	for range 3 {
		l.Look(t.Context())
		l.LookBelow(t.Context())
	}
	if got := w.paths(); !slices.Equal(got, []string{"app", "app > h/lib"}) || w.rowAt("app").Estranged() != "h/app" {
		t.Fatalf("%q before it is proved", got)
	}
	app := w.rowAt("app")
	w.sure(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: app.ID, Epoch: app.Epoch, Heard: app.Word()}}})
	l.LookBelow(t.Context())
	if got := w.paths(); !slices.Equal(got, []string{"app", "app > g/lib"}) {
		t.Errorf("%q when it is proved", got)
	}
}

// Who takes the place of what is gone leaves what it had, also where what there is is not proved.
func TestTakingAPlaceIsLeavingOnes(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	entries := map[string]string{}
	for i := range 12 {
		entries[fmt.Sprintf("p%02d", i)] = fmt.Sprint("u", i)
	}
	w.edit(l, entries)
	w.grow("a")
	entries["p00"] = "new"
	w.edit(l, entries)
	had := w.rowAt("p01")
	delete(entries, "p00")
	entries["p01"] = "new"
	w.edit(l, entries)
	if row := w.rowAt("p01"); row.Estranged() != "h/u0" || w.state.View().Repo(had.ID).Sourced.RetiredAt().IsZero() || w.source().Lost(w.now) != 1 || w.source().Hold != nil {
		t.Errorf("%+v, %d lost, %+v", row, w.source().Lost(w.now), w.source().Hold)
	}
}

// Who asks, under another path, for what a row serves has that row, whatever its url was in between.
func TestWhatIsServedIsFoundUnderAnotherPath(t *testing.T) {
	for _, beside := range []string{"", "b9"} { // who asks for that url meanwhile
		w := newWorld(t)
		l := w.lister("a")
		w.edit(l, map[string]string{"g/x": "a1", "z": "z"})
		w.grow("a")
		id := w.rowAt("g/x").ID
		w.edit(l, map[string]string{"g/x": "b9", "z": "z"})
		now := map[string]string{"k/x": "a1", "z": "z"}
		if beside != "" {
			now["k/w"] = beside
		}
		w.edit(l, now)
		if row := w.rowAt("k/x"); row.ID != id || row.Estranged() != "" || row.URLs()[0] != "https://h/a1" || w.source().Listed.GetFlawsTotal() != 0 {
			t.Errorf("beside %q: %+v, %v", beside, row, w.source().Listed)
		}
		if beside != "" && (w.rowAt("k/w").ID == id || w.rowAt("k/w").URLs()[0] != "https://h/b9") {
			t.Errorf("%+v", w.rowAt("k/w"))
		}
	}
}

// Of two that come in the place of one, who wants its first url has its row.
func TestAnEntryIsDivided(t *testing.T) {
	for _, first := range []string{"k/1", "k/2"} {
		w := newWorld(t)
		l := w.lister("a")
		w.edit(l, map[string]string{"g/p": "a1 b1", "z": "z"})
		w.grow("a")
		id := w.rowAt("g/p").ID
		now := map[string]string{"k/1": "b1", "k/2": "b1", "z": "z"}
		now[first] = "a1"
		w.edit(l, now)
		l.Look(t.Context()) // what is gone has given its address by now
		if row := w.rowAt(first); row.ID != id || row.Estranged() != "" || w.source().Listed.GetFlawsTotal() != 0 || w.state.View().Len() != 4 {
			t.Errorf("%+v, %v", row, w.source().Listed)
		}
	}
	// And who has wanted it as it is before who says what it was.
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"a/d": "u1 u2", "k/c": "u3", "z": "z"})
	w.grow("a")
	id := w.rowAt("a/d").ID
	w.edit(l, map[string]string{"a/e": "u2", "k/c": "u1", "z": "z"})
	l.Look(t.Context())
	if row := w.rowAt("k/c"); row.ID != id || row.Estranged() != "" || w.rowAt("a/e").ID == id || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%+v, %v", row, w.source().Listed)
	}
}

// What nobody wants keeps no address that somebody does, be it as a further one; nor does what an entry has left.
func TestWhatIsRetiredGivesItsAddresses(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	entries := map[string]string{"p": "d1 d2", "q": "x4", "r": "x6", "z": "z", "y1": "y1", "y2": "y2"}
	w.edit(l, entries)
	w.grow("a")
	p, q, r := w.rowAt("p").ID, w.rowAt("q").ID, w.rowAt("r").ID
	delete(entries, "p")
	delete(entries, "r")
	w.edit(l, entries)
	entries["new"], entries["q"] = "d2", "x6 x4"
	w.edit(l, entries)
	view := w.state.View()
	if src := w.source(); src.Listed.GetFlawsTotal() != 0 || w.rowAt("new").ID == p || !slices.Equal(view.Repo(p).URLs(), []string{"https://h/d1"}) {
		t.Fatalf("%v, %q", src.Listed, view.Repo(p).URLs())
	}
	if row := w.rowAt("q"); row.ID != r || !slices.Equal(row.URLs(), []string{"https://h/x6", "https://h/x4"}) || view.Repo(q).Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v, %q", row, view.Repo(q).URLs())
	}
	entries["more"] = "m1 d1" // whose first it was
	w.edit(l, entries)
	if row := w.rowAt("more"); w.source().Listed.GetFlawsTotal() != 0 || !slices.Equal(row.URLs(), []string{"https://h/m1", "https://h/d1"}) {
		t.Errorf("%+v, %v", row, w.source().Listed)
	}
	// What somebody wants stays his, and what people have in their own way takes none.
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "x", Urls: []string{"https://h/x1"}, UrlKeys: []string{"h/x1"}}}})
	entries["y1"], entries["y2"] = "y1 y2", "x1 y2"
	w.edit(l, entries)
	if n := w.source().Listed.GetFlawsTotal(); n != 2 || !slices.Equal(w.rowAt("y2").URLs(), []string{"https://h/y2"}) {
		t.Errorf("%d flaws, %q", n, w.rowAt("y2").URLs())
	}
}

// Who is refused under another path keeps what it has under its own, also where only a further url is another's.
func TestAFurtherUrlOfAnotherHoldsUpARename(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"g/r": "e1", "g/o": "c1", "z": "z"})
	id := w.rowAt("g/r").ID
	for range 2 {
		w.edit(l, map[string]string{"k/r": "e1 c1", "g/o": "c1", "z": "z"})
		if row := w.rowAt("g/r"); row.ID != id || !row.Sourced.RetiredAt().IsZero() || w.source().Listed.GetKept() != 1 || w.source().Listed.GetFlawsTotal() != 1 {
			t.Errorf("%+v, %v", row, w.source().Listed)
		}
	}
	w.edit(l, map[string]string{"k/r": "e1", "g/o": "c1", "z": "z"})
	if row := w.rowAt("k/r"); row.ID != id || len(w.paths()) != 3 {
		t.Errorf("%+v, %q", row, w.paths())
	}
}

// Entries that exchange their further addresses, in a round too, have each what it says; who waits for what another keeps has
// what it still lists.
func TestFurtherUrlsAreExchanged(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"a": "a1 x q", "b": "b1 y", "c": "c1 z", "d": "d1 v", "e": "e1 w", "f": "f1 s", "g": "g1 t", "h": "h1 r", "i": "i1"})
	w.edit(l, map[string]string{"a": "a1 y q", "b": "b1 z", "c": "c1 x", "d": "d1 w", "e": "e1 w u", "f": "f2 t", "g": "g1 s", "h": "h1 w", "i": "i1 r w"})
	for path, want := range map[string]string{"a": "a1 y q", "b": "b1 z", "c": "c1 x", "d": "d1", "e": "e1 w u", "f": "f2 t", "g": "g1 s", "i": "i1"} {
		if got := strings.ReplaceAll(strings.Join(w.rowAt(path).URLs(), " "), "https://h/", ""); got != want {
			t.Errorf("%s has %q, not %q", path, got, want)
		}
	}
	if listed := w.source().Listed; listed.GetFlawsTotal() != 3 || listed.GetFlaws()[0].GetFile() != "d" || listed.GetChanged() != 6 {
		t.Errorf("%v", listed)
	}
}

// Those that take the place of others lose what these had, and nothing else.
func TestTakingPlacesCountsOnce(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	entries := map[string]string{}
	for i := range 12 {
		entries[fmt.Sprintf("z%02d", i)] = fmt.Sprint("u", i)
	}
	w.edit(l, entries)
	for i := range 4 {
		entries[fmt.Sprintf("z%02d", i)] = fmt.Sprint("u", i+4)
		delete(entries, fmt.Sprintf("z%02d", i+4))
	}
	w.edit(l, entries)
	if src := w.source(); src.Hold != nil || src.Lost(w.now) != 4 || src.Listed.GetFlawsTotal() != 0 || len(w.claims()) != 8 {
		t.Errorf("%+v, %d lost, %v", src.Hold, src.Lost(w.now), src.Listed)
	}
}
