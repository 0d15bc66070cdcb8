package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"
	"gitmirror/peer"
)

// surroundings are what a server of node n3 is built on: everything that it asks, and
// nothing that decides.
type surroundings struct {
	*table
	Peers
	leader    string
	contact   time.Time // with a leader
	unknowing error
	confirm   error
	unsettled bool // who leads does so for a moment only
	dead      map[string]bool
	roles     map[string]string
	live      map[string]peer.LiveAnswer // by peer address; others do not answer
	own       peer.LiveAnswer
	refs      error // what peers say that are asked for a page of refs
	syncs     func(ctx context.Context, addr string, wait bool) (api.SyncOutcome, error)
	mine      OpenCopy
	door      Door
	header    http.Header // of the last answer
}

func (a *surroundings) Leader() (string, string)                  { return a.leader, a.leader + ":1" }
func (a *surroundings) LeaderChanged() <-chan struct{}            { return nil }
func (a *surroundings) Roles() map[string]string                  { return a.roles }
func (a *surroundings) Dead() map[string]bool                     { return a.dead }
func (a *surroundings) Ready() error                              { return a.unknowing }
func (a *surroundings) Led() bool                                 { return a.leader != "" }
func (a *surroundings) Settled() bool                             { return a.leader != "" && !a.unsettled }
func (a *surroundings) LastContact() time.Time                    { return a.contact }
func (a *surroundings) Await(context.Context) error               { return a.unknowing }
func (a *surroundings) WaitApplied(context.Context, uint64) error { return nil }
func (a *surroundings) ReadIndex(context.Context) (uint64, error) {
	return a.index, a.confirm
}

// peers and this node, as they are asked for what only owners know.
type askedPeers struct {
	Peers
	a *surroundings
}

func (p askedPeers) Live(ctx context.Context, addr string, _ []string) (peer.LiveAnswer, error) {
	if l, ok := p.a.live[addr]; ok {
		return l, nil
	}
	<-ctx.Done()
	return peer.LiveAnswer{}, ctx.Err()
}

func (p askedPeers) Sync(ctx context.Context, addr, _ string, wait bool) (api.SyncOutcome, error) {
	return p.a.syncs(ctx, addr, wait)
}

func (p askedPeers) Refs(context.Context, string, string, api.RefQuery) (api.RefList, error) {
	return api.RefList{}, p.a.refs
}

type ownWork struct {
	Local
	a *surroundings
}

func (o ownWork) Live(context.Context, []string) peer.LiveAnswer { return o.a.own }
func (o ownWork) Sync(ctx context.Context, _ string, wait bool) (api.SyncOutcome, error) {
	return o.a.syncs(ctx, "here", wait)
}

type ownCopies struct{ a *surroundings }

func (o ownCopies) Open(string) (OpenCopy, error) {
	if o.a.mine == nil {
		return nil, errors.New("no copy")
	}
	return o.a.mine, nil
}
func (o ownCopies) OpenByName(string) (OpenCopy, error) { return o.Open("") }

func surrounded(t *testing.T) *surroundings {
	return &surroundings{table: newTable(t), door: Open, leader: "n1", roles: map[string]string{"n1": roleLeader, "n2": roleVoter, "n3": roleVoter},
		live: map[string]peer.LiveAnswer{"n1:1": {}, "n2:1": {}}}
}

func (a *surroundings) server(t *testing.T) *Server {
	return New(Config{Self: "n3", State: a.state, Consensus: a, Git: ownCopies{a}, Peers: askedPeers{a: a}, Local: ownWork{a: a}, Now: func() time.Time { return a.at },
		Log: testlog.New(t)})
}

// get asks the API, and reads the answer into out.
func (a *surroundings) get(t *testing.T, method, target string, out any) (int, api.Problem) {
	t.Helper()
	s := a.server(t)
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Host = "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.Handler(a.door).ServeHTTP(w, r)
	a.header = w.Header()
	var p api.Problem
	if w.Code >= 400 {
		out = &p
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil && w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Fatalf("%s %s: %d %v: %s", method, target, w.Code, err, w.Body)
		}
		if p.Code == "" && w.Code >= 400 {
			p.Detail = w.Body.String()
		}
	}
	return w.Code, p
}

