package lister_test

import (
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
)

// What is in the way of an entry's fallback, and goes with the same listing, is in the way no more.
func TestAFallbackThatARetiredMirrorHas(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.files["a"], w.files["c"] = "url: https://h/u1", "url: https://h/u4"
	w.publish()
	l.Look(t.Context())
	delete(w.files, "a")
	w.files["b"] = "url: [https://h/u2, https://h/u1]"
	w.publish()
	l.Look(t.Context())
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Listed.GetFlawsTotal() != 0 || len(w.claims()) != 2 || len(w.state.View().RepoByName("ns/b").URLs()) != 2 {
		t.Errorf("%+v, %v", src.Listed, w.claims())
	}
}

// An entry that shall have the mirror that another has, and its own as its fallback, is told that this is its own.
func TestAFallbackThatTheEntryItselfHas(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "other/u2", Urls: []string{"https://h/u2"}, UrlKeys: []string{"h/u2"}}}})
	w.files["a"] = "url: https://h/u1"
	w.publish()
	l.Look(t.Context())
	w.files["a"] = "url: [https://h/u2, https://h/u1]"
	w.publish()
	l.Look(t.Context())
	if flaws := w.state.View().SourceByID("s").Listed.GetFlaws(); len(flaws) != 1 || !strings.Contains(flaws[0].GetTry(), "what this entry was until now, and is for others still: leave it out") {
		t.Fatalf("%v", flaws)
	}
	w.files["a"] = "url: https://h/u2"
	w.publish()
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Listed.GetFlawsTotal() != 0 || w.state.View().RepoByName("ns/a").ID != "x" {
		t.Errorf("%+v", src.Listed)
	}
}

// A file with many flaws leaves room for those of others.
func TestFlawsOfAllFilesAreTold(t *testing.T) {
	w := newWorld(t)
	w.files["a.txt"], w.files["b"] = strings.Repeat("x y\n", 150), "url: ["
	w.publish()
	w.lister("a").Look(t.Context())
	l := w.state.View().SourceByID("s").Listed
	if list := l.GetFlaws(); len(list) != 100 || list[99].GetFile() != "b" || l.GetFlawsTotal() != 151 {
		t.Errorf("%d of %d are told, the last of %v", len(list), l.GetFlawsTotal(), list[len(list)-1])
	}
}

// What was refused is taken up as the file has it, not as the table had it meanwhile, when what was in its way is gone.
func TestWhatWasRefusedIsKeptAsItWasRead(t *testing.T) {
	w := newWorld(t)
	l := w.lister("a")
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "other/u2", Urls: []string{"https://h/u2"}, UrlKeys: []string{"h/u2"}}}})
	w.files["a"] = "url: https://h/u1"
	w.publish()
	l.Look(t.Context())
	w.files["a"] = "url: [https://h/u1, https://h/u2]"
	w.publish()
	l.Look(t.Context())
	w.sure(&command.RemoveRepos{Ids: []string{"x"}})
	l.Look(t.Context())
	if row := w.state.View().RepoByName("ns/a"); len(row.URLs()) != 2 {
		t.Errorf("%q, %+v", row.URLs(), w.state.View().SourceByID("s").Listed)
	}
}

// Of a forge's repository whose address another mirror has it is said whose that is.
func TestWhatToTryWhereAnAddressIsTaken(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "mine", Urls: []string{"https://h/else", "https://h/acme/one.git"}, UrlKeys: []string{"h/else", "h/acme/one"}}}})
	a.Organisation("acme", repo(1, "one"))
	w.lists("a", a)()
	if flaws := w.forge().Listed.GetFlaws(); len(flaws) != 1 || !strings.Contains(flaws[0].GetTry(), "gitmirror repo set mine --url") {
		t.Errorf("%v", flaws)
	}
}

// An account is followed twice: what is gone from one of these, and was renamed by the other meanwhile, stands in the way of what is
// new at its address for one listing, and not for ever.
func TestWhatIsGoneOfAnAccountFollowedTwice(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Owner: "a", Forge: &command.Forge{Kind: "github", Base: "https://h", Account: "acme", Selection: &command.Selection{Template: "t/{name}"}}}})
	all := []forgereplay.Repo{repo(1, "i1"), repo(2, "i2"), repo(3, "i3")}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	all[0] = repo(1, "i1n")
	all = append(all, repo(101, "i1"))
	a.Organisation("acme", all...)
	w.sync()
	list()
	a.Organisation("acme", all[1:]...)
	for i := range 2 {
		w.sure(&command.SetSource{Id: "g", Again: uint64(i + 1)})
		list()
	}
	view := w.state.View()
	if row, g := view.RepoByName("t/i1"), view.SourceByID("g"); row == nil || row != view.RepoByURLKey("h/acme/i1") || g.Listed.GetFlawsTotal() != 0 || view.ClaimOf(g.Num, made("1")) != nil {
		t.Errorf("%+v, %v", row, g.Listed)
	}
}
