package lister_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
)

// However repositories go between two accounts that are followed, in whatever order these are listed, with people and an index on the
// same rows: when an account has been listed, each of its repositories has a mirror that follows where it is, under the name that it has
// there, or an error that says why not.
func TestRowsAreWhereAccountsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, a := newForgeWorld(t, "gitea", nil)
		repos, last := map[int64]forgereplay.Repo{}, int64(0)
		name := rapid.SampledFrom([]string{"p", "q", "r", "s"})
		account := rapid.SampledFrom([]string{"acme", "tools"})
		taken := func(account, name string) bool {
			return slices.ContainsFunc(slices.Collect(maps.Values(repos)), func(r forgereplay.Repo) bool { return r.Owner == account && r.Name == name })
		}
		put := func(id int64, account, name string) {
			if !taken(account, name) {
				repos[id] = inAccount(repo(id, name), account)
			}
		}
		some := func() int64 { return rapid.SampledFrom(slices.Sorted(maps.Keys(repos))).Draw(t, "id") }
		for i := range 16 { // that stay, so that little is held
			last++
			put(last, []string{"acme", "tools"}[i%2], fmt.Sprint("z", i))
		}
		steady := len(repos)
		list := w.lists("a", a)
		w.follow("gitea", "tools", func() {})
		listed := func(account string) {
			id := map[string]string{"acme": "f", "tools": "g"}[account]
			w.sure(&command.SetSource{Id: id, Again: w.state.View().SourceByID(id).Again + 1})
			list()
			for range 3 {
				src := w.state.View().SourceByID(id)
				if src.Hold == nil {
					return
				}
				w.sure(&command.ApproveSource{Id: id, Digest: src.Hold.Digest})
				list()
			}
			if src := w.state.View().SourceByID(id); src.Hold != nil {
				t.Fatalf("what is approved stays held: %+v", src)
			}
		}
		entries := map[string]string{}
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			for range rapid.IntRange(1, 3).Draw(t, "edits") {
				edit := rapid.SampledFrom([]string{"new", "give", "give", "give", "rename", "delete", "index"}).Draw(t, "edit")
				if len(repos) == steady && edit != "index" {
					edit = "new"
				}
				var r forgereplay.Repo
				if len(repos) > steady {
					id := some()
					if r = repos[id]; r.Name[0] == 'z' {
						r = forgereplay.Repo{}
					}
				}
				switch {
				case edit == "new":
					last++
					put(last, account.Draw(t, "account"), name.Draw(t, "name"))
				case edit == "index":
					entries[fmt.Sprint("i", rapid.IntRange(0, 1).Draw(t, "entry"))] = account.Draw(t, "account") + "/" + name.Draw(t, "name")
					w.indexed(entries)
				case r.ID == 0:
				case edit == "give":
					put(r.ID, map[string]string{"acme": "tools", "tools": "acme"}[r.Owner], r.Name)
				case edit == "rename":
					put(r.ID, r.Owner, name.Draw(t, "name"))
				case edit == "delete":
					delete(repos, r.ID)
				}
			}
			for _, of := range []string{"acme", "tools"} {
				var has []forgereplay.Repo
				for _, id := range slices.Sorted(maps.Keys(repos)) {
					if repos[id].Owner == of {
						has = append(has, repos[id])
					}
				}
				a.Organisation(of, has...)
			}
			for range rapid.IntRange(0, 3).Draw(t, "listings") {
				of := account.Draw(t, "listed")
				listed(of)
				w.areThere(t, repos, of)
			}
			w.lister("a").Look(t.Context())
			for range rapid.IntRange(0, 2).Draw(t, "people") {
				w.peopleOf(t, account.Draw(t, "account")+"/"+name.Draw(t, "name"))
			}
			if rapid.IntRange(0, 2).Draw(t, "look") > 0 {
				continue
			}
			for range 3 {
				listed("acme")
				listed("tools")
				w.lister("a").Look(t.Context())
			}
			w.areThere(t, repos, "acme")
			w.areThere(t, repos, "tools")
		}
	})
}

// peopleOf do something with what is called so, or a check tells of it.
func (w *world) peopleOf(t *rapid.T, name string) {
	row := w.state.View().RepoByName("h/" + name)
	if row == nil {
		return
	}
	switch rapid.SampledFrom([]string{"add", "remove", "prove", "clone", "call"}).Draw(t, "does") {
	case "add":
		w.ids++
		w.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: fmt.Sprintf("hand%d", w.ids), Name: fmt.Sprint("hand/", w.ids), Urls: row.URLs()[:1], UrlKeys: []string{row.UpstreamKey()}}}})
	case "remove":
		w.do(&command.RemoveRepos{Ids: []string{row.ID}})
	case "call":
		w.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Aliases: &command.Aliases{Names: []string{fmt.Sprint("also/", w.index)}}}}})
	case "clone":
		if row.Generation == 0 {
			if row.Owner == 0 {
				w.sure(&command.Place{Rows: []*command.Placement{{Repo: row.ID, RowVersion: row.Version, Add: []string{"a"}}}})
				w.sure(&command.AssignOwners{Rows: []*command.Ownership{{Repo: row.ID, Epoch: row.Epoch, Owner: "a"}}})
			}
			w.publishes(row.ID)
		}
	case "prove":
		if row.Owner != 0 {
			w.do(&command.Report{Node: w.state.View().Node(row.Owner).ID, Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Heard: row.Word()}}})
		}
	}
}

// areThere wants each repository of an account that was just listed to be mirrored from where it is.
func (w *world) areThere(t *rapid.T, repos map[int64]forgereplay.Repo, account string) {
	view := w.state.View()
	src := view.SourceByID(map[string]string{"acme": "f", "tools": "g"}[account])
	flaws := map[string]bool{}
	for _, f := range src.Listed.GetFlaws() {
		flaws[f.GetFile()] = true
	}
	for id, r := range repos {
		if r.Owner != account || flaws[r.Owner+"/"+r.Name] {
			continue
		}
		c := view.ClaimOf(src.Num, made(fmt.Sprint(id)))
		key := "h/" + r.Owner + "/" + r.Name
		if c == nil || c.Keys[0] != key {
			t.Fatalf("%d is at %s, and its claim is %+v: %v", id, key, c, src.Listed)
		}
		row := view.Repo(c.Repo)
		if row.UpstreamKey() != key || !strings.EqualFold(c.Name, key) || view.RepoByName(key) == nil || view.RepoByName(key).ID != row.ID {
			t.Fatalf("%d is at %s, and is mirrored as %s from %q: %v", id, key, row.Name, row.URLs(), src.Listed)
		}
	}
}
