package lister_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/source"
)

// urlsAt are those of the row of a path.
func (w *world) urlsAt(path string) string {
	return strings.ReplaceAll(strings.Join(w.rowAt(path).URLs(), " "), "https://h/", "")
}

// An entry that leaves its row for another's keeps both of its addresses as its further ones, however many those are.
func TestAllAddressesOfWhatIsLeftAreGiven(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"c": "c", "d": "a b", "e": "x y", "z": "z"})
	w.edit(l, map[string]string{"c": "c", "d": "c a b", "z": "z"})
	w.edit(l, map[string]string{"c": "c", "d": "c a b", "n": "n x y", "z": "z"})
	if w.rowAt("d") != w.rowAt("c") || w.urlsAt("n") != "n x y" || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%q, %v", w.urlsAt("n"), w.source().Listed)
	}
}

// A path and an address before the one it had make no other mirror of it: the row goes along, and says what it serves. Where
// what comes first is another's, it has that, and its own is nobody's.
func TestAnAddressBeforeTheOneItHad(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"g/a": "a", "g/b": "b", "o": "o", "z": "z"})
	w.grow("a")
	a := w.rowAt("g/a").ID
	w.edit(l, map[string]string{"k/a": "n a", "k/b": "o b", "o": "o", "z": "z"})
	l.Look(t.Context()) // what was in the way is gone
	if row := w.rowAt("k/a"); row.ID != a || row.Estranged() != "h/a" || w.urlsAt("k/a") != "n a" || w.rowAt("k/b") != w.rowAt("o") || w.source().Listed.GetFlawsTotal() != 0 || w.source().Lost(w.now) != 1 {
		t.Errorf("%+v, %q, %v", row, w.urlsAt("k/a"), w.source().Listed)
	}
}

// What is under another path, with another address first, is taken back as it was, whether something else is held meanwhile or
// who reads it dies in the middle.
func TestARenameThatIsTakenBack(t *testing.T) {
	for dies := -1; dies < 3; dies++ {
		w := newWorld(t)
		l := w.lister("a")
		was, is := map[string]string{"z": "z"}, map[string]string{"z": "z"}
		for i := range 12 {
			was[fmt.Sprint("g/", i)] = fmt.Sprintf("a%d b%d", i, i)
			if dies >= 0 || i < 6 { // else the rest is held
				is[fmt.Sprint("k/", i)] = fmt.Sprintf("b%d a%d", i, i)
			}
		}
		w.edit(l, was)
		w.grow("a")
		w.left = dies
		w.edit(l, is)
		if dies < 0 && w.source().Hold.GetLost() != 6 {
			t.Fatalf("%+v", w.source().Hold)
		}
		w.left = -1
		l = w.lister("a")
		w.edit(l, was)
		for i := range 12 {
			if row := w.rowAt(fmt.Sprint("g/", i)); w.urlsAt(fmt.Sprint("g/", i)) != fmt.Sprintf("a%d b%d", i, i) || row.Estranged() != "" {
				t.Errorf("dead after %d: %q, of %q", dies, row.URLs(), row.Estranged())
			}
		}
		if src := w.source(); src.Hold != nil || src.Lost(w.now) != 0 || w.state.View().Len() != 14 {
			t.Errorf("dead after %d: %+v, %d lost, %d rows", dies, src.Hold, src.Lost(w.now), w.state.View().Len())
		}
	}
}

// What is wanted again within seven days is what it was, though others had its address meanwhile, as a further one or alone.
func TestWhatIsListedAgainIsWhatItWas(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	was := map[string]string{"a": "a", "b": "b", "c": "c", "d": "d", "z": "z"}
	w.edit(l, was)
	w.grow("a")
	a, d := w.rowAt("a").ID, w.rowAt("d").ID
	w.edit(l, map[string]string{"b": "b a", "c": "c", "d": "c d", "z": "z"})
	l.Look(t.Context()) // what was in the way is gone
	if w.urlsAt("b") != "b a" || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%q, %v", w.urlsAt("b"), w.source().Listed)
	}
	w.edit(l, was)
	for path, id := range map[string]string{"a": a, "d": d} {
		if row := w.rowAt(path); row.ID != id || row.Estranged() != "" || w.urlsAt(path) != path {
			t.Errorf("%s: %+v, %q", path, row, row.URLs())
		}
	}
	// What was not proved when it went is not, by that.
	w.edit(l, map[string]string{"a": "n", "b": "b", "c": "c", "d": "d", "z": "z"})
	w.edit(l, map[string]string{"b": "b", "c": "c", "d": "d", "z": "z"})
	w.edit(l, map[string]string{"a": "n", "b": "b", "c": "c", "d": "d", "z": "z"})
	if row := w.rowAt("a"); row.ID != a || row.Estranged() != "h/a" || row.Word() == 0 {
		t.Errorf("%+v, of %q", row, row.Estranged())
	}
}