// The verdict says what a person has to know first, and how many more may fail.
func TestVerdicts(t *testing.T) {
	well := func(a *surroundings) { a.publish(1).ready("n1", 1).ready("n2", 1) }
	for name, c := range map[string]struct {
		make      func(*surroundings)
		verdict   string
		tolerates int
	}{
		"all is well":              {func(a *surroundings) {}, api.Healthy, 1},
		"nobody leads":             {func(a *surroundings) { a.leader, a.roles["n1"] = "", roleVoter }, api.NoQuorum, 0},
		"a voter is down":          {func(a *surroundings) { a.down("n2") }, api.Degraded, 0},
		"a new leader, one silent": {func(a *surroundings) { a.unsettled, a.dead = true, map[string]bool{"n2": true} }, api.Degraded, 0},
		"silent for this node":     {func(a *surroundings) { a.dead = map[string]bool{"n2": true} }, api.Healthy, 1},
		"a member without a vote":  {func(a *surroundings) { a.roles["n3"] = "nonvoter"; a.down("n3") }, api.Healthy, 0},
		"a copy is broken":         {func(a *surroundings) { a.broken("n2") }, api.Degraded, 1},
		"a disk is full": {func(a *surroundings) {
			a.do(&command.Report{Node: "n2", Condition: &command.NodeCondition{Disk: fsm.DiskFull}})
		}, api.Degraded, 1},
		"a node is sick":                  {func(a *surroundings) { a.sick("n2") }, api.Degraded, 1},
		"the leader's work fails":         {func(a *surroundings) { a.live["n1:1"] = peer.LiveAnswer{Trouble: []api.Trouble{{Step: "voters"}}} }, api.Degraded, 1},
		"a node's own disk hangs":         {func(a *surroundings) { a.own = peer.LiveAnswer{Trouble: []api.Trouble{{Step: "disk"}}} }, api.Degraded, 1},
		"an upstream is away, only":       {func(a *surroundings) { a.others(9); a.health("network", "") }, api.Healthy, 1},
		"more than a tenth cannot follow": {func(a *surroundings) { a.others(8); a.health("network", "") }, api.Degraded, 1},
	} {
		a := surrounded(t)
		well(a)
		c.make(a)
		var st api.Status
		if code, _ := a.get(t, "GET", "/api/v1/status", &st); code != 200 || st.Verdict != c.verdict || st.Tolerates != c.tolerates {
			t.Errorf("%s: %d %s, tolerates %d; want %s, %d", name, code, st.Verdict, st.Tolerates, c.verdict, c.tolerates)
		}
	}
}

// others adds repos to which nothing happens.
func (a *surroundings) others(n int) {
	for i := range n {
		id := fmt.Sprint("other-", i)
		a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://h/" + id}, UrlKeys: []string{"h/" + id}, Copies: []string{"n1"}, Owner: "n1"}}})
	}
}

