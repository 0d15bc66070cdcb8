package lister_test

import (
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
)

// inAccount is a repository as another account has it.
func inAccount(r forgereplay.Repo, account string) forgereplay.Repo {
	r.Owner, r.Clone = account, strings.Replace(r.Clone, "acme", account, 1)
	return r
}

// follow has another account of the forge followed, and returns what has it listed anew.
func (w *world) follow(kind, account string, list func()) func() {
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Namespace: "", Owner: "a", Forge: &command.Forge{Kind: kind, Base: "https://h", Account: account}}})
	return func() {
		w.sure(&command.SetSource{Id: "g", Again: w.state.View().SourceByID("g").Again + 1})
		list()
	}
}

// twoAccounts is a forge with so many repositories in acme, and none in tools, which are both followed, and what has each listed anew.
// there are the same repositories as tools would have them.
func twoAccounts(t *testing.T, kind string, n int) (w *world, a *asked, all, there []forgereplay.Repo, acme, tools func()) {
	w, a = newForgeWorld(t, kind, nil)
	for i := range n {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
		there = append(there, inAccount(all[i], "tools"))
	}
	a.Organisation("acme", all...)
	a.Organisation("tools")
	list := w.lists("a", a)
	tools = w.follow(kind, "tools", list)
	list()
	return w, a, all, there, func() { w.sync(); list() }, tools
}

// What is given to another account, and back, follows the first as soon as that is listed, though the other is listed no
// more; and what then goes from the first is lost, whatever the other said before.
func TestWhatIsGivenBackFollowsWhoHasIt(t *testing.T) {
	w, a, all, there, acme, tools := twoAccounts(t, "gitea", 20)
	_, rows := w.forged()
	a.Organisation("acme")
	a.Organisation("tools", there...)
	tools()
	if row := w.state.View().RepoByName("h/tools/r00"); row == nil || row.ID != rows["1"] {
		t.Fatalf("%+v", row)
	}
	a.Organisation("acme", all...)
	a.Remove("tools")
	tools()
	acme()
	for id, of := range rows {
		if row := w.state.View().Repo(of); !strings.HasPrefix(row.URLs()[0], "https://h/acme/") {
			t.Errorf("%s follows %s", id, row.URLs()[0])
		}
	}
	before := w.batches
	if acme(); w.batches > before+2 {
		t.Errorf("%d batches, where all is as it was", w.batches-before)
	}
	a.Organisation("acme", all[:3]...)
	acme()
	if urls, _ := w.forged(); len(urls) != 20 || w.forge().Hold.GetLost() != 17 {
		t.Errorf("%d are left, %d are held", len(urls), w.forge().Hold.GetLost())
	}
}

// What is in another account is no loss either while something else is held, however often both are listed.
func TestAHoldStaysWhatItIsBesideAnotherAccount(t *testing.T) {
	w, a, all, there, acme, tools := twoAccounts(t, "github", 20)
	a.Organisation("acme", all[15:]...)
	a.Organisation("tools", there[:5]...)
	tools()
	acme()
	first := w.forge().Hold
	acme()
	if again := w.forge().Hold; first.GetLost() != 10 || again.GetLost() != 10 || string(first.GetDigest()) != string(again.GetDigest()) {
		t.Errorf("%d are held, and then %d", first.GetLost(), again.GetLost())
	}
}

// An old page of an account has what was given to another go back there until that one is listed again, and counts for no longer:
// then what the first has no more is no loss; and what was given back is none of the other.
func TestAnOldPageCountsUntilTheOtherIsListed(t *testing.T) {
	w, a, all, there, acme, tools := twoAccounts(t, "gitea", 30)
	at := func(account string) {
		t.Helper()
		_, rows := w.forged()
		for id, of := range rows {
			if row := w.state.View().Repo(of); !strings.HasPrefix(row.URLs()[0], "https://h/"+account) {
				t.Errorf("%s follows %s", id, row.URLs()[0])
			}
		}
	}
	a.Organisation("tools", there...)
	tools()
	at("tools")
	acme() // as it was
	at("acme")
	a.Organisation("acme")
	tools()
	at("tools")
	acme()
	if urls, _ := w.forged(); len(urls) != 0 || w.forge().Hold != nil || w.forge().Lost(w.now) != 0 {
		t.Fatalf("%d are left, held %v", len(urls), w.forge().Hold)
	}
	a.Organisation("acme", all...)
	acme()
	a.Organisation("tools")
	tools()
	if g := w.state.View().SourceByID("g"); g.Hold != nil || g.Lost(w.now) != 0 || w.state.View().ClaimsLen(g.Num) != 0 {
		t.Errorf("%+v", g.Hold)
	}
	at("acme")
}

