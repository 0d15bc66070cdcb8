package agent

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// The cause that is shown is the newest one; its class, and since when, stay.
func TestTheNewestCauseIsShown(t *testing.T) {
	w := newWorld(t, "repo")
	now := time.Now()
	tell := func(message string, at time.Time) (told bool, again time.Duration) {
		s := mirror.Status{Checked: true, Failure: failure.New(failure.Network, message, nil)}
		h, again := w.agent.healthReport(w.row("repo"), s, at)
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		return h != nil, again
	}
	if told, _ := tell("dial 10.0.0.1:41234: refused", now); !told {
		t.Fatal("a first failure was not told")
	}
	since := w.row("repo").Error.Since
	if told, again := tell("dial 10.0.0.7:9: refused", now.Add(time.Hour)); told || again != 0 {
		t.Error("a message that differs in its figures alone was told")
	}
	if told, again := tell("no such host", now.Add(10*time.Second)); told || again != 50*time.Second {
		t.Errorf("within a minute: told %v, again in %s; want to wait 50 s", told, again)
	}
	if told, _ := tell("no such host", now.Add(time.Minute)); !told {
		t.Error("another cause was not told after a minute")
	}
	if e := w.row("repo").Error; e.Message != "no such host" || !e.Since.Equal(since) {
		t.Errorf("the row shows %q since %s, want the newest cause since %s", e.Message, e.Since, since)
	}
	h, _ := w.agent.healthReport(w.row("repo"), mirror.Status{Checked: true}, now.Add(61*time.Second))
	if h == nil || h.ErrorClass != "" {
		t.Errorf("the end of a failure within a minute of its last message: %v, want it told", h)
	}
}

func TestGistLeavesOutFigures(t *testing.T) {
	for _, pair := range [][2]string{
		{"the fetch made no progress for 1m0s (17 bytes received)", "the fetch made no progress for 59.5s (8112 bytes received)"},
		{"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904 of refs/heads/x is missing", "object f3a5dc642cb6eb9a060e54bf8d69288fbee49000 of refs/heads/x is missing"},
	} {
		if gist(pair[0]) != gist(pair[1]) {
			t.Errorf("%q and %q are told apart", gist(pair[0]), gist(pair[1]))
		}
	}
	if gist("no such host") == gist("connection refused") {
		t.Error("two causes are taken for one")
	}
}

// A hold is told with what is lost; another loss is told, and an outage takes nothing
// back, whoever meets it.
func TestHoldsAreToldAndOutlastAnOutage(t *testing.T) {
	w := newWorld(t, "repo")
	w.do(&command.RaiseFormat{Format: fsm.Format})
	now := time.Now()
	tell := func(s mirror.Status, at time.Time) bool {
		h, _ := w.agent.healthReport(w.row("repo"), s, at)
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		return h != nil
	}
	hold := func(losses byte) *mirror.Hold {
		return &mirror.Hold{Reason: "mass_delete", Observed: refs.Digest{losses}, Lost: 12, Settled: 30, Losses: refs.Digest{losses},
			First: []refs.Change{{Ref: "refs/heads/\xff", Old: "1", Kind: refs.Deleted}}}
	}
	if !tell(mirror.Status{Checked: true, Judged: true, Hold: hold(1)}, now) {
		t.Fatal("a hold was not told")
	}
	h := w.row("repo").Hold
	if h.Lost != 12 || h.Settled != 30 || h.Losses != (fsm.Digest{1}) || len(h.First) != 1 || h.First[0].GetRef() != "refs/heads/\uFFFD" {
		t.Errorf("the row holds %+v", h)
	}
	ff := hold(1)
	ff.Observed = refs.Digest{9}
	if tell(mirror.Status{Checked: true, Judged: true, Hold: ff}, now.Add(time.Hour)) {
		t.Error("a new ref beside the same losses was told")
	}
	if !tell(mirror.Status{Checked: true, Judged: true, Hold: hold(2)}, now.Add(time.Hour)) || w.row("repo").Hold.Losses != (fsm.Digest{2}) {
		t.Error("another loss was not told")
	}
	since := w.row("repo").Hold.Since
	outage := mirror.Status{Checked: true, Failure: failure.New(failure.Network, "no answer", nil)} // of an owner that has judged nothing yet
	if !tell(outage, now.Add(2*time.Hour)) {
		t.Error("the outage was not told")
	}
	if r := w.row("repo"); r.Error == nil || r.Hold == nil || r.Hold.Losses != (fsm.Digest{2}) || !r.Hold.Since.Equal(since) || len(r.Hold.First) != 1 {
		t.Errorf("after the outage: error %v, hold %+v", r.Error, r.Hold)
	}
	if !tell(mirror.Status{Checked: true, Judged: true}, now.Add(3*time.Hour)) || w.row("repo").Hold != nil {
		t.Errorf("upstream took it back, and the row holds %+v", w.row("repo").Hold)
	}
}

