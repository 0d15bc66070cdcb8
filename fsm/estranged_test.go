package fsm

import (
	"crypto/sha256"
	"slices"
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
			if name == "it is held" {                                                                                                                                               // what a check leaves held it has not proved
				report(&command.HealthReport{HoldReason: health.GetHoldReason(), HoldDigest: health.GetHoldDigest(), Heard: m.repo(id).Word()})
			}
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
			if row := m.repo(id); !row.Answered(row.Word(), false) || row.Answered(row.Word(), true) {
				t.Error("a check that proves it would not be told, or one that does not would")
			}
			if proved := m.repo(id).Word(); name == "it is held" { // what a person approved is published
				p := publish(id, 2)
				p.Heard = proved
				m.ok(p)
			} else {
				report(&command.HealthReport{Heard: proved})
			}
			if row := m.repo(id); row.Estranged() != "" || row.Word() != 0 || row.Answered(m.index, false) || m.state.View().RepoByName("h/new") == nil {
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
			to("y") // and on: it has still what the first had
			if m.repo(id).Estranged() != "h/new" {
				t.Errorf("%+v", m.repo(id))
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
		if now == nil || now.ID == id || !row.retired() || !strings.Contains(row.URLs()[0], ".retired-") || row.Estranged() != "h/one" || row.Word() != 0 {
			t.Errorf("%s: %+v, %+v", who, row, now)
		}
		if who == "its own source" && now.Name != "team/two" {
			t.Errorf("%+v", now)
		}
	}
}

// What only gets another path in its index keeps its row, whatever that serves, and whoever has set its address; what is
// no such entry, but asks for the same, does not get it.
func TestAnotherPathOfARowWhoseAddressIsAnothers(t *testing.T) {
	at := func(path, url string, more ...string) *command.Entry {
		e := entryOf(path)
		e.Repo.Id, e.Repo.Urls, e.Repo.UrlKeys, e.Alias = path+url, nil, nil, ""
		for _, u := range append([]string{url}, more...) {
			e.Repo.Urls, e.Repo.UrlKeys = append(e.Repo.Urls, "https://h/"+u), append(e.Repo.UrlKeys, "h/"+u)
		}
		hash := sha256.Sum256([]byte(path + url))
		e.Hash = hash[:16]
		return e
	}
	from := func(path string, e *command.Entry) *command.Entry { e.From = path; return e }
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("one", "one"), at("two", "two"), at("three", "three", "drei"), at("four", "four")}, nil))
	id := map[string]string{}
	for _, name := range []string{"one", "two", "three", "four"} {
		id[name] = m.row("upstream/" + name).ID
		m.ok(publish(id[name], 1))
	}
	m.ok(m.listing("kernel", []*command.Entry{at("one", "new")}, nil))
	// Of those that ask for it too, none is what one was: neither a new one, nor one that had another, nor one that says so
	// of what has another url.
	for _, e := range []*command.Entry{at("other", "new"), at("two", "new"), from("two", at("other", "new")), from("none", at("other", "new"))} {
		m.refusedItem(refusal.ConflictURL, m.listing("kernel", []*command.Entry{e}, nil))
	}
	m.ok(m.listing("kernel", []*command.Entry{from("one", at("moved", "new"))}, nil))
	m.ok(m.listing("kernel", nil, []string{"one"}))
	if row := m.repo(id["one"]); row.retired() || row.Name != "upstream/moved" || row.Estranged() != "h/one" {
		t.Errorf("%+v", row)
	}
	// Who had it may say that it has it no more, and where it came from it is back.
	m.ok(m.listing("kernel", []*command.Entry{at("moved", "one")}, nil))
	m.ok(m.listing("kernel", []*command.Entry{at("two", "new")}, nil))
	if row := m.row("upstream/two"); row.ID != id["two"] || row.Estranged() != "h/two" || m.row("upstream/moved").ID != id["one"] || m.repo(id["one"]).Estranged() != "" {
		t.Errorf("%+v", row)
	}
	// A further url that is the first now leads to the row, too.
	m.ok(m.listing("kernel", []*command.Entry{from("three", at("iii", "drei"))}, nil))
	m.ok(m.listing("kernel", nil, []string{"three"}))
	if row := m.row("upstream/iii"); row.ID != id["three"] || row.Estranged() != "h/three" || !slices.Equal(row.URLs(), []string{"https://h/drei"}) {
		t.Errorf("%+v", row)
	}
	// What people have follow another address does so under another path.
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id["four"], Upstream: &command.Upstream{Urls: []string{"https://h/mine"}, Keys: []string{"h/mine"}}}}})
	m.ok(m.listing("kernel", []*command.Entry{from("four", at("iv", "four"))}, nil))
	m.ok(m.listing("kernel", nil, []string{"four"}))
	if row := m.row("upstream/iv"); row.ID != id["four"] || row.retired() || row.URLs()[0] != "https://h/mine" {
		t.Errorf("%+v", row)
	}
}