// What wants attention is told once, in words, with the command to look with; what clients do
// not get comes first, and upstreams that fail are told by host.
func TestAttention(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(*surroundings)
		want  []string // what the lines begin with
		since bool
		dated int // so many of the lines say since when
	}{
		"all is well": {func(*surroundings) {}, nil, false, 0},
		"a node is down and a copy with it": {func(a *surroundings) { a.down("n2") },
			[]string{"n2 is down | gitmirror node show n2", "1 repository with fewer copies"}, true, 1},
		"nothing is served": {func(a *surroundings) { a.down("n1"); a.down("n2") },
			[]string{"1 repository published and served by no node | gitmirror repo ls --state unserved", "n1 is down", "n2 is down"}, true, 2},
		"nobody leads": {func(a *surroundings) {
			a.leader, a.roles["n1"], a.contact = "", roleVoter, time.Now().Add(-3*time.Minute)
		},
			[]string{"no leader: writes are refused, and this is what n3 knew 3m ago | gitmirror node ls"}, true, 0},
		"an upstream is away": {func(a *surroundings) { a.others(9); a.health("network", "") },
			[]string{"upstream h is unreachable: 1 repository | gitmirror repo ls --state failing"}, false, 1},
		"more than a tenth fail": {func(a *surroundings) { a.health("auth", "") },
			[]string{"upstream h wants credentials: 1 repository", "1 of 1 repository failing: more than a tenth"}, false, 1},
		"one is held": {func(a *surroundings) { a.health("", "empty") }, []string{"1 repository held"}, false, 1},
		"a disk is low": {func(a *surroundings) {
			a.do(&command.Report{Node: "n2", Condition: &command.NodeCondition{Disk: "low", Sick: "sick"}})
		}, []string{"the disk of n2 is low", "the copies on n2 are out", "1 repository with fewer"}, true, 2},
		"a node is draining": {func(a *surroundings) {
			a.do(&command.RaiseFormat{Format: fsm.Format}).do(&command.SetNodeDrain{Id: "n2", Draining: true})
		}, []string{"n2 is draining, 1 copy left"}, false, 1},
		"a copy is late": {func(a *surroundings) { a.own = peer.LiveAnswer{Stale: 2} },
			[]string{"2 repositories not checked for three intervals | gitmirror repo ls --stale"}, false, 0},
		"an upstream has moved": {func(a *surroundings) {
			a.do(&command.RaiseFormat{Format: fsm.Format}).do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, MovedFrom: "https://h/r", MovedTo: "https://new/it's"}}})
		}, []string{`the upstream of r has moved for good | gitmirror repo set r --url 'https://new/it'\''s'`}, false, 1},
		"nobody wants it any more, held as it is, and its upstream has moved": {func(a *surroundings) {
			a.retired().do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, HoldReason: "empty", MovedFrom: "https://h/r", MovedTo: "https://new/r"}}})
		}, nil, false, 0},
		"the leader's work fails": {func(a *surroundings) {
			a.live["n1:1"] = peer.LiveAnswer{Trouble: []api.Trouble{{Step: "voters", Subject: "n9", Message: "no", Since: a.at}}}
		}, []string{"n1 fails at voters of n9: no | gitmirror node ls"}, true, 1},
	} {
		a := surrounded(t)
		a.publish(1).ready("n1", 1).ready("n2", 1)
		c.make(a)
		var st api.Status
		a.get(t, "GET", "/api/v1/status", &st)
		var got []string
		dated := 0
		for _, l := range st.Attention {
			got = append(got, l.Message+" | "+l.Command)
			if l.Since != nil {
				dated++
			}
		}
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.HasPrefix(got[i], c.want[i])
		}
		if !ok || (st.Since != nil) != c.since || dated != c.dated {
			t.Errorf("%s: %q, %d of them dated, since %v; want %q", name, got, dated, st.Since, c.want)
		}
	}
}

// A host that has many ways to fail, and many hosts that fail, are told by their number.
func TestFailingUpstreamsAreBounded(t *testing.T) {
	fails := map[failing]lasting{}
	for i := range 30 {
		fails[failing{fmt.Sprintf("h%02d", i), "network"}] = lasting{repos: 1 + i}
	}
	list, repos := upstreams(fails)
	if len(list) != api.MostUpstreams || list[0].Host != "h29" || list[0].Repos != 30 || repos != 465 {
		t.Errorf("%d listed, %v the first, %d repos", len(list), list[0], repos)
	}
	lines := failingHosts(list, repos)
	if len(lines) != shownUpstreams+1 || lines[shownUpstreams].Message != "325 repositories of other upstreams failing" {
		t.Errorf("%+v", lines)
	}
}

