package fsm

import (
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// published1 is a cluster with repo one at generation 1, owned by a.
func published1(t testing.TB) *machine {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(publish("one", 1))
	return m
}

func TestPublish(t *testing.T) {
	m := published1(t)
	second := publish("one", 2)
	second.Changes = []*command.Change{{Ref: "refs/heads/main", Old: "1", New: "2", Kind: command.ChangeKind_CHANGE_KIND_UPDATED}}
	second.ChangesTotal = 7
	m.ok(second)
	row := m.repo("one")
	if row.Generation != 2 || row.Digest != Digest(digest(2)) || row.RefsDigest != Digest(digest(102)) ||
		row.Refs != 3 || row.Head() != "ref: refs/heads/main" || row.candidate != "one-2" || !row.ChangedAt().Equal(m.now) {
		t.Errorf("row %+v", row)
	}
	if c, _ := row.Copy(1); c != (Copy{Node: 1, State: CopyReady, Generation: 2}) {
		t.Errorf("the owner's copy is %+v", c)
	}
	if got := m.eventTypes(row.Name); !slices.Equal(got, []string{EventRepoAdded, EventBaseline, EventPublished}) {
		t.Errorf("events %v", got)
	}
	events := m.state.View().Events(0)
	if last := events[len(events)-1]; last.Generation != 2 || len(last.Changes) != 1 || last.ChangesTotal != 7 {
		t.Errorf("event %+v", last)
	}
}

func TestPublishTwiceIsOnce(t *testing.T) {
	m := published1(t)
	before := m.rows()
	m.ok(publish("one", 1))
	m.ok(assign("one", 1, "b"))
	afterMove := m.rows()
	m.ok(publish("one", 1)) // a retry that comes late is still true
	if m.rows() != afterMove || before == afterMove {
		t.Error("publishing a candidate again changed something")
	}
}

func TestPublishRefusesStaleEpoch(t *testing.T) {
	m := published1(t)
	m.ok(assign("one", 1, "b"))
	m.refused(refusal.NotOwner, publish("one", 2))
	m.ok(assign("one", 2, "a")) // a owns it again, but a's earlier work must not count
	m.refused(refusal.StaleEpoch, publish("one", 2))
	fresh := publish("one", 2)
	fresh.Epoch = 3
	m.ok(fresh)
}

func TestPublishRefusesStaleFromGeneration(t *testing.T) {
	m := published1(t)
	m.ok(publish("one", 2))
	rival := publish("one", 2)
	rival.Candidate = "another"
	m.refused(refusal.StaleGeneration, rival)
	skip := publish("one", 3)
	skip.Generation = 4
	m.refused(refusal.StaleGeneration, skip)
	ahead := publish("one", 4)
	m.refused(refusal.StaleGeneration, ahead)
}

func TestPublishRefusesNonsense(t *testing.T) {
	m := published1(t)
	for name, edit := range map[string]func(*command.Publish){
		"short digest":     func(p *command.Publish) { p.Digest = p.Digest[1:] },
		"no refs digest":   func(p *command.Publish) { p.RefsDigest = nil },
		"no candidate":     func(p *command.Publish) { p.Candidate = "" },
		"too many":         func(p *command.Publish) { p.Changes = make([]*command.Change, MaxChanges+1) },
		"short total":      func(p *command.Publish) { p.Changes = []*command.Change{{Ref: "r"}} },
		"change of no ref": func(p *command.Publish) { p.Changes, p.ChangesTotal = []*command.Change{{}}, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := publish("one", 2)
			edit(p)
			m.refused(refusal.Invalid, p)
		})
	}
	m.refused(refusal.NotFound, publish("none", 1))
	m.ok(&command.RemoveRepos{Ids: []string{"one"}})
	m.refused(refusal.NotFound, publish("one", 2))
}

func TestRestoredPublishTellsWhatIsLost(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(publish("one", 2))
	m.ok(assign("one", 1, "b"))
	p := publish("one", 3)
	p.Node, p.Epoch, p.Restored, p.BaseGeneration = "b", 2, true, 1
	m.ok(p)
	events := m.state.View().Events(0)
	last := events[len(events)-1]
	if last.Type != EventGenerationLost || last.Generation != 3 ||
		!strings.Contains(last.Detail, "generation 2 has no live holder") || !strings.Contains(last.Detail, "generation 1 had") {
		t.Errorf("event %+v", last)
	}
}

func TestPublishEndsFailureAndHold(t *testing.T) {
	m := published1(t)
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "one", Epoch: 1, ErrorClass: "network", HoldReason: "empty"}}})
	m.ok(publish("one", 2))
	if row := m.repo("one"); row.Error != nil || row.Hold != nil {
		t.Errorf("row %+v", row)
	}
}

func TestDurableNeedsTwoCopies(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	durable := func() bool { return m.repo("one").Durable() }
	if durable() {
		t.Error("durable before the first publish")
	}
	m.ok(publish("one", 1))
	if durable() {
		t.Error("durable with one copy")
	}
	m.ok(reportReady("b", "one", 1))
	if !durable() {
		t.Error("not durable with two copies")
	}
	m.ok(publish("one", 2))
	if durable() {
		t.Error("durable while the second copy is behind")
	}
}

func TestWhatAnOwnerLacksIsRemembered(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(publish("one", 2)) // complete is not set: the owner lacks something of 1
	if got := m.repo("one").Lost; !slices.Equal(got, []Generation{{1, Digest(digest(1))}}) {
		t.Errorf("lost %v, want generation 1", got)
	}
	third := publish("one", 3)
	third.Complete, third.BaseGeneration, third.BaseDigest = true, 2, digest(2)
	m.ok(third)
	row := m.repo("one")
	if len(row.Lost) != 1 || row.Base() != (Generation{2, Digest(digest(2))}) {
		t.Errorf("row %+v: a complete publish must neither add to the lost nor drop them", row)
	}
	fourth := publish("one", 4)
	fourth.Complete, fourth.Recovered = true, []uint64{1}
	m.ok(fourth)
	if got := m.repo("one").Lost; got != nil {
		t.Errorf("lost %v after its recovery", got)
	}
	for gen := uint64(5); gen < 20; gen++ {
		m.ok(publish("one", gen))
	}
	if got := m.repo("one").Lost; len(got) != maxLost || got[maxLost-1].Number != 18 {
		t.Errorf("lost %v, want the latest %d", got, maxLost)
	}
}

func TestLoggedChangesAreWholeOrNotThere(t *testing.T) {
	m := published1(t)
	logged := func() bool { _, ok := m.state.View().LoggedChanges(m.repo("one")); return ok }
	if logged() {
		t.Error("a baseline has no changes")
	}
	second := publish("one", 2)
	second.Changes = []*command.Change{{Ref: "refs/heads/main", Old: "1", New: "2", Kind: command.ChangeKind_CHANGE_KIND_UPDATED}}
	second.ChangesTotal = 1
	m.ok(second)
	if changes, ok := m.state.View().LoggedChanges(m.repo("one")); !ok || len(changes) != 1 || changes[0].New != "2" {
		t.Errorf("changes %v, %v", changes, ok)
	}
	third := publish("one", 3)
	third.Changes, third.ChangesTotal = second.Changes, 2
	m.ok(third)
	if logged() {
		t.Error("one change of two was taken for all")
	}
}
