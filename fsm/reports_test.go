package fsm

import (
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func TestReportedCopies(t *testing.T) {
	m := published1(t)
	m.refused(refusal.NotFound, reportReady("z", "one", 1))
	m.refused(refusal.NotFound, reportReady("b", "none", 1))
	m.refused(refusal.NotFound, reportReady("c", "one", 1))
	m.refused(refusal.Invalid, reportReady("b", "one", 2))
	m.refused(refusal.Invalid, reportReady("b", "one", 0))
	m.refused(refusal.Invalid, reportCopy("b", "one", command.CopyState_COPY_STATE_WANTED, 1))
	m.ok(reportReady("b", "one", 1))
	version := m.repo("one").Version
	m.ok(reportReady("b", "one", 1))
	if got := m.repo("one").Version; got != version {
		t.Error("a report without news changed the row")
	}
	m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
	if got := m.copyState("one", "b"); got != CopyBroken {
		t.Errorf("copy is %s", got)
	}
}

func TestLateReportOfTheOwnerDoesNotUndoItsPublish(t *testing.T) {
	m := published1(t)
	m.ok(publish("one", 2))
	m.ok(reportReady("a", "one", 1))
	if c, _ := m.repo("one").Copy(1); c.Generation != 2 {
		t.Errorf("the owner's copy went back to %d", c.Generation)
	}
}

func TestGoneOnlyForLeaving(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.refused(refusal.Invalid, reportGone("b", "one"))
	m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
	m.refused(refusal.Invalid, reportGone("b", "one"))
	m.ok(m.placing("one", nil, []string{"b"}))
	m.ok(reportReady("b", "one", 1)) // too late: it goes on leaving
	if got := m.copyState("one", "b"); got != CopyLeaving {
		t.Fatalf("copy is %s", got)
	}
	m.ok(reportGone("b", "one"))
	if n := len(m.repo("one").Copies); n != 1 {
		t.Errorf("%d copies, want 1", n)
	}
}

func health(edit func(*command.HealthReport)) *command.Report {
	h := &command.HealthReport{Repo: "one", Epoch: 1}
	edit(h)
	return &command.Report{Node: "a", Health: []*command.HealthReport{h}}
}

func failing(class, message string) *command.Report {
	return health(func(h *command.HealthReport) { h.ErrorClass, h.Message = class, message })
}

func TestHealth(t *testing.T) {
	m := published1(t)
	m.ok(failing("network", "first"))
	since := m.now
	m.ok(failing("network", "second"))
	if got := *m.repo("one").Error; got != (Failure{"network", "second", since, false}) {
		t.Errorf("failure %+v", got)
	}
	m.ok(failing("auth", strings.Repeat("ü", maxText)))
	if got := m.repo("one").Error; got.Class != "auth" || !got.Since.Equal(m.now) || len(got.Message) != maxText {
		t.Errorf("failure %+v", got)
	}
	m.ok(health(func(h *command.HealthReport) { h.HoldReason, h.HoldDigest = "empty", digest(1) }))
	since = m.now
	m.ok(health(func(h *command.HealthReport) { h.HoldReason, h.HoldDigest = "empty", digest(2) }))
	if got := m.repo("one").Hold; !got.equal(&Hold{Reason: "empty", Since: since, Observed: Digest(digest(2))}) {
		t.Errorf("hold %+v", got)
	}
	m.ok(health(func(*command.HealthReport) {}))
	want := []string{EventRepoAdded, EventBaseline, EventFailing, EventFailing, EventHeld, EventRecovered}
	if got := m.eventTypes("host/Acme/one"); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// What is parked is said once, since all members know of it, and is over when it is there again.
func TestWhatIsParkedIsSaidOnce(t *testing.T) {
	parked := health(func(h *command.HealthReport) { h.ErrorClass, h.Message, h.Parked = "not_found", "404", true })
	m := published1(t)
	m.ok(failing("not_found", "404"))
	m.ok(parked)
	if m.repo("one").Error.Parked {
		t.Error("parked before its format")
	}
	m.state.tables.format = newest
	since := m.repo("one").Error.Since
	m.ok(parked)
	m.ok(parked)
	if got := m.repo("one").Error; !got.Parked || !got.Since.Equal(since) {
		t.Errorf("%+v, failing since %s", got, since)
	}
	m.ok(health(func(*command.HealthReport) {}))
	want := []string{EventRepoAdded, EventBaseline, EventFailing, EventParked, EventRecovered}
	if got := m.eventTypes("host/Acme/one"); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestHealthOfAnotherEpochIsIgnored(t *testing.T) {
	m := published1(t)
	m.refused(refusal.StaleEpoch, health(func(h *command.HealthReport) { h.Epoch, h.ErrorClass = 2, "network" }))
	m.refused(refusal.Invalid, health(func(h *command.HealthReport) { h.HoldDigest = []byte{1} }))
	stranger := failing("network", "")
	stranger.Node = "b"
	m.refused(refusal.NotOwner, stranger)
	m.ok(&command.RemoveRepos{Ids: []string{"one"}})
	m.refused(refusal.NotFound, failing("network", ""))
}

// What an upstream says of where it is: one event when it is first said, since then; nothing of
// an address that is not the row's, and another address has it start over.
func TestAnUpstreamSaysWhereItIs(t *testing.T) {
	m := latest(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(assign("one", m.repo("one").Epoch, "a"))
	url := m.repo("one").URLs()[0]
	says := func(from, to string) *Moved {
		t.Helper()
		m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "one", Epoch: m.repo("one").Epoch, MovedFrom: from, MovedTo: to}}})
		return m.repo("one").Moved
	}
	told := func() (n int) {
		for _, kind := range m.eventTypes("host/Acme/one") {
			if kind == EventRedirected {
				n++
			}
		}
		return n
	}
	first := says(url, "https://new/one")
	if first == nil || first.From != url || first.To != "https://new/one" || first.Since.IsZero() || told() != 1 {
		t.Fatalf("%+v, %d events", first, told())
	}
	if again := says(url, "https://new/one"); again != first || told() != 1 {
		t.Errorf("said again: %+v, %d events", again, told())
	}
	if is := says("https://elsewhere/one", "https://new/one"); is != nil {
		t.Errorf("of an address that is not the row's: %+v", is)
	}
	if is := says(url, "https://new/two"); is == nil || is.To != "https://new/two" || told() != 2 {
		t.Errorf("another place: %+v, %d events", is, told())
	}
	m.ok(changing(&command.RepoChange{Repo: "one", Labels: map[string]string{"a": "b"}}))
	if m.repo("one").Moved == nil {
		t.Error("a label has taken back what upstream said")
	}
	m.ok(changing(&command.RepoChange{Repo: "one", Upstream: &command.Upstream{Urls: []string{"https://new/two"}, Keys: []string{"new/two"}}}))
	if is := m.repo("one").Moved; is != nil {
		t.Errorf("with another address: %+v", is)
	}
	if is := says("https://new/two", ""); is != nil || told() != 2 {
		t.Errorf("it is where the row says: %+v, %d events", is, told())
	}
}

