package fsm

import (
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// Until something of a row's new address is published, nobody who asks for that gets what the old one had.
func TestARowWhoseAddressIsAnothers(t *testing.T) {
	for name, health := range map[string]*command.HealthReport{"held": {HoldReason: "head_rewrite"}, "failing": {ErrorClass: "not_found"}} {
		t.Run(name, func(t *testing.T) {
			m := forged(t)
			m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
			id := m.row("team/one").ID
			m.ok(publish(id, 1))
			report := func(h *command.HealthReport) {
				t.Helper()
				h.Repo, h.Epoch = id, m.repo(id).Epoch
				if h.HoldReason != "" {
					h.HoldDigest = digest(9)
				}
				m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
			}
			m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
			if row := m.repo(id); row.Estranged() != "" || m.state.View().RepoByName("h/new") == nil {
				t.Fatalf("%+v", row)
			}
			report(health)
			if row := m.repo(id); row.Estranged() != "h/one" || m.state.View().RepoByName("h/new") != nil {
				t.Fatalf("%q, called as its new address: %v", row.Estranged(), m.state.View().RepoByName("h/new"))
			}
			by := newRepo("hand")
			by.Urls, by.UrlKeys = []string{"https://h/new"}, []string{"h/new"}
			if item := m.do(addRepos(by)).Items[0]; item.GetCode() != string(refusal.ConflictURL) || !strings.Contains(item.GetMessage(), "what h/one had: it is "+name) || item.GetExisting() != "team/one" {
				t.Errorf("by hand: %v", item)
			}
			m.ok(putForge("other"))
			if item := m.do(m.listing("other", []*command.Entry{inForge("9", "other/new", "new")}, nil)).Items[0]; item.GetCode() != string(refusal.ConflictURL) {
				t.Errorf("by another source: %v", item)
			}
			// Who has it may change what else it asks for.
			again := inForge("1", "team/uno", "new")
			m.ok(m.listing("acme", []*command.Entry{again}, nil))
			if m.repo(id).Name != "team/uno" {
				t.Error(m.repo(id).Name)
			}
			m.ok(publish(id, 2))
			if row := m.repo(id); row.Estranged() != "" || row.came != "" || m.state.View().RepoByName("h/new") == nil {
				t.Errorf("%+v, %v", row, m.state.View().RepoByName("h/new"))
			}
			m.ok(addRepos(by))
			// And back, before anything is published: nothing is strange.
			m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/x"}, Keys: []string{"h/x"}}}}})
			report(health)
			if m.repo(id).Estranged() != "h/new" {
				t.Errorf("%+v", m.repo(id))
			}
			m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/new"}, Keys: []string{"h/new"}}}}})
			if m.repo(id).Estranged() != "" {
				t.Errorf("%+v", m.repo(id))
			}
		})
	}
}