// What only its nodes know of a cluster is added up; trouble is named by node; who does
// not answer is not waited for.
func TestStatusAddsUpWhatNodesSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := surrounded(t)
		delete(a.live, "n2:1") // silent
		a.live["n1:1"] = peer.LiveAnswer{Syncing: 2, Stale: 1, Trouble: []api.Trouble{{Node: "somebody", Step: "placement"}}}
		a.own = peer.LiveAnswer{Syncing: 1, Stale: 3}
		began := time.Now()
		var st api.Status
		a.get(t, "GET", "/api/v1/status", &st)
		if st.Repos.Syncing != 3 || st.Repos.Stale != 4 || len(st.Trouble) != 1 || st.Trouble[0].Node != "n1" || st.AnsweredBy != "n3" || st.Leader != "n1" {
			t.Errorf("%+v", st)
		}
		if d := time.Since(began); d > ownerPatience {
			t.Errorf("a silent node was waited for, for %s", d)
		}
	})
}

// Where an owner does not answer, what only it knows is null, and not a guess.
func TestWhatASilentOwnerKnowsIsNull(t *testing.T) {
	a := surrounded(t)
	a.publish(1).ready("n1", 1).health("network", "")
	var r map[string]any
	delete(a.live, "n1:1")
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if r["last_check"] != nil || r["error"].(map[string]any)["count"] != nil || r["error"].(map[string]any)["class"] != "network" {
		t.Errorf("%v", r)
	}
	a.live["n1:1"] = peer.LiveAnswer{Repos: map[string]peer.Live{"r": {LastCheck: a.at, Failures: 4}}}
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if r["last_check"] == nil || r["error"].(map[string]any)["count"] != 4.0 {
		t.Errorf("%v", r)
	}
}

// How far copies are is asked of those who fetch: of the owner, and of who lacks what is published.
// Who does not answer, or has nothing to do with it, says nothing.
func TestHowFarCopiesAre(t *testing.T) {
	a := surrounded(t)
	for name, on := range map[string]string{"n1:1": "n1", "n2:1": "n2"} {
		a.live[name] = peer.LiveAnswer{Repos: map[string]peer.Live{"r": {Progress: &api.Progress{Peer: on, Phase: api.PhaseReceiving}}}}
	}
	progress := func() (of []string) {
		var r api.Repo
		a.get(t, "GET", "/api/v1/repos/r", &r)
		for _, c := range r.Copies {
			if c.Progress != nil {
				of = append(of, c.Node+" "+c.Progress.Peer)
			}
		}
		return of
	}
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"it is cloned", func() {}, []string{"n1 n1"}},
		{"it is copied", func() { a.publish(1).ready("n1", 1) }, []string{"n1 n1", "n2 n2"}},
		{"the copy is silent", func() { delete(a.live, "n2:1") }, []string{"n1 n1"}},
		{"the owner has nothing to do", func() { a.live["n1:1"] = peer.LiveAnswer{Repos: map[string]peer.Live{"r": {}}} }, nil},
	} {
		if step.do(); !slices.Equal(progress(), step.want) {
			t.Errorf("%s: %v, want %v", step.what, progress(), step.want)
		}
	}
}

// How copies are kept is asked of all who have one, where one repo is looked at.
func TestHowCopiesAreKept(t *testing.T) {
	a := surrounded(t)
	at := a.at.UTC()
	a.live["n1:1"] = peer.LiveAnswer{Repos: map[string]peer.Live{"r": {Upkeep: &api.Upkeep{Read: &at}}}}
	a.live["n2:1"] = peer.LiveAnswer{Repos: map[string]peer.Live{"r": {Upkeep: &api.Upkeep{Doing: "gather"}}}}
	a.publish(1).ready("n1", 1).ready("n2", 1)
	var r api.Repo
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if len(r.Copies) != 2 || r.Copies[0].Upkeep == nil || !r.Copies[0].Upkeep.Read.Equal(at) || r.Copies[1].Upkeep == nil || r.Copies[1].Upkeep.Doing != "gather" {
		t.Errorf("%+v", r.Copies)
	}
	delete(a.live, "n2:1")
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if r.Copies[1].Upkeep != nil {
		t.Errorf("a node that is silent says %+v", r.Copies[1].Upkeep)
	}
}

