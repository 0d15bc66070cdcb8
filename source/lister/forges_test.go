package lister_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
	"gitmirror/source/lister"
)

// asked is a forge in memory, as this node asks it.
type asked struct {
	*forgereplay.Forge
	has    []string
	cannot []*command.Unusable
	wikis  map[string]bool
	looked atomic.Int32 // for wikis
}

func (a *asked) List(ctx context.Context, _ string, ask client.Config) (*client.Result, error) {
	ask.Transport, ask.Agent = a, "test"
	return client.List(ctx, ask)
}

func (a *asked) Serves(_ context.Context, clone string) bool {
	a.looked.Add(1)
	return a.wikis[clone]
}

func (a *asked) Credentials(func(string) (forge.Account, bool)) ([]string, []*command.Unusable) {
	return a.has, a.cannot
}

// newForgeWorld is a table with the source "f", which is the organisation acme and owned by a.
func newForgeWorld(t rapid.TB, kind string, selection *command.Selection) (*world, *asked) {
	w := newWorld(t)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "f", Owner: "a", Forge: &command.Forge{Kind: kind, Base: "https://h", Account: "acme", Selection: selection}}})
	return w, &asked{Forge: forgereplay.New(kind), wikis: map[string]bool{}}
}

// node is a lister of a node whose time is that of the log.
func (w *world) node(self string, forges lister.Forges) *lister.Lister {
	return lister.New(lister.Config{Self: self, State: w.state, Proposer: w.log(), Indexes: w, Forges: forges, Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}, NewID: func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ids++
		return fmt.Sprint("row", w.ids)
	}})
}

// lists has the node list once whatever is due.
func (w *world) lists(self string, a lister.Forges) func() {
	once := w.node(self, a).ForgesOnce()
	return func() { once(context.Background()) }
}

func (w *world) forge() *fsm.Source { return w.state.View().SourceByID("f") }

// sync has it listed now.
func (w *world) sync() { w.sure(&command.SetSource{Id: "f", Again: w.forge().Again + 1}) }

// forged are the claims of the forge, by the forge's number, and the rows that they are on.
func (w *world) forged() (urls, rows map[string]string) {
	urls, rows = map[string]string{}, map[string]string{}
	v := w.state.View()
	v.Claims(w.forge().Num, "", func(c *fsm.Claim) bool {
		urls[number(c.Path)], rows[number(c.Path)] = c.URLs[0], c.Repo
		return true
	})
	return urls, rows
}

// number is the forge's, of what has a path; made is the path, of what was made when the forge was set up.
func number(path string) string {
	number, of, _ := strings.Cut(path, "@")
	_, wiki, _ := strings.Cut(of, "Z")
	return number + wiki
}

func made(number string) string { return number + "@" + forgereplay.SetUp.Format(time.RFC3339) }

func repo(id int64, name string) forgereplay.Repo {
	return forgereplay.Repo{ID: id, Owner: "acme", Name: name, Clone: "https://h/acme/" + name + ".git"}
}

