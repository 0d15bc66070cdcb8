package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unique"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

func TestAddRepo(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	v := m.state.View()
	row := v.RepoByName("HOST/acme/ONE")
	if row == nil || row != v.Repo("one") || row != v.RepoByURLKey("host/acme/one") {
		t.Fatalf("the row is not found in every way: %+v", row)
	}
	want := &Repo{
		ID: "one", Name: "host/Acme/one", urlsFromName: urlPlain,
		Policy: &Policy{Policy: policy.Policy{Interval: policy.FirstInterval}.Resolved()}, Rarely: ordinary,
		Owner: 1, Epoch: 1, Version: m.index, addedMS: m.now.UnixMilli(),
		Copies: []Copy{{Node: 1, State: CopyWanted}, {Node: 2, State: CopyWanted}},
	}
	if diff := cmp.Diff(want, row, cmp.AllowUnexported(Repo{}), cmpopts.IgnoreUnexported(Policy{}, Rarely{}), cmpopts.EquateComparable(unique.Handle[string]{})); diff != "" {
		t.Error(diff)
	}
}

func TestAddReposAnswersPerRow(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	change := func(id string, edit func(*command.NewRepo)) *command.NewRepo {
		r := newRepo(id)
		edit(r)
		return r
	}
	out := m.do(addRepos(
		newRepo("two"),
		change("three", func(r *command.NewRepo) { r.Name = "host/ACME/two" }),
		change("four", func(r *command.NewRepo) { r.UrlKeys[0] = "host/acme/one" }),
		change("five", func(r *command.NewRepo) { r.Copies = []string{"z"} }),
		change("six", func(r *command.NewRepo) { r.Owner = "c" }),
		change("seven", func(r *command.NewRepo) { r.Copies = []string{"a", "a"} }),
		change("eight", func(r *command.NewRepo) { r.Name = "with:colon" }),
		change("nine", func(r *command.NewRepo) { r.UrlKeys = nil }),
		change("one", func(r *command.NewRepo) { r.Name, r.UrlKeys[0] = "other", "other" }),
		change("ten", func(r *command.NewRepo) { r.Copies, r.Owner = nil, "" }),
	))
	var got []string
	for _, item := range out.Items {
		got = append(got, item.Code+" "+item.Existing)
	}
	want := []string{" ", "conflict_name host/Acme/two", "conflict_url host/Acme/one", "not_found ",
		"invalid ", "invalid ", "invalid ", "invalid ", "invalid ", " "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if row := m.repo("ten"); row.Epoch != 0 || row.Owner != 0 {
		t.Errorf("a row without an owner has %+v", row)
	}
	if n := m.state.View().Len(); n != 3 {
		t.Errorf("%d live rows, want 3", n)
	}
}

func TestTooManyRowsAreRefused(t *testing.T) {
	m := cluster(t)
	m.refused(refusal.Invalid, &command.RemoveRepos{Ids: make([]string, MaxItems+1)})
	m.refused(refusal.Invalid, &command.Report{Node: "a",
		Copies: make([]*command.CopyReport, MaxItems), Health: make([]*command.HealthReport, 1)})
}

func TestRemovedRowWaitsForItsCopies(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(publish("one", 1))
	m.ok(&command.RemoveRepos{Ids: []string{"one"}})
	m.refused(refusal.NotFound, &command.RemoveRepos{Ids: []string{"one"}})
	row := m.repo("one")
	if !row.Removed || row.Owner != 0 || row.Epoch != 2 || m.copyState("one", "a") != CopyLeaving {
		t.Errorf("removed row %+v", row)
	}
	if got := m.state.View().Removing(strings.ToUpper(row.Name)); got != row {
		t.Errorf("being removed: %+v", got)
	}
	again := newRepo("again")
	again.Name, again.Urls, again.UrlKeys = row.Name, row.URLs(), row.upstreamKeys()
	m.ok(addRepos(again))
	if v := m.state.View(); v.Len() != 1 || v.RemovedLen() != 1 || v.RepoByName(row.Name).ID != "again" {
		t.Errorf("%d live and %d removed rows", v.Len(), v.RemovedLen())
	}
	m.ok(reportGone("a", "one"))
	m.ok(reportGone("b", "one"))
	if v := m.state.View(); v.Repo("one") != nil || v.RemovedLen() != 0 || v.RepoByURLKey("host/acme/one").ID != "again" {
		t.Error("the row did not go with its last copy")
	}
	if got := m.state.View().Removing(row.Name); got != nil {
		t.Errorf("being removed, when it is not any more: %+v", got)
	}
}

func TestRemovedRowGoesWithItsLastNode(t *testing.T) {
	m := cluster(t)
	lone := newRepo("lone")
	lone.Copies, lone.Owner = []string{"c"}, "c"
	bare := newRepo("bare")
	bare.Copies, bare.Owner = nil, ""
	m.ok(addRepos(lone, bare))
	m.ok(&command.RemoveRepos{Ids: []string{"lone", "bare"}})
	if v := m.state.View(); v.RemovedLen() != 1 {
		t.Errorf("%d removed rows, want lone alone", v.RemovedLen())
	}
	m.ok(&command.RemoveNode{Id: "c"})
	if v := m.state.View(); v.RemovedLen() != 0 {
		t.Errorf("%d removed rows, want none", v.RemovedLen())
	}
}

func TestReposInPages(t *testing.T) {
	m := cluster(t)
	var want []string
	for i := range 200 {
		id := fmt.Sprintf("%03d", i)
		m.ok(addRepos(newRepo(id)))
		if i%3 == 0 {
			m.ok(&command.RemoveRepos{Ids: []string{id}})
			heir := newRepo(id)
			heir.Id = "heir-" + id
			m.ok(addRepos(heir))
			want = append(want, heir.Id)
		}
		want = append(want, id)
	}
	v := m.state.View()
	var got []string
	for cursor, more := "", true; more; {
		more = false
		n := 0
		v.Repos(cursor, func(r *Repo) bool {
			got = append(got, r.ID)
			cursor, more = Cursor(r), true
			n++
			return n < 7
		})
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages show\n%v, want\n%v", got, want)
	}
}

func TestViewNeverChanges(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one"), newRepo("two")))
	old, capture := m.state.View(), m.state.Capture()
	before := m.snapshot()
	m.ok(publish("one", 1))
	m.ok(&command.RemoveRepos{Ids: []string{"two"}})
	m.ok(putNode("d"))
	if old.Repo("one").Generation != 0 || old.RepoByName("host/acme/two") == nil || len(old.Nodes()) != 3 {
		t.Error("the old view shows what came after it")
	}
	var after bytes.Buffer
	if err := capture.Persist(&after); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after.Bytes()) {
		t.Error("the old capture holds what came after it")
	}
	if first, second := m.state.View(), m.state.View(); first != second {
		t.Error("a view is made twice for one index")
	}
}