// A further address that is left out was what is served, and is remembered.
func TestTheFallbackThatIsServedIsLeftOut(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"e": "e1 e2", "z": "z"})
	w.grow("a")
	row := w.rowAt("e")
	w.sure(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Fallback: "https://h/e2"}}})
	w.edit(l, map[string]string{"e": "e1", "z": "z"})
	if row := w.rowAt("e"); row.Estranged() != "h/e2" || row.Fallback != nil || row.Word() == 0 || slices.Contains(row.Aliases, "h/e1") {
		t.Errorf("%+v, of %q", row, row.Estranged())
	}
}

// Two entries share a row: who goes to its further address has that, which was there for nobody else.
func TestWhoGoesToItsOwnFurtherAddress(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"a": "u1 u2", "b": "u1", "z": "z"})
	w.edit(l, map[string]string{"a": "u2", "b": "u1", "z": "z"})
	if w.urlsAt("a") != "u2" || w.urlsAt("b") != "u1" || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%q, %q, %v", w.urlsAt("a"), w.urlsAt("b"), w.source().Listed)
	}
	w.edit(l, map[string]string{"a": "u2", "b": "u1", "c": "u1 u3", "z": "z"})
	w.edit(l, map[string]string{"a": "u2", "b": "u1", "c": "u3 u1", "z": "z"})
	if w.urlsAt("b") != "u1" || w.source().Listed.GetFlawsTotal() != 1 || !strings.Contains(w.source().Listed.GetFlaws()[0].GetWhy(), "mirrors https://h/u1 already") {
		t.Errorf("%q, %v", w.urlsAt("b"), w.source().Listed)
	}
}

// What is refused under another path keeps all that could be it, and what a person approves goes, once.
func TestWhatIsApprovedGoes(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "x", Urls: []string{"https://h/taken"}, UrlKeys: []string{"h/taken"}}}})
	entries := map[string]string{"g/a": "m", "g/b": "i"}
	for i := range 14 {
		entries[fmt.Sprint("z", i)] = fmt.Sprint("z", i)
	}
	w.edit(l, entries)
	w.grow("a")
	entries["g/a"], entries["g/b"] = "j", "m"
	w.edit(l, entries)
	b := w.rowAt("g/b").ID
	delete(entries, "g/a")
	delete(entries, "g/b")
	for i := range 5 {
		delete(entries, fmt.Sprint("z", i))
	}
	entries["k/x"] = "m taken"
	w.edit(l, entries)
	hold := w.source().Hold
	if hold.GetLost() < 5 || slices.Contains(hold.GetFirst(), "g/b") {
		t.Fatalf("%v", hold)
	}
	w.sure(&command.ApproveSource{Id: "s", Digest: hold.Digest})
	l.Look(t.Context())
	if src := w.source(); src.Hold != nil || src.Wants(w.row()) || !w.state.View().Repo(b).Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v, %v", src.Hold, src.Listed)
	}
}

// What may not be asked under another path is where it was.
func TestARenameToWhatIsDenied(t *testing.T) {
	w := newWorld(t)
	l := w.denied("a")
	w.edit(l, map[string]string{"g/b": "b", "z": "z"})
	w.files = map[string]string{"k/b": "url: [https://h/b, https://bad/x]", "z": "url: https://h/z"}
	w.publish()
	l.Look(t.Context())
	if row := w.rowAt("g/b"); !row.Sourced.RetiredAt().IsZero() || w.source().Listed.GetFlawsTotal() != 1 || w.source().Listed.GetKept() != 1 {
		t.Errorf("%+v, %v", row, w.source().Listed)
	}
}

// Two paths of one mirror that are gone, whose entry under another path is refused, both stay.
func TestAllThatCouldBeRefusedStay(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "x", Urls: []string{"https://h/taken"}, UrlKeys: []string{"h/taken"}}}})
	w.edit(l, map[string]string{"g/a": "m", "g/b": "m", "z": "z"})
	w.edit(l, map[string]string{"k/x": "m taken", "z": "z"})
	if got := w.paths(); !slices.Equal(got, []string{"g/a", "g/b", "z"}) || w.source().Listed.GetKept() != 2 || w.source().Listed.GetFlawsTotal() != 1 {
		t.Errorf("%q, %v", got, w.source().Listed)
	}
}

// Entries whose mirrors people have follow other addresses, and which are mirrors that people have by their own, leave these
// under other paths: what is lost by that shows only when they are there, is held, and goes when a person says so.
func TestWhatShowsToBeLostIsApproved(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	was, is := map[string]string{"z": "z"}, map[string]string{"z": "z"}
	for i := range 7 {
		was[fmt.Sprint("g/", i)], is[fmt.Sprint("k/", i)] = fmt.Sprint("u", i), fmt.Sprint("u", i)
	}
	w.edit(l, was)
	w.grow("a")
	for i := range 7 {
		id, mine, url := w.rowAt(fmt.Sprint("g/", i)).ID, fmt.Sprint("m", i), fmt.Sprint("u", i)
		w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/" + mine}, Keys: []string{"h/" + mine}}}}})
		w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: mine, Name: "mine/" + mine, Urls: []string{"https://h/" + url}, UrlKeys: []string{"h/" + url}}}})
	}
	w.edit(l, is)
	hold := w.source().Hold
	if hold.GetLost() != 7 || len(w.paths()) != 15 {
		t.Fatalf("%v, %q", hold, w.paths())
	}
	w.sure(&command.ApproveSource{Id: "s", Digest: hold.Digest})
	l.Look(t.Context())
	if src := w.source(); src.Hold != nil || len(w.paths()) != 8 || src.Lost(w.now) != 0 {
		t.Errorf("%v, %q, %d lost", src.Hold, w.paths(), src.Lost(w.now))
	}
}