// Whatever becomes of an account, and whoever dies meanwhile: the claims come to what it has, but for what
// is held, and what is only renamed keeps its mirror.
func TestClaimsFollowTheForge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"github", "gitlab", "gitea", "gitee"}).Draw(t, "kind")
		w, a := newForgeWorld(t, kind, &command.Selection{SkipArchived: true})
		a.Page = 7
		repos := map[int64]forgereplay.Repo{}
		last := int64(0)
		name := func() string { return fmt.Sprint("n", rapid.IntRange(0, 30).Draw(t, "name")) }
		free := func(name string) bool {
			for _, r := range repos {
				if strings.EqualFold(r.Name, name) {
					return false
				}
			}
			return true
		}
		want := map[string]string{}
		before := map[string]string{} // rows
		held := false                 // now, or the last time: while some are held, two may have one address
		self := "a"
		list := w.lists(self, a)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			for range rapid.IntRange(1, 10).Draw(t, "edits") {
				ids := slices.Sorted(maps.Keys(repos))
				edit := rapid.SampledFrom([]string{"add", "add", "add", "rename", "rename", "archive", "delete", "all"}).Draw(t, "edit")
				if len(ids) == 0 {
					edit = "add"
				}
				switch n := name(); edit {
				case "add":
					if free(n) {
						last++
						repos[last] = repo(last, n)
					}
				case "rename":
					if id := rapid.SampledFrom(ids).Draw(t, "id"); free(n) {
						r := repo(id, n)
						r.Archived = repos[id].Archived
						repos[id] = r
					}
				case "archive":
					id := rapid.SampledFrom(ids).Draw(t, "id")
					r := repos[id]
					r.Archived = !r.Archived
					repos[id] = r
				case "delete":
					delete(repos, rapid.SampledFrom(ids).Draw(t, "id"))
				case "all":
					if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
						clear(repos)
					}
				}
			}
			a.Organisation("acme", slices.SortedFunc(maps.Values(repos), func(a, b forgereplay.Repo) int { return strings.Compare(a.Name, b.Name) })...)
			w.sync()
			for range 20 {
				w.left = rapid.SampledFrom([]int{-1, -1, 0, 1, 2}).Draw(t, "left")
				list()
				if at, _ := w.forge().NextListing(w.now); !at.IsZero() {
					break
				}
				self = map[string]string{"a": "b", "b": "a"}[self]
				w.sure(&command.OwnSource{Id: "f", Epoch: w.forge().Epoch, Owner: self})
				list = w.lists(self, a)
			}
			w.left = -1
			src := w.forge()
			if at, _ := src.NextListing(w.now); at.IsZero() {
				list()
			}
			src = w.forge()
			was, now := held, src.Hold != nil
			if held = was || now; src.Hold != nil && rapid.Bool().Draw(t, "approve") {
				w.sure(&command.ApproveSource{Id: "f", Digest: src.Hold.Digest})
				list()
				if src = w.forge(); src.Hold != nil {
					t.Fatalf("what was approved is held: %+v", src)
				}
			}
			if src.Error != "" {
				t.Fatal(src.Error)
			}
			has := map[string]string{}
			for id, r := range repos {
				if !r.Archived {
					has[fmt.Sprint(id)] = r.Clone
				}
			}
			got, rows := w.forged()
			stay := misplaced(want, has, src.Hold != nil)
			for path := range has {
				for other := range stay { // who stays lets nobody in
					if want[path] == "" && has[path] == want[other] {
						delete(has, path)
					}
				}
			}
			for path := range stay {
				has[path] = want[path]
			}
			for path, url := range want {
				if _, there := has[path]; !there && src.Hold != nil {
					has[path] = url
				}
			}
			if !maps.Equal(got, has) {
				t.Fatalf("claimed are %v, want %v; flaws %v, hold %v", got, has, src.Listed.GetFlaws(), src.Hold)
			}
			shared := map[string]int{}
			for _, row := range rows {
				shared[row]++
			}
			for path, row := range rows {
				if was := before[path]; was != "" && was != row && !held {
					t.Fatalf("%s is on %s, was on %s: %v to %v", path, row, was, want, got)
				}
			}
			want, before, held = got, map[string]string{}, now
			for path, row := range rows {
				if shared[row] == 1 {
					before[path] = row
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "wait") == 0 {
				w.now = w.now.Add(25 * time.Hour)
			}
		}
	})
}

// misplaced are the ids that stay as they were: what they would have is that of another, which keeps it. What is
// gone keeps it where it is held.
func misplaced(was, is map[string]string, held bool) map[string]bool {
	stay := map[string]bool{}
	for id := range is {
		if was[id] != "" && was[id] != is[id] {
			stay[id] = true
		}
	}
	for again := true; again; {
		again = false
		for id := range stay {
			free := true
			for other, had := range was {
				_, there := is[other]
				if other != id && had == is[id] && (stay[other] || is[other] == had || !there && held) {
					free = false
				}
			}
			if free {
				delete(stay, id)
				again = true
			}
		}
	}
	return stay
}