// Who was listed whole last has what it claims, though it said nothing new.
func TestWhoIsListedLastHasIt(t *testing.T) {
	w, a, all, there, acme, tools := twoAccounts(t, "gitea", 30)
	for i := range 10 { // whom people have follow something else: no listing puts them anew
		row := w.state.View().RepoByName(fmt.Sprintf("h/acme/r%02d", i))
		key := fmt.Sprintf("h/x%d", i)
		w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Upstream: &command.Upstream{Urls: []string{"https://" + key}, Keys: []string{key}}}}})
	}
	a.Organisation("tools", there[:10]...)
	tools()
	acme() // which has them again
	a.Organisation("acme", all[10:]...)
	acme()
	if w.forge().Hold.GetLost() != 10 {
		t.Errorf("%d are held", w.forge().Hold.GetLost())
	}
	tools()
	acme()
	if urls, _ := w.forged(); len(urls) != 20 || w.forge().Hold != nil || w.forge().Lost(w.now) != 0 {
		t.Errorf("%d are left, %d are held, %d lost", len(urls), w.forge().Hold.GetLost(), w.forge().Lost(w.now))
	}
}

// What an account has said again that it has is its loss when it goes, though something else of it was held when it said so.
func TestWhatIsSaidAgainIsLostBesideAHold(t *testing.T) {
	w, a, all, there, acme, tools := twoAccounts(t, "gitea", 60)
	a.Organisation("acme", all[10:]...)
	acme()
	a.Organisation("tools", there[10:30]...)
	tools()
	acme() // they are back
	a.Organisation("acme", all[30:]...)
	acme()
	if urls, _ := w.forged(); len(urls) != 60 || w.forge().Hold.GetLost() != 30 {
		t.Errorf("%d are left, %d are held", len(urls), w.forge().Hold.GetLost())
	}
}

// What has left a group within another for that, and what is new at its address: each has its own mirror as soon as both are listed.
func TestWhatIsNewWhereAnotherLeftAGroup(t *testing.T) {
	w, a := newForgeWorld(t, "gitlab", nil)
	var within []forgereplay.Repo
	for i := range 20 {
		r := inAccount(repo(int64(i+1), fmt.Sprintf("r%02d", i)), "acme/s")
		r.Clone = fmt.Sprintf("https://h/acme/s/r%02d.git", i)
		within = append(within, r)
	}
	a.Organisation("acme", within...)
	a.Organisation("acme/s", within...)
	list := w.lists("a", a)
	s := w.follow("gitlab", "acme/s", list)
	list()
	_, rows := w.forged()
	moved, fresh := repo(1, "r00"), within[0]
	fresh.ID = 101
	a.Organisation("acme", append([]forgereplay.Repo{moved, fresh}, within[1:]...)...)
	a.Organisation("acme/s", append([]forgereplay.Repo{fresh}, within[1:]...)...)
	w.sync()
	list()
	s()
	v := w.state.View()
	for key, want := range map[string]bool{"h/acme/r00": true, "h/acme/s/r00": false} {
		if row := v.RepoByURLKey(key); row == nil || (row.ID == rows["1"]) != want || row.UpstreamKey() != key {
			t.Errorf("%s is mirrored by %+v", key, row)
		}
	}
	w.sync()
	list()
	v = w.state.View()
	for _, id := range []string{"f", "g"} {
		if src := v.SourceByID(id); src.Listed.GetFlawsTotal() != 0 {
			t.Errorf("%s: %v", id, src.Listed.GetFlaws())
		}
	}
}
