package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// newestCluster is a cluster at the newest format.
func newestCluster(t testing.TB) *machine {
	m := newMachine(t)
	m.ok(&command.FoundCluster{ClusterId: "the-cluster", Format: newest})
	for _, name := range []string{"a", "b", "c"} {
		node := putNode(name)
		node.Node.Format = newest
		m.ok(node)
	}
	return m
}

func remove(ids ...string) *command.RemoveRepos     { return &command.RemoveRepos{Ids: ids} }
func restoring(ids ...string) *command.RestoreRepos { return &command.RestoreRepos{Ids: ids} }
func renamed(repo, name string) *command.ChangeRepos {
	return &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: repo, Name: proto.String(name)}}}
}

// What was removed comes back as it was, whether or not its copies have left meanwhile.
func TestARemovedRowIsRestoredAsItWas(t *testing.T) {
	for _, left := range [][]string{nil, {"a"}, {"a", "b"}} {
		t.Run(fmt.Sprint(len(left)), func(t *testing.T) {
			m := newestCluster(t)
			m.ok(addRepos(newRepo("one")))
			m.ok(publish("one", 1))
			m.ok(publish("one", 2))
			m.ok(reportReady("b", "one", 1)) // behind
			m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/main", Oid: strings.Repeat("a", 40)})
			m.ok(renamed("one", "host/other"))
			was := m.repo("one")
			m.ok(remove("one"))
			at := m.now
			for _, node := range left {
				m.ok(reportGone(node, "one"))
			}
			v := m.state.View()
			in := v.TrashedByName("HOST/acme/one")
			if in == nil || in != v.TrashedByName("host/OTHER") || in.ID != "one" || !in.RemovedAt().Equal(at) || !in.Until().Equal(at.Add(TrashedFor)) || v.TrashedLen() != 1 {
				t.Fatalf("in the trash is %+v", in)
			}
			forgot := v.tables.clone()
			forgot.trash = newTrash()
			if forgot.digest() == v.Digest() {
				t.Error("who has lost the trash has the same digest")
			}
			again := New()
			if err := again.Restore(bytes.NewReader(m.snapshot())); err != nil {
				t.Fatal(err)
			}
			m.state = again // what a snapshot has is enough
			m.ok(restoring("one"))
			is := m.repo("one")
			if is.Removed || is.Epoch != was.Epoch+2 || is.Owner != 0 || is.Name != "host/other" || !slices.Equal(is.Aliases, was.Aliases) ||
				is.Generation != 2 || is.Digest != was.Digest || is.RefsDigest != was.RefsDigest || is.Head() != was.Head() ||
				!slices.Equal(is.Copies, was.Copies) || !slices.Equal(is.Pins, was.Pins) || !slices.Equal(is.URLs(), was.URLs()) || is.Policy.record != was.Policy.record {
				t.Errorf("it came back as %+v, and was %+v", is, was)
			}
			if v := m.state.View(); v.TrashedLen() != 0 || v.RepoByName("host/acme/one") != is || v.Len() != 1 || v.RemovedLen() != 0 {
				t.Error("it is in the trash still, or not found as it was")
			}
			want := []string{EventRepoRemoved, EventRepoRestored}
			if got := m.eventTypes("host/other"); !slices.Equal(got[len(got)-2:], want) {
				t.Errorf("events %v", got)
			}
			m.refused(refusal.NotFound, restoring("one"))
			// Who owned it before the removal has no say any more.
			late := publish("one", 3)
			late.Epoch = was.Epoch
			m.refused(refusal.NotOwner, late)
			m.ok(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "one", Epoch: is.Epoch, Owner: "a"}}})
			m.refused(refusal.StaleEpoch, late)
		})
	}
}

