package lister_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// However an index is edited, undone and edited again, with people in between, whoever dies while it is read: in the end each entry
// has a mirror that follows its first url, or an error that says why not, or people have set it; and nothing else is claimed, but
// for what has an error, or is held.
func TestRowsAreWhatIsListed(t *testing.T) {
	paths := rapid.SampledFrom([]string{"g/a", "g/b", "k/a", "k/b", "o"})
	urls := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "s"}), 1, 3, rapid.ID[string])
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.modules["h/a"], w.modules["h/b"], w.modules["h/c"] = modules("h/s"), modules("h/s", "h/d"), modules("h/b")
		entries, before := map[string]string{}, map[string]string{}
		for i := range 12 {
			entries[fmt.Sprint("z", i)] = fmt.Sprint("z", i)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			was := maps.Clone(entries)
			for range rapid.IntRange(1, 3).Draw(t, "edits") {
				path := paths.Draw(t, "path")
				switch rapid.SampledFrom([]string{"put", "put", "put", "drop", "rename", "rename", "undo", "fewer", "more"}).Draw(t, "edit") {
				case "put":
					entries[path] = strings.Join(urls.Draw(t, "urls"), " ")
				case "drop":
					delete(entries, path)
				case "rename":
					if to := paths.Draw(t, "to"); entries[path] != "" && to != path {
						entries[to] = entries[path]
						delete(entries, path)
						if rapid.Bool().Draw(t, "another") {
							entries[to] = strings.Join(urls.Draw(t, "urls"), " ")
						}
					}
				case "undo":
					entries = maps.Clone(before)
				case "fewer":
					for i := range 8 {
						delete(entries, fmt.Sprint("z", i))
					}
				case "more":
					for i := range 12 {
						entries[fmt.Sprint("z", i)] = fmt.Sprint("z", i)
					}
				}
			}
			before = was
			w.indexed(entries)
			for range rapid.IntRange(0, 2).Draw(t, "deaths") {
				w.left = rapid.IntRange(0, 4).Draw(t, "left")
				l := w.lister("a")
				l.Look(t.Context())
				l.LookBelow(t.Context())
				w.left = -1
				if rapid.Bool().Draw(t, "grow") {
					w.grow("a")
				}
			}
			for range rapid.IntRange(0, 2).Draw(t, "people") {
				w.people(t, urls)
			}
			w.ends(t)
			if hold := w.state.View().Hold(w.source()); hold != nil && rapid.Bool().Draw(t, "approve") {
				w.sure(&command.ApproveSource{Id: "s", Digest: hold.Digest})
				w.ends(t)
			}
			if w.state.View().Hold(w.source()) == nil && len(entries) > 0 {
				w.asListed(t, entries)
			}
		}
	})
}

// indexed has the index list entries.
func (w *world) indexed(entries map[string]string) {
	clear(w.files)
	for path, urls := range entries {
		w.files[path] = "url: [https://h/" + strings.ReplaceAll(urls, " ", ", https://h/") + "]\nsubmodules: true\n"
	}
	w.publish()
}

// ends has one node look until there is nothing more to be done.
func (w *world) ends(t *rapid.T) {
	l := w.lister("a")
	for range 40 {
		before := w.index
		l.Look(t.Context())
		l.LookSoon(t.Context())
		if !w.grow("a") && w.index == before {
			return
		}
	}
	t.Fatalf("it does not end: %v", w.source().Listed)
}

// people do something with what is mirrored, or a check tells of it.
func (w *world) people(t *rapid.T, urls *rapid.Generator[[]string]) {
	var rows []*fsm.Repo
	w.state.View().Repos("", func(r *fsm.Repo) bool {
		if !r.Removed && r.ID != "index" && !strings.HasPrefix(r.URLs()[0], "https://h/z") {
			rows = append(rows, r)
		}
		return true
	})
	if len(rows) == 0 {
		return
	}
	row, set := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")], urls.Draw(t, "set")
	var list, keys []string
	for _, u := range set {
		list, keys = append(list, "https://h/"+u), append(keys, "h/"+u)
	}
	switch rapid.SampledFrom([]string{"add", "add", "follow", "remove", "remove", "prove", "fallback", "anew"}).Draw(t, "does") {
	case "add":
		w.ids++
		w.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: fmt.Sprintf("hand%d", w.ids), Name: fmt.Sprint("hand/", w.ids), Urls: row.URLs()[:1], UrlKeys: []string{row.UpstreamKey()}, Copies: []string{"a"}, Owner: "a"}}})
	case "follow":
		w.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Upstream: &command.Upstream{Urls: list, Keys: keys}}}})
	case "remove":
		w.do(&command.RemoveRepos{Ids: []string{row.ID}})
	case "anew":
		w.sure(&command.RemoveSource{Id: "s"})
		w.sure(w.aSource())
	case "prove":
		if row.Owner != 0 {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Heard: row.Word()}}})
		}
	case "fallback":
		if n := len(row.URLs()); n > 1 && row.Owner != 0 {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: row.ID, Epoch: row.Epoch, Fallback: row.URLs()[n-1]}}})
		}
	}
}

// asListed wants what is claimed to be what is listed.
func (w *world) asListed(t *rapid.T, entries map[string]string) {
	view, src := w.state.View(), w.source()
	flawed := map[string]bool{}
	for _, f := range src.Listed.GetFlaws() {
		flawed[f.GetFile()] = true
	}
	for path, urls := range entries {
		first, _, _ := strings.Cut(urls, " ")
		c := view.ClaimOf(src.Num, path)
		if flawed[path] {
			continue
		}
		if c == nil {
			t.Fatalf("%s is not claimed, and nothing says why: %v", path, src.Listed)
		}
		row := view.Repo(c.Repo)
		byHand := slices.ContainsFunc(view.Origins(row), func(o fsm.Origin) bool { return o.Setting == "upstream" && o.Source == 0 })
		if !byHand && row.UpstreamKey() != "h/"+first || c.Keys[0] != "h/"+first {
			t.Fatalf("%s is to be %s, and is %q of claim %q: %v", path, first, row.URLs(), c.Keys, src.Listed)
		}
	}
	view.Claims(src.Num, "\x00", func(c *fsm.Claim) bool {
		if _, listed := entries[c.Path]; !listed && !strings.Contains(c.Path, " > ") && len(flawed) == 0 {
			t.Fatalf("%s is claimed, and not listed: %v", c.Path, src.Listed)
		}
		return true
	})
}