// Who has a copy and is busy is not taken for one that has none.
func TestBusyHoldersSaySo(t *testing.T) {
	a := surrounded(t)
	a.publish(1).ready("n1", 1)
	for _, c := range []struct {
		err  error
		code string
	}{
		{refusal.Busy, "busy"}, {errors.New("it hangs"), "no_copy"},
	} {
		a.refs = c.err
		if status, p := a.get(t, "GET", "/api/v1/repos/r:refs", nil); status != 503 || p.Code != c.code {
			t.Errorf("%v: %d %s", c.err, status, p.Code)
		}
	}
}

// A node that has not heard of a leader since its start does not say "there is none".
func TestANodeThatKnowsNothingSaysSo(t *testing.T) {
	a := surrounded(t)
	a.unknowing = errors.New("not caught up")
	for _, target := range []string{"/api/v1/repos", "/api/v1/repos/nope", "/api/v1/nodes", "/api/v1/nodes/nope"} {
		if code, p := a.get(t, "GET", target, nil); code != 503 || p.Code != "not_caught_up" {
			t.Errorf("%s: %d %s", target, code, p.Code)
		}
	}
	var st api.Status
	if code, _ := a.get(t, "GET", "/api/v1/status", &st); code != 200 || !st.CatchingUp {
		t.Errorf("status: %d, catching up %v", code, st.CatchingUp)
	}
	a.unknowing = nil
	if code, p := a.get(t, "GET", "/api/v1/repos/nope", nil); code != 404 || p.Code != "not_found" {
		t.Errorf("once it knows: %d %s", code, p.Code)
	}
}

func TestAConsistentReadIsProvedOrRefused(t *testing.T) {
	a := surrounded(t)
	var st api.Status
	if code, _ := a.get(t, "GET", "/api/v1/status?consistent=true", &st); code != 200 {
		t.Errorf("%d", code)
	}
	a.confirm = errors.New("no leader")
	if code, p := a.get(t, "GET", "/api/v1/status?consistent=true", nil); code != 503 || p.Code != "not_consistent" {
		t.Errorf("%d %s", code, p.Code)
	}
	if code, _ := a.get(t, "GET", "/api/v1/status", &st); code != 200 {
		t.Errorf("a read that need not be: %d", code)
	}
}

// An answer says how old it may be: when this node last heard from a leader.
func TestAnAnswerSaysHowOldItMayBe(t *testing.T) {
	a := surrounded(t)
	now := a.at
	for _, c := range []struct {
		contact time.Time
		want    string
	}{{time.Time{}, ""}, {now, "0"}, {now.Add(-37 * time.Second), "37000"}, {now.Add(time.Hour), "0"}} {
		a.contact = c.contact
		var st api.Status
		code, _ := a.get(t, "GET", "/api/v1/status", &st)
		if got := a.header.Get("X-Gitmirror-Last-Contact"); got != c.want || code != 200 {
			t.Errorf("%s: %q, want %q; %d", c.contact, got, c.want, code)
		}
		if (st.LastContact == nil) != c.contact.IsZero() || st.LastContact != nil && !st.LastContact.Equal(c.contact.Truncate(time.Millisecond)) {
			t.Errorf("%s: status says %v", c.contact, st.LastContact)
		}
	}
}