// What has submodules, and is under another path with another address first, is taken back, whether something else is held meanwhile
// or who reads it dies before what is gone is taken away: each is what it says.
func TestARenameOfWhatHasSubmodulesIsTakenBack(t *testing.T) {
	for _, dies := range []bool{false, true} {
		w := newWorld(t)
		l := w.lister("a")
		was := map[string]string{"a/app": "a"}
		for i := range 14 {
			was[fmt.Sprint("z", i)] = fmt.Sprint("z", i)
		}
		w.edit(l, was)
		w.grow("a")
		app := w.rowAt("a/app")
		w.sure(&command.Listing{Source: "s", Node: "a", Epoch: app.Epoch, Submodules: &command.Submodules{Of: "a/app"}, Put: []*command.Entry{{
			Path: source.Under("a/app", "h/sub"), File: ".gitmodules", Hash: make([]byte, 16), Submodules: true,
			Repo: &command.NewRepo{Id: "sub", Name: "h/sub", Urls: []string{"https://h/sub"}, UrlKeys: []string{"h/sub"}}}}})
		is := maps.Clone(was)
		delete(is, "a/app")
		is["a/new"] = "b a"
		if !dies {
			for i := range 8 { // are held
				delete(is, fmt.Sprint("z", i))
			}
		} else {
			w.left = 1
		}
		w.edit(l, is)
		w.left = -1
		if w.rowAt("a/new").ID != app.ID || w.rowAt("a/app").ID != app.ID {
			t.Fatalf("%q", w.paths())
		}
		was["a/new"] = "b"
		w.edit(w.lister("a"), was)
		if one, two := w.rowAt("a/app"), w.rowAt("a/new"); one == two || w.urlsAt("a/app") != "a" || w.urlsAt("a/new") != "b" || w.source().Listed.GetFlawsTotal() != 0 {
			t.Errorf("dies: %v: %q, %q, %v", dies, one.URLs(), two.URLs(), w.source().Listed)
		}
	}
}

// What is served of its further address goes where that is the first, and what had its first one is new there.
func TestAnEntryOnItsFallbackIsSplit(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.edit(l, map[string]string{"g/b": "b1 b2", "z": "z"})
	w.grow("a")
	row := w.rowAt("g/b")
	w.sure(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Fallback: "https://h/b2"}}})
	w.edit(l, map[string]string{"k/b": "b2", "k/b1": "b1", "z": "z"})
	if is := w.rowAt("k/b"); is.ID != row.ID || is.Estranged() != "" || w.urlsAt("k/b") != "b2" || w.urlsAt("k/b1") != "b1" || w.source().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%+v, %q, %q, %v", is, w.urlsAt("k/b"), w.urlsAt("k/b1"), w.source().Listed)
	}
}

// Entries of two sources exchange their further addresses: the first gives up what it lists no more, and has its new one as soon
// as the other has.
func TestFurtherUrlsAreExchangedBetweenSources(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "o", Name: "o", Namespace: "o", Index: &command.NewRepo{
		Id: "others", Name: "h/others", Urls: []string{"https://h/others"}, UrlKeys: []string{"h/others"}, Copies: []string{"a"}, Owner: "a"}}})
	others := func(further string) {
		w.sure(&command.Listing{Source: "o", Node: "a", Epoch: 1, Put: []*command.Entry{{Path: "b", File: "b", Hash: []byte("hash of " + further + "1234567")[:16],
			Repo: &command.NewRepo{Id: "b", Name: "o/b", Urls: []string{"https://h/b1", "https://h/" + further}, UrlKeys: []string{"h/b1", "h/" + further}}}}})
	}
	w.edit(l, map[string]string{"a": "a1 x", "z": "z"})
	others("y")
	w.edit(l, map[string]string{"a": "a1 y", "z": "z"})
	if w.urlsAt("a") != "a1" || w.source().Listed.GetFlawsTotal() != 1 {
		t.Errorf("%q, %v", w.urlsAt("a"), w.source().Listed)
	}
	others("x")
	l.Look(t.Context())
	if b := w.state.View().RepoByURLKey("h/x"); w.urlsAt("a") != "a1 y" || w.source().Listed.GetFlawsTotal() != 0 || b == nil || b.ID != "b" {
		t.Errorf("%q, %v", w.urlsAt("a"), w.source().Listed)
	}
}
