package coordinator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

func TestNewReposAreSpreadEvenly(t *testing.T) {
	w := newWorld(t, 3)
	w.look()
	w.add(300)
	owned, copies := map[fsm.NodeNum]int{}, map[fsm.NodeNum]int{}
	for _, r := range w.rows() {
		owned[r.Owner]++
		for _, c := range r.Copies {
			copies[c.Node]++
		}
	}
	for _, n := range w.state.View().Nodes() {
		if o, c := owned[n.Num], copies[n.Num]; o < 95 || o > 105 || c < 190 || c > 210 {
			t.Errorf("%s owns %d and holds %d, want 100 and 200, 5 %% more or less", n.Name, o, c)
		}
	}
	w.settle()
	if before := w.proposals; true {
		w.look()
		if w.proposals != before {
			t.Error("a settled cluster is not left alone")
		}
	}
}

func TestVotersFollowTheNodes(t *testing.T) {
	w := newWorld(t, 1)
	for _, c := range []struct{ nodes, voters int }{{1, 1}, {2, 1}, {3, 3}, {4, 3}, {5, 5}, {6, 5}, {7, 5}} {
		for len(w.state.View().Nodes()) < c.nodes {
			w.join(len(w.state.View().Nodes()) + 1)
		}
		w.settle()
		if len(w.servers) != c.nodes || w.voters() != c.voters {
			t.Errorf("%d nodes: %d in consensus, %d vote, want %d voters", c.nodes, len(w.servers), w.voters(), c.voters)
		}
	}
}

func TestTwoVotersAreNeverLeftAlone(t *testing.T) {
	w := newWorld(t, 3)
	w.lagging[id(3)] = true
	w.settle()
	if w.voters() != 1 {
		t.Errorf("%d voters while the third node lags: losing either would lose the cluster", w.voters())
	}
	w.lagging[id(3)] = false
	w.settle()
	if w.voters() != 3 {
		t.Errorf("%d voters, want 3", w.voters())
	}
}

// A node without a vote takes the place of a voter that is down for a minute, long before its
// copies are made anew: a second failure is survived then.
func TestAVoterThatIsGoneIsReplaced(t *testing.T) {
	synctest.Test(t, testAVoterThatIsGoneIsReplaced)
}

func testAVoterThatIsGoneIsReplaced(t *testing.T) {
	w := newWorld(t, 4)
	w.settle()
	var dead string
	for _, s := range w.servers {
		if s.Voter && s.ID != id(1) {
			dead = s.ID
		}
	}
	w.alive[dead] = false
	w.settle()
	if !w.server(dead).Voter {
		t.Error("a voter lost its vote as soon as it was down")
	}
	for _, wait := range []struct {
		d     time.Duration
		votes bool
	}{{spareAfter - 5*time.Second, true}, {10 * time.Second, false}} {
		time.Sleep(wait.d)
		w.now = time.Now()
		w.settle()
		if w.server(dead).Voter != wait.votes || w.voters() != 3 {
			t.Errorf("%s later: %d voters, the dead one among them: %v", wait.d, w.voters(), w.server(dead).Voter)
		}
	}
}

// A voter that has just been removed loses its vote before anybody else does: of three, of
// which one is gone, it and the leader would be left, and nobody could decide anything more.
func TestWhoWasRemovedLosesItsVoteFirst(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.alive[id(3)] = false
	w.settle()
	w.apply(&command.RemoveNode{Id: id(3)})
	if changed, err := w.c.balanceVotes(context.Background()); changed || err != nil || !w.server(id(2)).Voter {
		t.Errorf("while it votes in raft: %v, %v, the other live one votes: %v", changed, err, w.server(id(2)).Voter)
	}
	w.settle()
	if w.server(id(3)) != nil || w.voters() != 1 || len(w.servers) != 2 {
		t.Errorf("in the end: %+v", w.servers)
	}
}

// Of several voters that are down the one that is gone for good is replaced, whatever
// its name, and not the one that restarts.
func TestTheVoterThatIsDownForLongestIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		w.settle()
		var voters []string
		for _, s := range w.servers {
			switch {
			case !s.Voter:
				w.lagging[s.ID] = true // nobody is there yet to take a vote over
			case s.ID != id(1):
				voters = append(voters, s.ID)
			}
		}
		slices.Sort(voters)
		gone, restarting := voters[0], voters[len(voters)-1]
		w.alive[gone] = false
		w.settle()
		time.Sleep(11 * time.Minute)
		w.now = time.Now()
		w.alive[restarting] = false
		w.settle()
		w.lagging = map[string]bool{}
		w.settle()
		if w.server(gone).Voter || !w.server(restarting).Voter {
			t.Errorf("the one that is gone votes: %v; the one that restarts votes: %v", w.server(gone).Voter, w.server(restarting).Voter)
		}
	})
}

// later makes what has happened so far older.
func (w *world) later(d time.Duration) {
	w.c.cfg.ReplaceAfter -= d
}

