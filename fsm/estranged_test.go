package fsm

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// Until a check has shown that a row's new address has what the old one had, or something of it is published, nobody
// who asks for that gets what is there.
func TestARowWhoseAddressIsAnothers(t *testing.T) {
	for name, health := range map[string]*command.HealthReport{
		"it is held":                 {HoldReason: "head_rewrite", HoldDigest: digest(9)},
		"it is failing":              {ErrorClass: "not_found"},
		"it was not looked at since": nil,
		"it is paused":               nil,
	} {
		t.Run(name, func(t *testing.T) {
			m := forged(t)
			m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
			id := m.row("team/one").ID
			m.ok(publish(id, 1))
			report := func(h *command.HealthReport) {
				t.Helper()
				if h != nil {
					h.Repo, h.Epoch = id, m.repo(id).Epoch
					m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
				}
			}
			if name == "it is paused" {
				m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Paused: proto.Bool(true)}}})
			}
			m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
			report(health)
			report(&command.HealthReport{HoldReason: health.GetHoldReason(), HoldDigest: health.GetHoldDigest(), ErrorClass: health.GetErrorClass(), Heard: m.repo(id).Word() - 1}) // of before
			if row := m.repo(id); row.Estranged() != "h/one" || row.Word() == 0 || m.state.View().RepoByName("h/new") != nil {
				t.Fatalf("%q, called as its new address: %v", row.Estranged(), m.state.View().RepoByName("h/new"))
			}
			by := newRepo("hand")
			by.Urls, by.UrlKeys = []string{"https://h/new"}, []string{"h/new"}
			if item := m.do(addRepos(by)).Items[0]; item.GetCode() != string(refusal.ConflictURL) || !strings.Contains(item.GetMessage(), "what h/one had: "+name) || item.GetExisting() != "team/one" {
				t.Errorf("by hand: %v", item)
			}
			m.ok(putForge("other"))
			if item := m.do(m.listing("other", []*command.Entry{inForge("9", "other/new", "new")}, nil)).Items[0]; item.GetCode() != string(refusal.ConflictURL) {
				t.Errorf("by another source: %v", item)
			}
			// Who has it may change what else it asks for.
			m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "new")}, nil))
			if m.repo(id).Name != "team/uno" {
				t.Error(m.repo(id).Name)
			}
			if proved := m.repo(id).Word(); name == "it is held" { // what a person approved is published
				p := publish(id, 2)
				p.Heard = proved
				m.ok(p)
			} else {
				report(&command.HealthReport{Heard: proved})
			}
			if row := m.repo(id); row.Estranged() != "" || row.Word() != 0 || m.state.View().RepoByName("h/new") == nil {
				t.Errorf("%+v, %v", row, m.state.View().RepoByName("h/new"))
			}
			m.ok(addRepos(by))
			// And back, before anything is proved: nothing is strange.
			to := func(repo string) {
				m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/" + repo}, Keys: []string{"h/" + repo}}}}})
			}
			to("x")
			if m.repo(id).Estranged() != "h/new" {
				t.Errorf("%+v", m.repo(id))
			}
			if item := m.do(addRepos(&command.NewRepo{Id: "y", Name: "y", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}})).Items[0]; !strings.Contains(item.GetMessage(), "what h/new had") {
				t.Errorf("by hand, of a row by hand: %v", item)
			}
			to("new")
			if m.repo(id).Estranged() != "" || m.repo(id).Word() != 0 {
				t.Errorf("%+v", m.repo(id))
			}
		})
	}
}

// What nobody wants any more keeps no address whose content it never had, from whoever wants it.
func TestARetiredRowKeepsNoAddressOfAnothers(t *testing.T) {
	for _, who := range []string{"hand", "source", "its own source"} {
		m := forged(t)
		m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one"), inForge("2", "team/two", "two")}, nil))
		id := m.row("team/one").ID
		m.ok(publish(id, 1))
		m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
		m.ok(m.listing("acme", nil, []string{"1"}))
		switch who {
		case "hand":
			m.ok(addRepos(&command.NewRepo{Id: "y", Name: "team/one", Urls: []string{"https://h/new"}, UrlKeys: []string{"h/new"}}))
		case "source":
			m.ok(putForge("other"))
			m.ok(m.listing("other", []*command.Entry{inForge("9", "other/new", "new")}, nil))
		default:
			m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/two", "new")}, nil))
		}
		row, now := m.repo(id), m.state.View().RepoByURLKey("h/new")
		if now == nil || now.ID == id || !row.retired() || !strings.Contains(row.URLs()[0], ".retired-") || row.Estranged() != "" {
			t.Errorf("%s: %+v, %+v", who, row, now)
		}
		if who == "its own source" && now.Name != "team/two" {
			t.Errorf("%+v", now)
		}
	}
}

// What only gets another path in its source keeps its row, whatever that serves.
func TestAnotherPathOfARowWhoseAddressIsAnothers(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	id := m.row("team/one").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/moved", "new")}, nil))
	m.ok(m.listing("acme", nil, []string{"1"}))
	if row := m.repo(id); row.retired() || row.Name != "team/moved" || row.Estranged() != "h/one" {
		t.Errorf("%+v", row)
	}
}