// Limits of a repo need a cluster whose members all know them, are kept by snapshots,
// and go back to the nodes' own.
func TestLimits(t *testing.T) {
	m := newMachine(t)
	m.ok(&command.RaiseFormat{Format: formatLimits - 1})
	r, two := newRepo("one"), newRepo("two")
	r.Copies, r.Owner, two.Copies, two.Owner = nil, "", nil, ""
	r.Policy = &command.Policy{MaxSize: 5 << 30}
	entry, err := Encode(addRepos(r), "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(entry, formatLimits-1, epoch); !errors.Is(err, refusal.FormatTooOld) {
		t.Errorf("admitted into format %d: %v", formatLimits-1, err)
	}
	if _, err := Admit(entry, formatLimits, epoch); err != nil {
		t.Error(err)
	}
	flawed := newRepo("flawed")
	flawed.Policy = &command.Policy{Accept: []string{"hasDotgit"}}
	flawed.Copies, flawed.Owner = nil, ""
	accept := &command.SetPolicy{Repo: "flawed", Accept: &command.Flaws{Ids: []string{"badEmail"}}}
	for _, msg := range []proto.Message{addRepos(flawed), accept} {
		if entry, err := Encode(msg, "", epoch); err != nil {
			t.Fatal(err)
		} else if _, err := Admit(entry, formatFlaws-1, epoch); !errors.Is(err, refusal.FormatTooOld) {
			t.Errorf("flaws are admitted into format %d: %v", formatFlaws-1, err)
		} else if _, err := Admit(entry, formatFlaws, epoch); err != nil {
			t.Error(err)
		}
	}
	m.ok(addRepos(r))
	if got := m.state.View().Repo("one").Policy.MaxSize; got != 0 {
		t.Errorf("a member of format %d sees no limit, this one %d", formatLimits-1, got)
	}
	m.ok(&command.RaiseFormat{Format: formatLimits})
	m.ok(addRepos(flawed))
	m.ok(accept)
	if got := m.state.View().Repo("flawed").Policy.Accept; got != nil {
		t.Errorf("a member of format %d sees no flaws, this one %q", formatLimits, got)
	}
	m.ok(&command.RaiseFormat{Format: formatFlaws})
	two.Policy = &command.Policy{MaxSize: 5 << 30, MaxObjectSize: 1 << 30, Accept: []string{"badEmail"}}
	m.ok(addRepos(two))
	m.ok(&command.SetPolicy{Repo: "one", MaxObjectSize: proto.Int64(3 << 30)})
	m.ok(&command.SetPolicy{Repo: "two", MaxSize: proto.Int64(0)})
	m.ok(&command.SetPolicy{Repo: "one", Accept: &command.Flaws{Ids: []string{"hasDotgit", "nullSha1"}}})
	restored := New()
	if err := restored.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{m.state, restored} {
		one, two := s.View().Repo("one").Policy, s.View().Repo("two").Policy
		if one.MaxSize != 0 || one.MaxObject != 3<<30 || two.MaxSize != 0 || two.MaxObject != 1<<30 {
			t.Errorf("limits %+v and %+v", one, two)
		}
		if !slices.Equal(one.Accept, []string{"hasDotgit", "nullSha1"}) || !slices.Equal(two.Accept, []string{"badEmail"}) {
			t.Errorf("flaws %q and %q", one.Accept, two.Accept)
		}
	}
	version := m.state.View().Repo("one").Version
	m.ok(&command.SetPolicy{Repo: "one", Accept: &command.Flaws{Ids: []string{"hasDotgit", "nullSha1"}}})
	if row := m.state.View().Repo("one"); row.Version != version {
		t.Errorf("nothing is new, and the row is at %d, was at %d", row.Version, version)
	}
	m.ok(&command.SetPolicy{Repo: "one", Accept: &command.Flaws{}})
	if got := m.state.View().Repo("one").Policy.Accept; len(got) > 0 {
		t.Errorf("taken back: %q", got)
	}
	if out := m.do(&command.SetPolicy{Repo: "one", Accept: &command.Flaws{Ids: []string{""}}}); out.GetCode() != string(refusal.Invalid) {
		t.Errorf("a flaw without a name: %v", out)
	}
	if out := m.do(&command.SetPolicy{Repo: "three", MaxSize: proto.Int64(1)}); out.GetCode() != string(refusal.NotFound) {
		t.Errorf("a repo that is not there: %v", out)
	}
	if out := m.do(&command.SetPolicy{Repo: "one", MaxSize: proto.Int64(-1)}); out.GetCode() != string(refusal.Invalid) {
		t.Errorf("a limit below nothing: %v", out)
	}
}