// A name or an upstream that is in use again is not taken from who has it.
func TestWhatIsInUseAgainIsNotRestored(t *testing.T) {
	for name, other := range map[string]func(*command.NewRepo){
		"name":       func(r *command.NewRepo) { r.Name = "host/now" },
		"alias":      func(r *command.NewRepo) { r.Name = "HOST/acme/one" },
		"other name": func(r *command.NewRepo) { r.Name = "host/third" }, // which is called so besides
		"upstream": func(r *command.NewRepo) {
			r.Name, r.Urls, r.UrlKeys = "free", []string{"https://host/acme/one"}, []string{"host/acme/one"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newestCluster(t)
			m.ok(addRepos(newRepo("one")))
			m.ok(renamed("one", "host/now"))
			m.ok(remove("one"))
			r := newRepo("two")
			other(r)
			m.ok(addRepos(r))
			if name == "other name" {
				m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "two", Aliases: &command.Aliases{Names: []string{"host/NOW"}}}}})
			}
			want := refusal.ConflictName
			if name == "upstream" {
				want = refusal.ConflictURL
			}
			if out := m.refused(want, restoring("one")); out.Items[0].Existing != r.Name {
				t.Errorf("it names %v, not %s", out.Items[0], r.Name)
			}
			if m.state.View().TrashedLen() != 1 {
				t.Error("what was refused is out of the trash")
			}
			m.ok(remove("two"))
			m.ok(restoring("one"))
		})
	}
}

func TestTheTrashIsEmptiedAfterADay(t *testing.T) {
	m := newestCluster(t)
	m.ok(addRepos(newRepo("one"), newRepo("two"), newRepo("three")))
	m.ok(remove("one"))
	m.ok(remove("two", "three"))
	taken := newRepo("one")
	taken.Name, taken.Urls, taken.UrlKeys = "n", []string{"https://n"}, []string{"n"}
	m.ok(reportGone("a", "one"))
	m.ok(reportGone("b", "one"))
	m.refused(refusal.Invalid, addRepos(taken)) // its id belongs to what may come back
	for range 24*2 - 1 {
		m.now = m.now.Add(30 * time.Minute)
		m.ok(&command.Tick{})
	}
	m.now = m.state.View().TrashedByName("host/acme/one").Until().Add(-2 * time.Second)
	m.ok(&command.Tick{})
	if n := m.state.View().TrashedLen(); n != 3 {
		t.Fatalf("%d in the trash a moment before the day is over", n)
	}
	out := m.do(restoring("one"))
	if n := m.state.View().TrashedLen(); n != 2 || out.Items[0].Code != string(refusal.NotFound) {
		t.Fatalf("%d in the trash as the day of the first is over, restoring it comes to %v", n, out)
	}
	m.now = m.now.Add(48 * time.Hour) // a clock that was wrong takes nothing away
	m.ok(restoring("two", "three"))
}

func TestTheTrashHasBounds(t *testing.T) {
	trash := newTrash()
	row := newRepo("one")
	m := newestCluster(t)
	m.ok(addRepos(row))
	for i := range maxTrashed + 2 {
		was := *m.repo("one")
		was.ID = fmt.Sprintf("%05d", i)
		trash.put(&Trashed{Repo: &was, removedMS: int64(1000 - i/100)})
	}
	oldest, _ := trash.byAge.Min()
	if trash.byAge.Len() != maxTrashed || trash.byID.Len() != maxTrashed || oldest.ID != "09902" && trash.find("10001") != nil {
		t.Errorf("%d are kept, the oldest %s", trash.byAge.Len(), oldest.ID)
	}
}

// Who had copies may be gone for good.
func TestWhatNobodyHasIsNotRestored(t *testing.T) {
	m := newestCluster(t)
	m.ok(addRepos(newRepo("one"), newRepo("empty")))
	m.ok(publish("one", 1))
	m.ok(remove("one", "empty"))
	m.ok(&command.RemoveNode{Id: "a"})
	m.refused(refusal.CopiesGone, restoring("one")) // b had none yet
	m.ok(restoring("empty"))
	if row := m.repo("empty"); len(row.Copies) != 1 {
		t.Errorf("it came back with %+v", row.Copies)
	}
}

// Members of before know no trash.
func TestNothingIsRememberedBeforeEverybodyKnowsIt(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(remove("one"))
	events := m.state.View().Events(0)
	if m.state.View().TrashedLen() != 0 || events[len(events)-1].Detail != "" {
		t.Error("a cluster of before remembers what was removed")
	}
	data, err := Encode(restoring("one"), "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(data, formatTrash-1, epoch); !errors.Is(err, refusal.FormatTooOld) {
		t.Errorf("Admit: %v", err)
	}
}