// A name that is free is given again: both have a mirror of their own, in one listing.
func TestANewOneUnderAnOldName(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	a.Organisation("acme", repo(5, "tool"), repo(7, "lib"))
	list := w.lists("a", a)
	list()
	_, rows := w.forged()
	a.Organisation("acme", repo(5, "tool-v1"), repo(3, "tool"), repo(7, "tool-v2"), repo(9, "lib"))
	w.sync()
	list()
	urls, now := w.forged()
	if now["5"] != rows["5"] || now["7"] != rows["7"] || now["3"] == rows["5"] || now["9"] == rows["7"] || urls["5"] != "https://h/acme/tool-v1.git" || len(urls) != 4 {
		t.Errorf("%v on %v, was %v", urls, now, rows)
	}
	v := w.state.View()
	if v.RepoByName("h/acme/tool").ID != now["3"] || v.RepoByName("h/acme/tool-v1").ID != rows["5"] {
		t.Error("a name leads to another mirror")
	}
	// Along a chain, one after the other.
	a.Organisation("acme", repo(5, "tool-v2"), repo(3, "tool"), repo(7, "tool-v3"), repo(9, "lib"))
	w.sync()
	list()
	a.Organisation("acme", repo(5, "tool-v2"), repo(3, "tool-v1"), repo(7, "tool-v3"), repo(9, "lib"))
	w.sync()
	list()
	if urls, _ := w.forged(); urls["3"] != "https://h/acme/tool-v1.git" || urls["5"] != "https://h/acme/tool-v2.git" || urls["7"] != "https://h/acme/tool-v3.git" {
		t.Errorf("%v", urls)
	}
	if _, last := w.forged(); !maps.Equal(last, now) {
		t.Errorf("%v, was %v", last, now)
	}
	// What was renamed is found as before.
	if v := w.state.View(); v.RepoByName("h/acme/tool").ID != now["3"] {
		t.Error("a former name is forgotten")
	}
}

// Those that have changed places stay as they were, and say so, until one of them has a third name.
func TestEntriesThatChangePlaces(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	a.Organisation("acme", repo(1, "r1"), repo(2, "r2"), repo(3, "r3"), repo(4, "r4"), repo(7, "other"))
	list := w.lists("a", a)
	list()
	urls, rows := w.forged()
	a.Organisation("acme", repo(1, "r2"), repo(2, "r3"), repo(3, "r1"), repo(4, "r5"), repo(7, "other"), repo(8, "r4"))
	for range 2 {
		w.sync()
		list()
		now, on := w.forged()
		for _, id := range []string{"1", "2", "3"} {
			if now[id] != urls[id] || on[id] != rows[id] {
				t.Errorf("%s is %s on %s, was %s on %s", id, now[id], on[id], urls[id], rows[id])
			}
		}
		if src := w.forge(); now["4"] != "https://h/acme/r5.git" || on["4"] != rows["4"] || now["8"] != "https://h/acme/r4.git" || on["8"] == rows["4"] ||
			src.Listed.GetFlawsTotal() != 3 || src.Listed.GetKept() != 3 || src.Hold != nil || !strings.Contains(src.Listed.GetFlaws()[0].GetWhy(), "it was acme/r3, and stays so here: its address is still that of what was acme/r1, which waits") {
			t.Errorf("%v on %v, %v", now, on, src.Listed)
		}
	}
	for _, third := range []string{"r9", "r2"} {
		a.Organisation("acme", repo(1, third), repo(2, "r3"), repo(3, "r1"), repo(4, "r5"), repo(7, "other"), repo(8, "r4"))
		w.sync()
		list()
	}
	if now, on := w.forged(); now["1"] != "https://h/acme/r2.git" || now["2"] != "https://h/acme/r3.git" || now["3"] != "https://h/acme/r1.git" || on["1"] != rows["1"] || on["2"] != rows["2"] || on["3"] != rows["3"] || w.forge().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%v on %v, was %v; %v", now, on, rows, w.forge().Listed)
	}
}

