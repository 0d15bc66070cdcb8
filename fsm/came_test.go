package fsm

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/fsm/command"
)

// TestWhereWhatIsServedCameFrom edits indexes and accounts whose entries want few addresses, with people in between, and
// wants it known of each row, whatever happens, where what it serves came from.
func TestWhereWhatIsServedCameFrom(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		nested := rapid.Bool().Draw(t, "nested") // many submodules, of few addresses
		urls := []string{"a", "b", "c", "d", "e"}
		if nested {
			urls = urls[:3]
		}
		someURLs := rapid.SliceOfNDistinct(rapid.SampledFrom(urls), 1, 3, rapid.ID[string])
		m := sourced(tt)
		m.ok(putSource("others"))
		m.ok(putForge("acme"))
		m.ok(account("tools"))
		addresses := func(urls []string) (list, keys []string) {
			for _, u := range urls {
				list, keys = append(list, "https://h/"+u), append(keys, "h/"+u)
			}
			return list, keys
		}
		entry := func(i int, forge bool) *command.Entry {
			urls := someURLs.Draw(t, "urls")
			if forge {
				urls = urls[:1]
			}
			path := rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(t, "path")
			r := newRepo("x")
			r.Id, r.Name = fmt.Sprintf("r%d-%d", m.index, i), "n/"+rapid.SampledFrom([]string{"1", "2", "3", "4", "5"}).Draw(t, "name")
			r.Urls, r.UrlKeys = addresses(urls)
			hash := sha256.Sum256([]byte(r.Name + strings.Join(urls, " ")))
			e := &command.Entry{Path: path, File: "f", Hash: hash[:16], Repo: r, Alias: "h/" + urls[0], Submodules: nested || rapid.Bool().Draw(t, "submodules")}
			if !forge {
				e.From = rapid.SampledFrom([]string{"", "1", "2", "3", "4"}).Draw(t, "from")
			}
			return e
		}
		done := func(msg proto.Message) {
			before := m.state.View()
			m.do(msg)
			checkOrigins(t, msg, before, m.state.View())
			checkRows(t, before, m.state.View())
		}
		for n := range rapid.IntRange(1, 40).Draw(t, "commands") {
			before := m.state.View()
			var rows []*Repo
			before.Repos("", func(r *Repo) bool {
				if !r.Removed && !strings.HasPrefix(r.ID, "index-") {
					rows = append(rows, r)
				}
				return true
			})
			what := rapid.IntRange(0, 12).Draw(t, "what")
			if nested && rapid.IntRange(0, 3).Draw(t, "below") == 0 {
				what = 4
			}
			if len(rows) == 0 {
				what = min(what, 5)
			}
			row := &Repo{Rarely: ordinary}
			if what > 5 {
				row = rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")]
			}
			if rapid.IntRange(0, 19).Draw(t, "anew") == 0 { // a source goes, and is there again
				src := rapid.SampledFrom([]string{"kernel", "others", "acme", "tools"}).Draw(t, "goes")
				done(&command.RemoveSource{Id: src})
				again := putSource(src)
				if src == "acme" || src == "tools" {
					again = account(src)
				}
				done(again)
				continue
			}
			var msg proto.Message
			switch what {
			case 0, 1, 2, 3:
				src := rapid.SampledFrom([]string{"kernel", "kernel", "others", "acme", "tools"}).Draw(t, "source")
				l := m.listing(src, nil, rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "3", "4"}), 0, 2).Draw(t, "take"))
				for i := range rapid.IntRange(0, 3).Draw(t, "entries") {
					l.Put = append(l.Put, entry(i, src == "acme" || src == "tools"))
				}
				msg = l
			case 4:
				src := rapid.SampledFrom([]string{"kernel", "others"}).Draw(t, "source")
				above := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "above")
				c := before.ClaimOf(before.SourceByID(src).Num, above)
				if c == nil || !c.Submodules {
					continue
				}
				l := m.listing(src, nil, nil)
				row := before.Repo(c.Repo)
				if row.Owner == 0 {
					continue
				}
				l.Node, l.Epoch, l.Submodules = before.Node(row.Owner).ID, row.Epoch, &command.Submodules{Of: above, Done: true}
				e := entry(n, false)
				e.Path, e.From, e.Repo.Name = above+" > "+e.Path, "", e.Alias
				l.Put = []*command.Entry{e}
				msg = l
			case 5:
				r := newRepo(fmt.Sprintf("hand-%d", n))
				r.Name = rapid.SampledFrom([]string{"n/1", "n/2", "hand/1", "hand/2"}).Draw(t, "name")
				r.Urls, r.UrlKeys = addresses(someURLs.Draw(t, "urls"))
				msg = addRepos(r)
			case 6:
				up := &command.Upstream{}
				up.Urls, up.Keys = addresses(someURLs.Draw(t, "urls"))
				msg = &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Upstream: up}}}
			case 7:
				msg = &command.RemoveRepos{Ids: []string{row.ID}}
			case 8, 9:
				p := publish(row.ID, row.Generation+1)
				p.Node, p.Epoch, p.Heard = nodeOf(before, row), row.Epoch, rapid.SampledFrom([]uint64{0, row.Word()}).Draw(t, "heard")
				msg = p
			case 10: // people have it, and have it follow another address, which is looked at
				r := newRepo(fmt.Sprintf("hand-%d", n))
				r.Name, r.Urls, r.UrlKeys = fmt.Sprint("hand/", n), row.URLs(), row.upstreamKeys()
				done(addRepos(r))
				up := &command.Upstream{}
				up.Urls, up.Keys = addresses(someURLs.Draw(t, "urls"))
				done(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Upstream: up}}})
				row = m.repo(row.ID)
				msg = &command.Report{Node: nodeOf(before, row), Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Heard: row.Word()}}}
			default:
				h := &command.HealthReport{Repo: row.ID, Epoch: row.Epoch, Heard: rapid.SampledFrom([]uint64{0, row.Word()}).Draw(t, "heard")}
				switch rapid.IntRange(0, 2).Draw(t, "health") {
				case 0:
					h.ErrorClass = "not_found"
				case 1:
					h.Fallback = rapid.SampledFrom(append([]string{""}, row.URLs()[1:]...)).Draw(t, "fallback")
				}
				msg = &command.Report{Node: nodeOf(before, row), Health: []*command.HealthReport{h}}
			}
			done(msg)
		}
		three := New()
		if err := three.Restore(strings.NewReader(string(snapshotOf(t, m.state)))); err != nil {
			t.Fatal(err)
		}
		if one, two := lapsedRows(m.state), lapsedRows(three); !slices.Equal(one, two) {
			t.Fatalf("lapsed are %q, and %q once it was restored", one, two)
		}
	})
}

func nodeOf(v *View, row *Repo) string {
	if n := v.Node(row.Owner); n != nil {
		return n.ID
	}
	return "a"
}

// lapsedRows are the retired rows that are kept by what they serve.
func lapsedRows(s *State) (list []string) {
	s.tables.lapsed.Scan(func(r *Repo) bool {
		list = append(list, r.Origin()+" "+r.ID)
		return true
	})
	return list
}