// An owner without a copy counts what is lost, and one that has a copy again names it. A
// cluster whose format has no names is told of the same picture once.
func TestLossesAreNamedWhereThereIsACopyAgain(t *testing.T) {
	for _, named := range []bool{false, true} {
		w := newWorld(t, "repo")
		if named {
			w.do(&command.RaiseFormat{Format: fsm.Format})
		}
		now := time.Now()
		tell := func(h *mirror.Hold, after time.Duration) bool {
			report, _ := w.agent.healthReport(w.row("repo"), mirror.Status{Checked: true, Judged: true, Hold: h}, now.Add(after))
			if report != nil {
				w.do(&command.Report{Node: "a", Health: []*command.HealthReport{report}})
			}
			return report != nil
		}
		counted := &mirror.Hold{Reason: "empty", Observed: refs.Digest{1}, Lost: 1, Settled: 1}
		known := &mirror.Hold{Reason: "empty", Observed: refs.Digest{1}, Lost: 1, Settled: 1, Losses: refs.Digest{2},
			First: []refs.Change{{Ref: "refs/heads/main", Old: "1", Kind: refs.Deleted}}}
		if !tell(counted, 0) || tell(counted, time.Hour) {
			t.Error("a hold is told once")
		}
		if tell(known, 2*time.Hour) != named || named && len(w.row("repo").Hold.First) != 1 {
			t.Errorf("names %t: the row holds %+v", named, w.row("repo").Hold)
		}
		if tell(known, 3*time.Hour) {
			t.Errorf("names %t: what is known was told again", named)
		}
	}
}

// What the log says of a person's word reaches the mirror.
func TestApprovalAndPinsAreAssigned(t *testing.T) {
	w := newWorld(t, "repo")
	if as := assignmentOf(w.state.View(), w.row("repo"), w.state.View().NodeByID("a").Num); as.Remembers {
		t.Error("files of the past are part of generations before all members know them")
	}
	w.do(&command.RaiseFormat{Format: fsm.Format})
	oid := "00112233445566778899aabbccddeeff00112233"
	w.do(&command.Pin{Repo: "repo", Ref: "refs/heads/x", Oid: oid})
	w.do(&command.Pin{Repo: "repo", Ref: "refs/heads/y", Oid: oid})
	w.do(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "repo", Epoch: 1, HoldReason: "mass_delete", HoldLost: 1, HoldLosses: bytes.Repeat([]byte{7}, 20),
		HoldDigest: bytes.Repeat([]byte{8}, 20), HoldFirst: []*command.Change{{Ref: "refs/heads/main", Old: "1", New: "2"}}}}})
	w.do(&command.Approve{Repo: "repo", Losses: bytes.Repeat([]byte{7}, 20), Release: []*command.Release{{Ref: "refs/heads/y", Upstream: &oid}}})
	as := assignmentOf(w.state.View(), w.row("repo"), w.state.View().NodeByID("a").Num)
	want := &mirror.Approval{Observed: refs.Digest(bytes.Repeat([]byte{8}, 20)), Losses: refs.Digest(bytes.Repeat([]byte{7}, 20)), Count: 1,
		First: []refs.Change{{Ref: "refs/heads/main", Old: "1", New: "2"}}}
	if d := cmp.Diff([]mirror.Release{{Ref: "refs/heads/y", OID: oid, Upstream: &oid}}, as.Released); d != "" || as.Word != w.row("repo").Version {
		t.Errorf("assigned with the word %d and the released refs\n%s", as.Word, d)
	}
	if d := cmp.Diff(want, as.Approved); d != "" || !as.Remembers || !slices.Equal(as.Pins, []mirror.Pin{{Ref: "refs/heads/x", OID: oid}}) {
		t.Errorf("assigned with pins %v, remembering %v, and the approval\n%s", as.Pins, as.Remembers, d)
	}
}