// A forge that was set up anew gives numbers to others: whatever they are, each address keeps its mirror, in whatever
// listing, also when the old one is back.
func TestAForgeThatWasSetUpAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, a := newForgeWorld(t, rapid.SampledFrom([]string{"github", "gitlab", "gitea", "gitee"}).Draw(t, "kind"), nil)
		list := w.lists("a", a)
		mirrors := map[string]string{} // rows, by address
		var old []forgereplay.Repo
		at := forgereplay.SetUp
		for step := range rapid.IntRange(2, 5).Draw(t, "forges") {
			names := rapid.Permutation([]string{"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"}).Draw(t, "names")
			first := rapid.Int64Range(1, 6).Draw(t, "first")
			at = at.Add(time.Hour)
			var repos []forgereplay.Repo
			for i, name := range names[:rapid.IntRange(6, 8).Draw(t, "has")] {
				r := repo(first+int64(i), name)
				r.Made = at
				repos = append(repos, r)
			}
			if step > 0 && rapid.IntRange(0, 3).Draw(t, "back") == 0 {
				repos = old
			}
			old = slices.Clone(repos)
			a.Organisation("acme", repos...)
			for range 2 {
				w.sync()
				list()
			}
			on := map[string]string{}
			v := w.state.View()
			v.Claims(w.forge().Num, "", func(c *fsm.Claim) bool {
				on[c.URLs[0]] = c.Repo
				if key := v.Repo(c.Repo).URLs()[0]; key != c.URLs[0] {
					t.Fatalf("%s is on the mirror of %s", c.URLs[0], key)
				}
				return true
			})
			for _, r := range repos {
				if row := on[r.Clone]; row == "" || mirrors[r.Clone] != "" && row != mirrors[r.Clone] {
					t.Fatalf("%s is on %q, was on %q", r.Clone, row, mirrors[r.Clone])
				}
			}
			if src := w.forge(); src.Listed.GetFlawsTotal() != 0 {
				t.Fatalf("%v", src.Listed)
			}
			for url, row := range on {
				mirrors[url] = row
			}
		}
	})
}

// What would have the address of what is held back stays as it was, and is no loss that nobody counts.
func TestARenameOverWhatIsHeld(t *testing.T) {
	w, a := newForgeWorld(t, "gitea", nil)
	var all []forgereplay.Repo
	for i := range 10 {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%d", i+1)))
	}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	_, rows := w.forged()
	renamed := repo(10, "r1")
	a.Organisation("acme", slices.Concat(all[6:9], []forgereplay.Repo{renamed, repo(11, "r10")})...)
	w.sync()
	list()
	urls, on := w.forged()
	if src := w.forge(); src.Hold.GetLost() != 6 || urls["10"] != "https://h/acme/r10.git" || on["10"] != rows["10"] || on["1"] != rows["1"] || on["11"] != "" || src.Listed.GetFlawsTotal() != 2 || src.Listed.GetFlaws()[0].GetTry() != "gitmirror source approve f" {
		t.Fatalf("%v on %v; %+v, %v", urls, on, src.Hold, src.Listed)
	}
	w.sure(&command.ApproveSource{Id: "f", Digest: w.forge().Hold.Digest})
	list()
	urls, on = w.forged()
	if src := w.forge(); src.Hold != nil || src.Listed.GetFlawsTotal() != 0 || urls["10"] != "https://h/acme/r1.git" || on["10"] != rows["10"] || len(urls) != 5 {
		t.Errorf("%v on %v; %+v, %v", urls, on, src.Hold, src.Listed)
	}
}