// Pages follow each other without a gap or a repetition, whatever is asked for.
func TestPages(t *testing.T) {
	a := surrounded(t)
	for i := range 25 {
		a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: fmt.Sprint("p", i), Name: fmt.Sprintf("p/%02d", i), Urls: []string{"https://h/p" + fmt.Sprint(i)}, UrlKeys: []string{"h/p" + fmt.Sprint(i)}, Copies: []string{"n1"}, Owner: "n1"}}})
	}
	walk := func(query string) (names []string) {
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			var l api.RepoList
			if code, p := a.get(t, "GET", "/api/v1/repos?"+query+"&cursor="+cursor, &l); code != 200 || pages > 30 {
				t.Fatalf("%s: %d %s", query, code, p.Detail)
			}
			for _, r := range l.Repos {
				names = append(names, r.Name)
			}
			cursor = l.NextCursor
		}
		return names
	}
	for query, want := range map[string]int{"limit=7": 26, "limit=25": 26, "limit=26": 26, "q=p/": 25, "q=p/0*&limit=3": 10, "q=1?&limit=2": 10, "state=cloning&limit=10": 26, "state=ready": 0, "q=P/07": 1} {
		names := walk(query)
		if len(names) != want || !slices.IsSorted(names) || len(slices.Compact(names)) != len(names) {
			t.Errorf("%s: %d, want %d: %v", query, len(names), want, names)
		}
	}
}

// What status counts as stale is what a filter for it shows; it is known by owners alone.
func TestStaleOnesAreFound(t *testing.T) {
	a := surrounded(t)
	a.others(9)
	a.live["n1:1"] = peer.LiveAnswer{Stale: 2, Repos: map[string]peer.Live{"other-3": {Stale: true}, "other-7": {Stale: true}, "r": {}}}
	var names []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		var l api.RepoList
		a.get(t, "GET", "/api/v1/repos?stale=true&limit=2&cursor="+cursor, &l)
		for _, r := range l.Repos {
			names = append(names, r.Name)
		}
		cursor = l.NextCursor
	}
	if !slices.Equal(names, []string{"other-3", "other-7"}) {
		t.Errorf("%v", names)
	}
	if code, p := a.get(t, "GET", "/api/v1/repos?stale=yes", nil); code != 400 || p.Code != "query_invalid" {
		t.Errorf("%d %s", code, p.Code)
	}
}

// What a check came to, and what else may come of asking for one.
func TestAnswersToARequestedCheck(t *testing.T) {
	done := func(context.Context, string, bool) (api.SyncOutcome, error) {
		return api.SyncOutcome{Outcome: api.SyncChanged, Generation: 1}, nil
	}
	slow := func(ctx context.Context, _ string, _ bool) (api.SyncOutcome, error) {
		<-ctx.Done()
		return api.SyncOutcome{}, ctx.Err()
	}
	failing := func(err error) func(context.Context, string, bool) (api.SyncOutcome, error) {
		return func(context.Context, string, bool) (api.SyncOutcome, error) { return api.SyncOutcome{}, err }
	}
	lagging := func() func(context.Context, string, bool) (api.SyncOutcome, error) {
		asked := 0
		return func(ctx context.Context, addr string, wait bool) (api.SyncOutcome, error) {
			if asked++; asked < 4 {
				return api.SyncOutcome{}, refusal.OwnerMoved
			}
			return done(ctx, addr, wait)
		}
	}
	for name, c := range map[string]struct {
		make   func(*surroundings)
		syncs  func(context.Context, string, bool) (api.SyncOutcome, error)
		target string
		status int
		code   string
	}{
		"not waited for":                  {nil, done, "r:sync", 202, ""},
		"waited for":                      {nil, done, "r:sync?wait=30s", 200, ""},
		"longer than it may":              {nil, slow, "r:sync?wait=2s", 504, "wait_over"},
		"an owner that hangs":             {nil, slow, "r:sync", 503, "owner_unreachable"},
		"an owner that is away":           {nil, failing(errors.New("refused")), "r:sync", 503, "owner_unreachable"},
		"an owner that has not heard":     {nil, lagging(), "r:sync", 202, ""},
		"an owner that does not hear":     {nil, failing(refusal.OwnerMoved), "r:sync", 503, "owner_moved"},
		"one that does not hear, awaited": {nil, failing(refusal.OwnerMoved), "r:sync?wait=30s", 503, "owner_moved"},
		"an owner that refuses":           {nil, failing(refusal.NotOwner), "r:sync", 409, "not_owner"},
		"nobody owns it": {func(a *surroundings) {
			a.down("n1").do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "r", Epoch: 1}}})
		}, done, "r:sync", 503, "no_owner"},
		"there is no such repo":     {nil, done, "nope:sync", 404, "not_found"},
		"too long a wait":           {nil, done, "r:sync?wait=11m", 400, "query_invalid"},
		"a wait that is none":       {nil, done, "r:sync?wait=soon", 400, "query_invalid"},
		"an address for reading":    {func(a *surroundings) { a.door = Reachable }, done, "r:sync", 403, "read_only_address"},
		"a node that knows nothing": {func(a *surroundings) { a.unknowing = errors.New("no") }, done, "r:sync", 503, "not_caught_up"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := surrounded(t)
			a.publish(1).ready("n1", 1).ready("n2", 1)
			if a.syncs = c.syncs; c.make != nil {
				c.make(a)
			}
			if code, p := a.get(t, "POST", "/api/v1/repos/"+c.target, nil); code != c.status || p.Code != c.code {
				t.Errorf("%s: %d %s (%s), want %d %s", name, code, p.Code, p.Detail, c.status, c.code)
			}
		})
	}
}