// Which url answers while the first does not: an event when it is another, none of one that is
// not the row's, and with other urls it starts over.
func TestAnotherURLAnswers(t *testing.T) {
	m := latest(t)
	one := newRepo("one")
	one.Urls, one.UrlKeys = append(one.Urls, "https://mirror/one", "https://last/one"), append(one.UrlKeys, "mirror/one", "last/one")
	m.ok(addRepos(one))
	m.ok(assign("one", m.repo("one").Epoch, "a"))
	says := func(url string) *Fallback {
		t.Helper()
		m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "one", Epoch: m.repo("one").Epoch, Fallback: url}}})
		return m.repo("one").Fallback
	}
	told := func() (n int) {
		for _, kind := range m.eventTypes("host/Acme/one") {
			if kind == EventSwitched {
				n++
			}
		}
		return n
	}
	first := says("https://mirror/one")
	if first == nil || first.URL != "https://mirror/one" || first.Since.IsZero() || told() != 1 {
		t.Fatalf("%+v, %d events", first, told())
	}
	if again := says("https://mirror/one"); again != first || told() != 1 {
		t.Errorf("said again: %+v, %d events", again, told())
	}
	if is := says("https://last/one"); is == nil || is.URL != "https://last/one" || told() != 2 {
		t.Errorf("another: %+v, %d events", is, told())
	}
	if is := says(""); is != nil || told() != 3 {
		t.Errorf("the first again: %+v, %d events", is, told())
	}
	for _, url := range []string{one.Urls[0], "https://elsewhere/one"} {
		if is := says(url); is != nil || told() != 3 {
			t.Errorf("%s is no fallback of it: %+v, %d events", url, is, told())
		}
	}
	says("https://mirror/one")
	m.ok(changing(&command.RepoChange{Repo: "one", Upstream: &command.Upstream{Urls: []string{"https://new/one", "https://last/one"}, Keys: []string{"new/one", "last/one"}}}))
	if is := m.repo("one").Fallback; is != nil {
		t.Errorf("with other addresses: %+v", is)
	}
}

// Where not every member knows of it, nothing is noted.
func TestWhereAnUpstreamIsNeedsItsFormat(t *testing.T) {
	m := cluster(t)
	for _, name := range []string{"a", "b", "c"} {
		n := putNode(name)
		n.Node.Format = formatMoved - 1
		m.ok(n)
	}
	m.ok(&command.RaiseFormat{Format: formatMoved - 1})
	one := newRepo("one")
	one.Urls, one.UrlKeys = append(one.Urls, "https://mirror/one"), append(one.UrlKeys, "mirror/one")
	m.ok(addRepos(one))
	m.ok(assign("one", m.repo("one").Epoch, "a"))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: "one", Epoch: m.repo("one").Epoch, MovedFrom: m.repo("one").URLs()[0], MovedTo: "https://new/one", Fallback: "https://mirror/one"}}})
	if row := m.repo("one"); row.Moved != nil || row.Fallback != nil {
		t.Error("a member of an earlier format has another table")
	}
}