func TestOwnersOfADeadNodeMoveAtOnceAndCopiesLater(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(30)
	w.settle()
	w.alive[id(2)] = false
	w.settle()
	dead := w.state.View().NodeByID(id(2))
	for _, r := range w.rows() {
		if r.Owner == dead.Num || r.Owner == 0 {
			t.Errorf("%s is owned by %d after the death of %d", r.Name, r.Owner, dead.Num)
		}
		if len(r.Copies) != 2 {
			t.Errorf("%s has %d copies: a node that is down for a moment is expected back", r.Name, len(r.Copies))
		}
	}
	w.later(11 * time.Minute)
	w.settle()
	for _, r := range w.rows() {
		ready := 0
		for _, c := range r.Copies {
			if c.Node != dead.Num && c.State == fsm.CopyReady {
				ready++
			}
		}
		if ready != 2 {
			t.Errorf("%s has %d copies on the living, want 2", r.Name, ready)
		}
	}
}

// Copies are made anew after --replace-after, however soon a vote goes to another node.
func TestCopiesWaitForLongerThanVotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		w.settle()
		w.add(12)
		w.settle()
		w.alive[id(2)] = false
		w.settle()
		dead := w.state.View().NodeByID(id(2)).Num
		held := func() (n int) {
			for _, r := range w.rows() {
				if cp, ok := r.Copy(dead); ok && cp.State == fsm.CopyReady {
					n++
				}
			}
			return n
		}
		before := held()
		for _, wait := range []struct {
			d    time.Duration
			held int
		}{{9 * time.Minute, before}, {2 * time.Minute, 0}} {
			time.Sleep(wait.d)
			w.now = time.Now()
			w.settle()
			if got := held(); got != wait.held || before == 0 {
				t.Errorf("%s later %d of %d copies of the dead node count, want %d", wait.d, got, before, wait.held)
			}
		}
	})
}

func TestACopyNeverMadeDoesNotWaitForItsNode(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(6)
	w.alive[id(2)] = false // before it has made a single copy
	w.settle()
	dead := w.state.View().NodeByID(id(2))
	for _, r := range w.rows() {
		if ready := w.ready()[r.ID]; ready != 2 {
			t.Errorf("%s has %d ready copies, want 2 on the living: %+v", r.Name, ready, r.Copies)
		}
		if cp, ok := r.Copy(dead.Num); ok && cp.State != fsm.CopyLeaving {
			t.Errorf("%s still waits for the dead node: %+v", r.Name, r.Copies)
		}
	}
}

func TestMassFailureIsNotActedOn(t *testing.T) {
	w := newWorld(t, 5)
	w.settle()
	w.add(20)
	w.settle()
	for _, n := range []int{4, 5} {
		w.alive[id(n)] = false
	}
	w.settle()
	w.later(11 * time.Minute)
	w.settle()
	for _, r := range w.rows() {
		if len(r.Copies) != 2 {
			t.Errorf("%s has %d copies: two of five nodes at once is no broken node", r.Name, len(r.Copies))
		}
	}
}