// Who waits for an owner that is frozen hears when there is another one.
func TestACheckIsNotWaitedForWhereTheOwnerHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := surrounded(t)
		a.publish(1).ready("n1", 1).ready("n2", 1)
		began := time.Now()
		a.syncs = func(ctx context.Context, _ string, _ bool) (api.SyncOutcome, error) {
			time.Sleep(20 * time.Second)
			a.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "r", Epoch: 1, Owner: "n2"}}})
			<-ctx.Done()
			return api.SyncOutcome{}, ctx.Err()
		}
		code, p := a.get(t, "POST", "/api/v1/repos/r:sync?wait=10m", nil)
		if took := time.Since(began); code != 503 || p.Code != "owner_moved" || took != 20*time.Second {
			t.Errorf("%d %s (%s) after %s", code, p.Code, p.Detail, took)
		}
	})
}

// A check that was waited for answers when live copies have followed; those that have
// not within a while are named.
func TestACheckWaitsForTheCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := surrounded(t)
		a.publish(1).ready("n1", 1).ready("n2", 1).publish(2).ready("n1", 2)
		a.syncs = func(context.Context, string, bool) (api.SyncOutcome, error) {
			return api.SyncOutcome{Outcome: api.SyncChanged, Generation: 2}, nil
		}
		var out api.SyncOutcome
		began := time.Now()
		a.get(t, "POST", "/api/v1/repos/r:sync?wait=30s", &out)
		if !slices.Equal(out.CopiesBehind, []string{"n2"}) || time.Since(began) != newsPatience {
			t.Errorf("%v after %s", out.CopiesBehind, time.Since(began))
		}
		a.ready("n2", 2)
		began = time.Now()
		a.get(t, "POST", "/api/v1/repos/r:sync?wait=30s", &out)
		if len(out.CopiesBehind) != 0 || time.Since(began) != 0 {
			t.Errorf("%v after %s", out.CopiesBehind, time.Since(began))
		}
	})
}

// Of a first clone, copies that are not there yet are waited for as long as the check is, and its
// refs are counted.
func TestAFirstCheckWaitsForTheCopiesToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := surrounded(t)
		a.syncs = func(context.Context, string, bool) (api.SyncOutcome, error) {
			a.publish(1).ready("n1", 1)
			return api.SyncOutcome{Outcome: api.SyncChanged, Generation: 1}, nil
		}
		began := time.Now()
		time.AfterFunc(20*time.Second, func() { a.ready("n2", 1) })
		var out api.SyncOutcome
		a.get(t, "POST", "/api/v1/repos/r:sync?wait=30s", &out)
		if !out.First || out.Refs != 1 || len(out.CopiesBehind) != 0 || time.Since(began) != 20*time.Second {
			t.Errorf("%+v after %s", out, time.Since(began))
		}
	})
}