// Of two that would have one name the one keeps it that has it, and who leaves gives it away at once.
func TestNamesOfOneTemplate(t *testing.T) {
	w, a := newForgeWorld(t, "gitlab", &command.Selection{Template: "team/{name}"})
	in := func(id int64, group string) forgereplay.Repo {
		r := repo(id, "x")
		r.Owner, r.Clone = "acme/"+group, "https://h/acme/"+group+"/x.git"
		return r
	}
	list := w.lists("a", a)
	look := func(repos ...forgereplay.Repo) (row string, flaws uint32) {
		t.Helper()
		a.Organisation("acme", repos...)
		w.sync()
		list()
		_, rows := w.forged()
		r := w.state.View().RepoByName("team/x")
		if r == nil || r.ID != rows["7"] && r.ID != rows["5"] {
			t.Fatalf("%+v, %v", r, rows)
		}
		return r.URLs()[0], w.forge().Listed.GetFlawsTotal()
	}
	for _, step := range []struct {
		repos []forgereplay.Repo
		want  string
		flaws uint32
	}{
		{[]forgereplay.Repo{in(5, "old")}, "https://h/acme/old/x.git", 0},
		{[]forgereplay.Repo{in(7, "new")}, "https://h/acme/new/x.git", 0},
		{[]forgereplay.Repo{in(5, "old"), in(7, "new")}, "https://h/acme/new/x.git", 1},
		{[]forgereplay.Repo{in(5, "old")}, "https://h/acme/old/x.git", 0},
	} {
		if got, flaws := look(step.repos...); got != step.want || flaws != step.flaws {
			t.Errorf("team/x leads to %s, with %d flaws; want %s, %d: %v", got, flaws, step.want, step.flaws, w.forge().Listed.GetFlaws())
		}
	}
}

// What is new has not the mirror of what had its address, and cannot be followed to where it is.
func TestANewOneAtTheAddressOfWhatCannotBeFollowed(t *testing.T) {
	w, a := newForgeWorld(t, "gitlab", &command.Selection{Template: "team/{name}"})
	in := func(id int64, group, name string) forgereplay.Repo {
		r := repo(id, name)
		r.Owner, r.Clone = "acme/"+group, "https://h/acme/"+group+"/"+name+".git"
		return r
	}
	list := w.lists("a", a)
	look := func(repos ...forgereplay.Repo) (rows map[string]string, flaws uint32) {
		a.Organisation("acme", repos...)
		w.sync()
		list()
		_, rows = w.forged()
		return rows, w.forge().Listed.GetFlawsTotal()
	}
	before, _ := look(in(1, "x", "lib"), in(2, "y", "lib2"))
	if rows, flaws := look(in(1, "x", "lib2"), in(2, "y", "lib2"), in(3, "x", "lib")); rows["1"] != before["1"] || rows["3"] != "" || flaws != 2 {
		t.Errorf("%v, %v", rows, w.forge().Listed.GetFlaws())
	}
	if rows, flaws := look(in(1, "x", "lib4"), in(2, "y", "lib2"), in(3, "x", "lib")); rows["1"] != before["1"] || rows["3"] == "" || rows["3"] == rows["1"] || flaws != 0 {
		t.Errorf("%v, %v", rows, w.forge().Listed.GetFlaws())
	}
}

// However little an account had: when it has nothing, a person is asked.
func TestAnEmptyAccountIsHeld(t *testing.T) {
	w, a := newForgeWorld(t, "gitlab", nil)
	a.Organisation("acme", repo(1, "one"), repo(2, "two"))
	list := w.lists("a", a)
	list()
	a.Organisation("acme")
	w.sync()
	list()
	src := w.forge()
	if urls, _ := w.forged(); src.Hold.GetLost() != 2 || len(urls) != 2 || !slices.Equal(src.Hold.GetFirst(), []string{"acme/one", "acme/two"}) {
		t.Fatalf("%+v, %v", src, urls)
	}
	w.sure(&command.ApproveSource{Id: "f", Digest: src.Hold.Digest})
	list()
	if urls, _ := w.forged(); len(urls) != 0 || w.forge().Hold != nil {
		t.Errorf("%v, %+v", urls, w.forge())
	}
}