// What is asked for again is there already, and its name is not what is wrong.
func TestWhatIsMirroredAlready(t *testing.T) {
	w := newWorld(t, 1)
	w.look()
	add := func(key, url, name string) *refusal.Error {
		added, err := w.c.Add(context.Background(), []NewRepo{{URLs: []string{url}, Name: name}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return refusal.Of(added[0].Err)
	}
	if r := add("1", "https://example.org/a", "x"); r != nil {
		t.Fatal(r)
	}
	for what, c := range map[string]struct {
		url, name string
		code      refusal.Code
	}{
		"the same":                 {"https://example.org/a.git", "x", refusal.ConflictURL},
		"it by another name":       {"https://example.org/a", "y", refusal.ConflictURL},
		"another by the same name": {"https://example.org/b", "x", refusal.ConflictName},
	} {
		if r := add(what, c.url, c.name); r == nil || r.Code != c.code || r.Existing != "x" {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestAKeyIsAnsweredOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.look()
	request := func(r string) string { return "api/" + strings.Repeat("a", 64) + "#" + strings.Repeat(r, 16) }
	repos := []NewRepo{{URLs: []string{"https://example.org/a"}}, {URLs: []string{"https://example.org/a.git"}}}
	first, err := w.c.Add(context.Background(), repos, request("2"))
	if err != nil {
		t.Fatal(err)
	}
	var r *refusal.Error
	if first[0].Err != nil || !errors.As(first[1].Err, &r) || r.Existing != "example.org/a" {
		t.Fatalf("results %+v: want the first added, the second refused for it", first)
	}
	again, err := w.c.Add(context.Background(), repos, request("2"))
	if err != nil || again[0].ID != first[0].ID || again[1].Err == nil {
		t.Errorf("the same call again: %+v, %v", again, err)
	}
	if _, err := w.c.Add(context.Background(), repos[:1], request("1")); err == nil {
		t.Error("a key used for another request was not refused")
	}
	if n := w.state.View().Len(); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// ready counts the ready copies of each row.
func (w *world) ready() map[string]int {
	count := map[string]int{}
	for _, r := range w.rows() {
		for _, c := range r.Copies {
			if c.State == fsm.CopyReady {
				count[r.ID]++
			}
		}
	}
	return count
}

// Whatever dies, comes back, joins and is added: no published repo is ever
// without a ready copy, and when it is quiet each has the copies it should, and
// a live owner.
func TestNoRepoIsEverWithoutAReadyCopy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, 3)
		w.settle()
		w.add(5)
		published := func() {
			ready := w.ready()
			for _, r := range w.rows() {
				if r.Generation > 0 && ready[r.ID] == 0 {
					rt.Fatalf("%s has no ready copy: %+v", r.Name, r.Copies)
				}
			}
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"look", "work", "kill", "revive", "join", "add", "push", "age", "term", "tired"}).Draw(rt, "step") {
			case "look":
				before := w.ready()
				w.look()
				for id, n := range w.ready() {
					if n < min(before[id], policy.DefaultReplicas) {
						rt.Fatalf("the leader took %s from %d ready copies to %d", id, before[id], n)
					}
				}
			case "work":
				w.work()
			case "kill":
				n := rapid.IntRange(2, len(w.alive)).Draw(rt, "victim")
				w.alive[id(n)] = false
			case "revive":
				w.alive[id(rapid.IntRange(1, len(w.alive)).Draw(rt, "back"))] = true
			case "join":
				if len(w.alive) < 6 {
					w.join(len(w.alive) + 1)
				}
			case "add":
				w.add(rapid.IntRange(1, 4).Draw(rt, "repos"))
			case "push":
				for _, r := range w.rows() {
					n := w.state.View().Node(r.Owner)
					if cp, ok := r.Copy(r.Owner); ok && n != nil && w.alive[n.ID] && cp.Generation == r.Generation {
						w.publish(r)
						break
					}
				}
			case "age":
				w.later(4 * time.Minute)
			case "term":
				w.c.begin()
			case "tired": // the next plan over everything is not due for long
				w.tired()
			}
			published()
		}
		for n := range w.alive {
			w.alive[n] = true
		}
		w.c.term.Load().agenda.took = 0
		w.settle()
		published()
		for _, r := range w.rows() {
			if len(r.Copies) != min(2, len(w.alive)) || r.Owner == 0 || !r.Durable() {
				rt.Fatalf("at rest %s has owner %d and copies %+v", r.Name, r.Owner, r.Copies)
			}
		}
	})
}

// The successor of a dead owner is the live copy that is furthest ahead, wherever
// loads would rather have it.
func TestTheNewOwnerIsTheCopyFurthestAhead(t *testing.T) {
	for ahead := 2; ahead <= 3; ahead++ {
		w := newWorld(t, 4)
		w.settle()
		results, err := w.c.Add(context.Background(), []NewRepo{{URLs: []string{"https://example.org/x"}, Policy: policy.Policy{Replicas: 4}}}, "add")
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
		w.settle()
		row := func() *fsm.Repo { return w.rows()[0] }
		owner := w.state.View().Node(row().Owner)
		var others []string
		for _, n := range w.state.View().Nodes() {
			if n.ID != owner.ID && n.ID != id(1) {
				others = append(others, n.ID)
			}
		}
		w.publish(row())
		w.publish(row())
		first := others[ahead%len(others)]
		for _, n := range others {
			generation := uint64(2)
			if n == first {
				generation = 3
			}
			w.report(w.state.View().NodeByID(n).Num, &command.CopyReport{Repo: row().ID, State: command.CopyState_COPY_STATE_READY, Generation: generation})
		}
		if owner.ID == id(1) {
			w.apply(&command.SetNodeState{Id: owner.ID, State: command.NodeState_NODE_STATE_DOWN})
			w.c.cfg.Self = others[0]
		}
		w.alive[owner.ID] = false
		w.look()
		if got := w.state.View().Node(row().Owner); got == nil || got.ID != first {
			t.Errorf("the new owner is %+v, want %s, which has generation 3", got, first)
		}
	}
}

// When the nodes with all copies of a repo are not expected back, a copy in the
// making gets the ownership: only an owner asks upstream.
func TestTheLastHopeOfALostRepoOwnsIt(t *testing.T) {
	w := newWorld(t, 9)
	w.settle()
	results, err := w.c.Add(context.Background(), []NewRepo{{URLs: []string{"https://example.org/x"}}}, "add")
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	w.settle()
	row := func() *fsm.Repo { return w.rows()[0] }
	w.publish(row())
	dead := map[fsm.NodeNum]bool{}
	for _, cp := range row().Copies {
		n := w.state.View().Node(cp.Node)
		dead[cp.Node] = true
		w.alive[n.ID] = false
	}
	for _, n := range w.state.View().Nodes() {
		if !dead[n.Num] {
			w.c.cfg.Self = n.ID // no leader is down in its own eyes
		}
	}
	w.look()
	w.look()
	if !dead[row().Owner] {
		t.Error("ownership went to a copy that has nothing while its holders are expected back")
	}
	w.later(11 * time.Minute)
	for range 5 {
		w.look()
	}
	if owner := row().Owner; dead[owner] || owner == 0 {
		t.Errorf("owner %d, copies %+v: nobody asks upstream", owner, row().Copies)
	}
}