// git is told in words what is not served, and why.
func TestWhatGitIsRefused(t *testing.T) {
	a := surrounded(t)
	ask := func(method, target string) (int, string) {
		code, p := a.get(t, method, target, nil)
		return code, p.Detail
	}
	const refs = "/info/refs?service=git-upload-pack"
	for _, c := range []struct {
		method, target string
		status         int
		says           string
	}{
		{"GET", "/git/nope" + refs, 404, `no mirror named nope`},
		{"GET", "/git/r/info/refs?service=git-receive-pack", 403, "push to its upstream: https://h/r"},
		{"POST", "/git/r/git-receive-pack", 403, "push to its upstream: https://h/r"},
		{"GET", "/git/nope/info/refs?service=git-receive-pack", 404, "no mirror named nope"},
		{"GET", "/git/r/info/refs", 404, "smart HTTP"},
		{"GET", "/git/r/config", 404, "nothing is served"},
	} {
		if code, said := ask(c.method, c.target); code != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.target, code, said)
		}
	}
	// A node that does not know the table says so; what it has it serves.
	a.unknowing = errors.New("not caught up")
	if code, said := ask("GET", "/git/nope"+refs); code != 503 || !strings.Contains(said, "does not know yet") {
		t.Errorf("%d %s", code, said)
	}
	a.mine = gone{1}
	if code, _ := ask("GET", "/git/nope"+refs); code != 200 {
		t.Errorf("a copy that is here: %d", code)
	}
}

// Peers ask by id, for what is here alone.
func TestByIDServesWhatIsHere(t *testing.T) {
	h := ByID(func(id string) (OpenCopy, error) {
		if id != "r" {
			return nil, errors.New("no such copy")
		}
		return gone{1}, nil
	})
	for target, want := range map[string]int{"GET /r/info/refs": 200, "GET /x/info/refs": 404, "POST /r/git-upload-pack": 404, "PUT /r/info/refs": 405, "GET /r/config": 404} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if body, _ := io.ReadAll(w.Body); w.Code != want {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
	}
}

// What is no refusal may have happened.
func TestAnUndecidedWriteSaysSo(t *testing.T) {
	if p := api.ProblemOf(decided(context.DeadlineExceeded)); p.Status != http.StatusServiceUnavailable || p.Code != "unknown_outcome" || !strings.Contains(p.Hint, "Idempotency-Key") {
		t.Errorf("%+v", p)
	}
	if p := api.ProblemOf(decided(fmt.Errorf("add repos: %w", refusal.New(refusal.ConflictURL, "no")))); p.Status != 409 || p.Code != "conflict_url" || p.Detail != "no" {
		t.Errorf("%+v", p)
	}
}

// A key is of its request: the same key with another body, path or method is another.
func TestWhatAKeyBelongsTo(t *testing.T) {
	id := func(method, path, body, key string) string {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Idempotency-Key", key)
		return idOf(r, []byte(body))
	}
	first := id("POST", "/a", "x", "k")
	if first != id("POST", "/a", "x", "k") {
		t.Error("the same request has another id")
	}
	for _, other := range []string{id("DELETE", "/a", "x", "k"), id("POST", "/b", "x", "k"), id("POST", "/a", "y", "k"), id("POST", "/a", "x", "l")} {
		if other == first {
			t.Error("two requests have one id")
		}
	}
	if head, _, _ := strings.Cut(first, "#"); !strings.HasPrefix(id("DELETE", "/a", "x", "k"), head+"#") {
		t.Error("the key is not told apart from what it belongs to")
	}
	without := id("POST", "/a", "x", "")
	if without == id("POST", "/a", "x", "") {
		t.Error("two requests without a key have one id")
	}
}