// What a forge does not tell takes nothing away, and is not asked for all the time.
func TestAListingThatFailsChangesNothing(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"not found": forgereplay.Answer(404, "Not Found"), "auth": forgereplay.Answer(401, "Bad credentials"), "forbidden": forgereplay.Answer(403, "no"), "broken": forgereplay.Answer(502, ""),
		"limited": forgereplay.Answer(429, "slow down", "Retry-After", "1234"), "nonsense": forgereplay.Answer(200, "what?"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a := newForgeWorld(t, "gitea", nil)
				a.Organisation("acme", repo(1, "one"), repo(2, "two"))
				list := w.lists("a", a)
				list()
				a.Fault(func(int, *http.Request) http.HandlerFunc { return fault })
				w.sync()
				list()
				src := w.forge()
				at, _ := src.NextListing(w.now)
				rest := at.Sub(w.now).Round(time.Second)
				if want := map[bool]time.Duration{true: 1234 * time.Second, false: time.Minute}[name == "limited"]; rest != want || src.Error == "" {
					t.Errorf("again in %s, want %s: %q", rest, want, src.Error)
				}
				n := len(a.Requests())
				list()
				if got := len(a.Requests()); got != n {
					t.Errorf("it is asked %d times while it rests", got-n)
				}
				w.sync() // does not help against a limit
				list()
				if got := len(a.Requests()); (got == n) != (name == "limited") {
					t.Errorf("asked %d times when somebody wants it", got-n)
				}
				if urls, _ := w.forged(); len(urls) != 2 {
					t.Errorf("%v", urls)
				}
				for range 80 { // it is asked less and less, and never stops
					w.now = w.now.Add(2 * time.Hour)
					list()
				}
				src = w.forge()
				if at, _ := src.NextListing(w.now); name != "limited" && at.Sub(w.now) < 59*time.Minute || at.Sub(w.now) > time.Hour {
					t.Errorf("again in %s", at.Sub(w.now))
				}
				a.Fault(nil)
				w.now = w.now.Add(2 * time.Hour)
				list()
				if src := w.forge(); src.Error != "" || src.Failed != nil || src.Listed.GetGeneration() != 2 {
					t.Errorf("%+v", src)
				}
			})
		})
	}
}

// What a page left out while the account changed is not gone.
func TestWhatSeemsGoneIsLookedForAgain(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	var all []forgereplay.Repo
	for i := range 12 {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
	}
	a.Page = 5
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	n := len(a.Requests())
	a.Fault(func(i int, _ *http.Request) http.HandlerFunc {
		if i == n+2 { // the second page comes one later
			other := forgereplay.New("github")
			other.Page = 5
			other.Organisation("acme", all[1:]...)
			return other.ServeHTTP
		}
		return nil
	})
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 12 || w.forge().Lost(w.now) != 0 {
		t.Errorf("%d claims, %d lost", len(urls), w.forge().Lost(w.now))
	}
	if got := len(a.Requests()) - n; got != 8 {
		t.Errorf("%d requests", got)
	}
	// What is gone is.
	a.Organisation("acme", all[1:]...)
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 11 {
		t.Errorf("%d claims", len(urls))
	}
}