// The row is told of a word that a check had heard and made nothing of, though nothing
// else is new; and of none that it had not heard.
func TestUnusedWordsAreReported(t *testing.T) {
	w := newWorld(t, "repo")
	w.do(&command.RaiseFormat{Format: fsm.Format})
	oid := "00112233445566778899aabbccddeeff00112233"
	w.do(&command.Pin{Repo: "repo", Ref: "refs/heads/y", Oid: oid})
	w.do(&command.Approve{Repo: "repo", Release: []*command.Release{{Ref: "refs/heads/y", Upstream: &oid}}})
	word := w.row("repo").Word()
	for _, c := range []struct {
		s    mirror.Status
		told bool
	}{
		{mirror.Status{Checked: true, Judged: true, Heard: word - 1}, false},
		{mirror.Status{Checked: true, Heard: word}, false}, // of an owner that has judged nothing since it is one
		{mirror.Status{Checked: true, Judged: true, Heard: word}, true},
	} {
		h, _ := w.agent.healthReport(w.row("repo"), c.s, time.Now())
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		if told := w.row("repo").Word() == 0; told != c.told {
			t.Errorf("%+v: told %v", c.s, told)
		}
	}
}

// Where an upstream is, by its own word, is told once. An owner of which none has answered
// leaves it as it is, and what is said of another address than the row's is not told.
func TestWhereAnUpstreamIsIsTold(t *testing.T) {
	w := newWorld(t, "repo")
	now := time.Now()
	tell := func(s mirror.Status, at time.Time) bool {
		s.Checked = true
		h, _ := w.agent.healthReport(w.row("repo"), s, at)
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		return h != nil
	}
	url := w.row("repo").URLs()[0]
	moved := mirror.Status{Judged: true, Moved: &mirror.Moved{From: url, To: "https://new/repo"}}
	if tell(moved, now) {
		t.Error("it was told to members that do not know of it")
	}
	w.do(&command.RaiseFormat{Format: fsm.Format})
	if !tell(moved, now) || w.row("repo").Moved == nil {
		t.Fatal("it was not told")
	}
	if tell(moved, now.Add(time.Hour)) {
		t.Error("it was told again")
	}
	outage := mirror.Status{Failure: failure.New(failure.Network, "no answer", nil)} // of an owner whose upstream has not answered yet
	if !tell(outage, now.Add(2*time.Hour)) || w.row("repo").Moved == nil || w.row("repo").Error == nil {
		t.Errorf("after an outage: %+v", w.row("repo").Moved)
	}
	if tell(mirror.Status{Judged: true, Failure: outage.Failure, Moved: &mirror.Moved{From: "https://before/repo", To: "https://new/2"}}, now.Add(3*time.Hour)) {
		t.Error("what was said of an address that the row has no more was told")
	}
	if !tell(mirror.Status{Judged: true}, now.Add(4*time.Hour)) || w.row("repo").Moved != nil {
		t.Errorf("it is where it was, and the row says %+v", w.row("repo").Moved)
	}
}

// Which url answers, where it is not the first, is told once; while none answers that stays.
func TestWhichURLAnswersIsTold(t *testing.T) {
	w := newWorld(t)
	w.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "repo", Name: "repo", Urls: []string{"https://x/repo", "https://y/repo"}, UrlKeys: []string{"x/repo", "y/repo"},
		Policy: &command.Policy{Replicas: 1, IntervalMs: 60000, RefPrefixes: []string{"refs/heads/"}}, Copies: []string{"a"}, Owner: "a"}}})
	now := time.Now()
	tell := func(s mirror.Status) bool {
		s.Checked = true
		now = now.Add(time.Hour)
		h, _ := w.agent.healthReport(w.row("repo"), s, now)
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		return h != nil
	}
	second := mirror.Status{Judged: true, URL: 1}
	if tell(second) {
		t.Error("it was told to members that do not know of it")
	}
	w.do(&command.RaiseFormat{Format: fsm.Format})
	if !tell(second) || w.row("repo").Fallback == nil {
		t.Fatal("it was not told")
	}
	if tell(second) {
		t.Error("it was told again")
	}
	outage := failure.New(failure.Network, "no answer", nil)
	if !tell(mirror.Status{Failure: outage}) || w.row("repo").Fallback == nil {
		t.Error("a new owner, of which none has answered, took it back")
	}
	if !tell(mirror.Status{Judged: true}) || w.row("repo").Fallback != nil {
		t.Errorf("the first answers, and the row says %+v", w.row("repo").Fallback)
	}
}