// What a row serves came from the url that is asked, where that is not the first.
func TestWhatAFallbackServes(t *testing.T) {
	m := sourced(t)
	m.ok(addRepos(&command.NewRepo{Id: "x", Name: "x", Urls: []string{"https://h/one", "https://h/two"}, UrlKeys: []string{"h/one", "h/two"}, Owner: "a", Copies: []string{"a"}}))
	m.ok(publish("x", 1))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "x", Epoch: 1, Fallback: "https://h/two"}}})
	to := func(urls ...string) {
		t.Helper()
		up := &command.Upstream{}
		for _, u := range urls {
			up.Urls, up.Keys = append(up.Urls, "https://h/"+u), append(up.Keys, "h/"+u)
		}
		m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "x", Upstream: up}}})
	}
	if to("two", "one"); m.repo("x").Estranged() != "" {
		t.Errorf("it serves what %s had", m.repo("x").Estranged())
	}
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "x", Epoch: 1, Fallback: "https://h/one"}}})
	if to("three"); m.repo("x").Estranged() != "h/one" {
		t.Errorf("it serves what %s had", m.repo("x").Estranged())
	}
	if to("two"); m.repo("x").Estranged() != "h/one" {
		t.Errorf("it serves what %s had", m.repo("x").Estranged())
	}
}

// follows has people let a row follow another address.
func follows(id, repo string) *command.ChangeRepos {
	return &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/" + repo}, Keys: []string{"h/" + repo}}}}}
}

// Who may have such a row by its new address is who has it already, and asks for that; no other entry, of whatever source.
func TestWhoHasARowWhoseAddressIsAnothers(t *testing.T) {
	m := forged(t)
	m.ok(putForge("other"))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	m.ok(m.listing("other", []*command.Entry{inForge("2", "other/two", "two")}, nil))
	id, two := m.row("team/one").ID, m.row("other/two").ID
	m.ok(publish(id, 1))
	m.ok(follows(id, "new"))
	m.refusedItem(refusal.ConflictURL, m.listing("acme", []*command.Entry{inForge("3", "team/three", "new")}, nil))
	m.refusedItem(refusal.ConflictURL, m.listing("other", []*command.Entry{inForge("2", "other/two", "new")}, nil))
	if row := m.repo(two); row.retired() || row.URLs()[0] != "https://h/two" {
		t.Errorf("%+v", row)
	}
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "new")}, nil))
	if row := m.row("team/uno"); row.ID != id || row.Estranged() != "h/one" {
		t.Errorf("%+v", row)
	}
	// Its other addresses were never another's.
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://h/new", "https://h/more"}, Keys: []string{"h/new", "h/more"}}}}})
	item := m.do(addRepos(&command.NewRepo{Id: "y", Name: "y", Urls: []string{"https://h/more"}, UrlKeys: []string{"h/more"}})).Items[0]
	if item.GetCode() != string(refusal.ConflictURL) || !strings.Contains(item.GetMessage(), "mirrors https://h/more already") {
		t.Errorf("%v", item)
	}
}

// What a forge gives to another account keeps its row also where nobody has looked yet at the address that it had last.
func TestWhatIsMovedOnBeforeItIsLookedAt(t *testing.T) {
	m := forged(t)
	m.ok(account("tools"))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "acme/one")}, nil))
	id := m.row("acme/one").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/uno", "acme/uno")}, nil))
	m.ok(m.listing("tools", []*command.Entry{inForge("1", "tools/uno", "tools/uno")}, nil))
	if row := m.row("tools/uno"); row.ID != id || row.Estranged() != "h/acme/one" {
		t.Errorf("%+v", row)
	}
}