func TestCredentialsAreToldAndHeeded(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	a.Organisation("acme", repo(1, "one"))
	a.has = []string{"F"}
	w.lists("a", a)()
	if n := w.state.View().NodeByID("a"); !slices.Equal(n.Credentials, []string{"F"}) || len(a.Requests()) != 1 {
		t.Errorf("%+v, %d requests", n, len(a.Requests()))
	}
	batches := w.batches
	list := w.lists("a", a)
	list()
	if w.batches != batches {
		t.Error("what the table has is told again")
	}
	// This node has it no more, and the table has not heard of it: what it saw with it is not gone.
	w.sure(&command.PutCredentials{Node: "b", Sources: []string{"f"}})
	none := &asked{Forge: a.Forge}
	w.sync()
	w.lists("a", none)()
	if len(a.Requests()) != 1 {
		t.Error("it is listed without the credential that another has")
	}
	// Nobody has it any more: what it was needed for is not gone.
	w.sure(&command.PutCredentials{Node: "a"})
	w.sure(&command.PutCredentials{Node: "b"})
	w.lists("a", none)()
	if len(a.Requests()) != 1 {
		t.Error("it is listed without the credential that it was listed with")
	}
	w.lists("a", a)()
	if len(a.Requests()) != 2 {
		t.Error("it is not listed by who has the credential again")
	}
}

func TestOnlyWikisThatAreThereAreMirrored(t *testing.T) {
	w, a := newForgeWorld(t, "gitea", &command.Selection{Wiki: true})
	var all []forgereplay.Repo
	for i := range 120 {
		r := repo(int64(i+1), fmt.Sprintf("r%03d", i))
		r.Wiki = true
		if all = append(all, r); i%40 == 7 {
			a.wikis["https://h/acme/"+r.Name+".wiki.git"] = true
		}
	}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	for i := range 3 {
		before := a.looked.Load()
		w.sync()
		list()
		if n := a.looked.Load() - before; n == 0 || n > 50 {
			t.Errorf("listing %d looks for %d wikis", i, n)
		}
	}
	urls, _ := w.forged()
	if len(urls) != 123 || urls["8.wiki"] != "https://h/acme/r007.wiki.git" || w.state.View().RepoByName("h/acme/r007.wiki") == nil {
		t.Errorf("%d claims, %q", len(urls), urls["8.wiki"])
	}
}

// A forge whose limit is over at once, by what it tells, is left alone all the same when it has another: longer
// and longer.
func TestALimitAfterALimit(t *testing.T) {
	for name, header := range map[string][]string{"zero": {"Retry-After", "0"}, "negative": {"Retry-After", "-7"}, "past": {"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"}, "relative": {"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "60"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a := newForgeWorld(t, "github", nil)
				a.Fault(func(int, *http.Request) http.HandlerFunc { return forgereplay.Answer(429, "slow down", header...) })
				var log strings.Builder
				l := lister.New(lister.Config{Self: "a", State: w.state, Proposer: w, Indexes: w, Forges: a, Now: func() time.Time { return w.now }, NewID: func() string { return "" }, Log: slog.New(slog.NewTextHandler(&log, nil))})
				once := l.ForgesOnce()
				var rests []time.Duration
				for range 9 {
					once(context.Background())
					at, _ := w.forge().NextListing(w.now)
					rests = append(rests, at.Sub(w.now))
					w.now = at
				}
				if want := []time.Duration{time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}; !slices.Equal(rests, want) {
					t.Errorf("left alone for %v, want %v", rests, want)
				}
				if n := strings.Count(log.String(), "level=WARN"); n != 1 || len(a.Requests()) != 9 {
					t.Errorf("%d warnings, %d requests", n, len(a.Requests()))
				}
			})
		})
	}
}

// An owner of megabytes, which a forge may tell, is in no entry of the log.
func TestAnOwnerOfMegabytes(t *testing.T) {
	w, a := newForgeWorld(t, "gitea", &command.Selection{Template: "h/{name}"})
	long := repo(2, "two")
	long.Owner = strings.Repeat("x", 1<<20)
	a.Organisation("acme", repo(1, "one"), long, repo(3, "three"))
	w.lists("a", a)()
	urls, _ := w.forged()
	if src := w.forge(); len(urls) != 3 || src.Error != "" || src.Listed.GetGeneration() != 1 {
		t.Errorf("%v, %q", urls, src.Error)
	}
	if c := w.state.View().ClaimOf(w.forge().Num, made("2")); c == nil || len(c.File) > 300 {
		t.Errorf("%+v", c)
	}
}
