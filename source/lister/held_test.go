package lister_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
)

// What is held names what is lost, and as much as it counts: not what is in another account, or under another path.
func TestAHoldNamesWhatIsLost(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Owner: "a", Forge: &command.Forge{Kind: "github", Base: "https://h", Account: "tools"}}})
	a.Organisation("tools")
	var all, there []forgereplay.Repo
	var want []string
	for i := range 12 {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
		switch moved := all[i]; {
		case i < 4:
			moved.Owner, moved.Clone = "tools", strings.Replace(moved.Clone, "acme", "tools", 1)
			there = append(there, moved)
		case i < 10:
			want = append(want, fmt.Sprintf("acme/r%02d", i))
		}
	}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	a.Organisation("acme", all[10:]...)
	a.Organisation("tools", there...)
	w.sure(&command.SetSource{Id: "g", Again: 1})
	list()
	w.sync()
	list()
	if h := w.forge().Hold; h.GetLost() != 6 || !slices.Equal(slices.Sorted(slices.Values(h.GetFirst())), want) {
		t.Errorf("%d are lost: %q", h.GetLost(), h.GetFirst())
	}
}

// An index that has 40 under other paths, and 130 no more: the 30 that are not named are lost too.
func TestAHoldCountsWhatItDoesNotName(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.files[fmt.Sprintf("r%03d", i)] = fmt.Sprintf("url: https://h/r%03d", i)
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	for i := range 170 {
		name := fmt.Sprintf("r%03d", i)
		if i < 40 {
			w.files["x"+name] = w.files[name]
		}
		delete(w.files, name)
	}
	w.publish()
	l.Look(t.Context())
	h := w.state.View().SourceByID("s").Hold
	if h.GetLost() != 130 || len(h.GetFirst()) != 100 || h.GetFirst()[0] != "r040" {
		t.Errorf("%d are lost, %d named: %q", h.GetLost(), len(h.GetFirst()), h.GetFirst())
	}
}

// What is refused under its other path keeps the one it has.
func TestWhatIsRefusedElsewhereStays(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.files[fmt.Sprintf("r%02d", i)] = fmt.Sprintf("url: https://h/r%02d", i)
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	var taken []*command.NewRepo
	for i := range 8 {
		name := fmt.Sprintf("x%02d", i)
		w.files[name] = w.files[fmt.Sprintf("r%02d", i)]
		delete(w.files, fmt.Sprintf("r%02d", i))
		if i < 6 { // somebody's mirror is called so already
			taken = append(taken, &command.NewRepo{Id: name, Name: "ns/" + name, Urls: []string{"https://h/" + name}, UrlKeys: []string{"h/" + name}, Copies: []string{"a"}, Owner: "a"})
		}
	}
	w.sure(&command.AddRepos{Repos: taken})
	w.publish()
	l.Look(t.Context())
	for range 2 {
		src, got := w.source(), slices.Sorted(maps.Keys(w.claims()))
		if src.Hold != nil || src.Lost(w.now) != 0 || src.Listed.GetKept() != 6 || src.Listed.GetFlawsTotal() != 6 || strings.Join(got, " ") != "r00 r01 r02 r03 r04 r05 r08 r09 r10 r11 x06 x07" {
			t.Errorf("%q; %+v, %d lost, %v", got, src.Hold, src.Lost(w.now), src.Listed)
		}
		w.publish()
		l.Look(t.Context())
	}
}

// meanwhile is a log in which something happens before anything is taken.
type meanwhile struct {
	*world
	happens func()
}

func (m *meanwhile) Propose(ctx context.Context, msg proto.Message, id string) (*command.Outcome, error) {
	if list, is := msg.(*command.Listing); is && len(list.GetTake()) > 0 && m.happens != nil {
		m.happens()
		m.happens = nil
	}
	return m.world.Propose(ctx, msg, id)
}

// What was to make room for another, and may not go any more, is held with the rest: a word for that is for both.
func TestWhatWasToMakeRoomIsHeld(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	var all []forgereplay.Repo
	for i := range 12 {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
	}
	a.Organisation("acme", all...)
	w.lists("a", a)()
	all[1] = repo(2, "r00") // which 1 had
	a.Organisation("acme", slices.Concat(all[1:4], all[5:])...)
	w.on = &meanwhile{world: w, happens: func() {
		w.sure(&command.Listing{Source: "f", Node: "a", Epoch: w.forge().Epoch, Take: []string{made("9"), made("10"), made("11"), made("12")}})
	}}
	w.sync()
	w.lists("a", a)()
	urls, _ := w.forged()
	h := w.forge().Hold
	if h == nil || !slices.Contains(h.GetFirst(), "acme/r04") || len(h.GetFirst()) != int(h.GetLost()) || urls["1"] == "" || urls["5"] == "" {
		t.Fatalf("%v are held, of %v", h, urls)
	}
	w.sure(&command.ApproveSource{Id: "f", Digest: h.Digest})
	w.lists("a", a)()
	if urls, _ = w.forged(); w.forge().Hold != nil || urls["1"] != "" || urls["5"] != "" || urls["2"] != "https://h/acme/r00.git" {
		t.Errorf("%v are held, of %v", w.forge().Hold, urls)
	}
}