// What people want, and no source does, stays as they have set it when another address is proved.
func TestAnotherAddressOfWhatPeopleWantIsProved(t *testing.T) {
	m := sourced(t)
	r := newRepo("one")
	r.Labels, r.Policy = map[string]string{"team": "x"}, &command.Policy{Replicas: 2}
	m.ok(addRepos(r))
	m.ok(publish("one", 1))
	m.ok(follows("one", "new"))
	if m.repo("one").Estranged() == "" {
		t.Fatal("it has the new one's already")
	}
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "one", Epoch: m.repo("one").Epoch, Heard: m.repo("one").Word()}}})
	if row := m.repo("one"); row.Estranged() != "" || row.Labels["team"] != "x" || row.Policy.Replicas != 2 || row.Sourced != nil {
		t.Errorf("%+v", row)
	}
}

// Members that do not know of it would give the row away.
func TestAnotherAddressAmongMembersOfBefore(t *testing.T) {
	m := sourced(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(publish("one", 1))
	m.state.tables.format = formatCourse - 1
	m.ok(follows("one", "new"))
	if row := m.repo("one"); row.Estranged() != "" || row.Word() != 0 {
		t.Errorf("%+v", row)
	}
}

// What nobody wants is no newcomer when its address is proved: it goes when it would have gone, and is found as it was.
func TestWhatIsRetiredIsProved(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	id := m.row("team/one").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
	m.ok(m.listing("acme", nil, []string{"1"}))
	was := *m.repo(id).Sourced
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: m.repo(id).Epoch, Heard: m.repo(id).Word()}}})
	if row := m.repo(id); row.Estranged() != "" || !row.Sourced.equal(&was) {
		t.Errorf("%+v, was %+v", row.Sourced, was)
	}
}

// What an index has follow the address that a retired row keeps for nobody goes there itself, where that is its own to
// decide: not where people want it too, or have it follow another address; nor where that is not all that is in the way.
func TestAnEntryThatGoesWhereARetiredRowIs(t *testing.T) {
	for _, who := range []string{"alone", "people want it too", "people have it follow another", "its second url is another's"} {
		m := sourced(t)
		m.ok(m.listing("kernel", []*command.Entry{entryOf("one"), entryOf("two")}, nil))
		m.ok(publish("one", 1))
		at := func(path, repo string) *command.Entry {
			e := entryOf(path)
			e.Hash, e.Alias, e.Repo.Id = digest(2)[:16], "h/"+repo, "next-"+path
			e.Repo.Urls, e.Repo.UrlKeys = []string{"https://h/" + repo}, []string{"h/" + repo}
			return e
		}
		m.ok(m.listing("kernel", []*command.Entry{at("one", "new")}, nil))
		m.ok(m.listing("kernel", nil, []string{"one"}))
		if row := m.repo("one"); !row.retired() || row.Estranged() == "" {
			t.Fatalf("%+v", row)
		}
		two, goes := at("two", "new"), "next-two"
		switch who {
		case "alone":
			goes = "two"
		case "people want it too":
			m.ok(addRepos(newRepo("two")))
		case "people have it follow another":
			m.ok(follows("two", "mine"))
		default:
			m.ok(addRepos(newRepo("three")))
			two.Repo.Urls, two.Repo.UrlKeys = append(two.Repo.Urls, "https://host/Acme/three"), append(two.Repo.UrlKeys, "host/acme/three")
			m.refusedItem(refusal.ConflictURL, m.listing("kernel", []*command.Entry{two}, nil))
			if m.repo("one").URLs()[0] != "https://h/new" {
				t.Errorf("%+v", m.repo("one"))
			}
			continue
		}
		was := m.repo("two").URLs()[0]
		m.ok(m.listing("kernel", []*command.Entry{two}, nil))
		if now := m.state.View().RepoByURLKey("h/new"); now == nil || now.ID != goes || who != "alone" && m.repo("two").URLs()[0] != was {
			t.Errorf("%s: %+v", who, now)
		}
	}
}

// Whoever is refused takes no address away.
func TestWhoIsRefusedTakesNoAddress(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	id := m.row("team/one").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
	m.ok(m.listing("acme", nil, []string{"1"}))
	m.refused(refusal.NotFound, addRepos(&command.NewRepo{Id: "y", Name: "y", Urls: []string{"https://h/new"}, UrlKeys: []string{"h/new"}, Copies: []string{"nobody"}}))
}
