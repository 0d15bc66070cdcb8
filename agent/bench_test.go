package agent

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

const million = 1_000_000

// quick stands in for a mirror that takes what it is given, and has what the table says.
type quick struct {
	Mirror
	state    *fsm.State
	assigned atomic.Int64
}

func (q *quick) Assign(mirror.Assignment)        { q.assigned.Add(1) }
func (q *quick) Unassign(string)                 {}
func (q *quick) Condition() (c mirror.Condition) { return c }

func (q *quick) Status(id string) (mirror.Status, bool) {
	r := q.state.View().Repo(id)
	return mirror.Status{Generation: r.Generation, Digest: refs.Digest(r.Digest)}, r.Generation > 0
}

// millionRows is a table whose rows all have a copy on node a.
type millionRows struct {
	b     *testing.B
	state *fsm.State
	index uint64
}

func newMillionRows(b *testing.B) *millionRows {
	t := &millionRows{b: b, state: fsm.New()}
	t.apply(&command.PutNode{Node: &command.Node{Id: "a", Name: "a", Format: fsm.Format}})
	for i := 0; i < million; i += fsm.MaxItems {
		add := &command.AddRepos{}
		for j := i; j < i+fsm.MaxItems; j++ {
			name := fmt.Sprintf("git.example.org/team-%d/project-%d", j%5000, j)
			add.Repos = append(add.Repos, &command.NewRepo{Id: fmt.Sprintf("01K%023d", j), Name: name, Urls: []string{"https://" + name}, UrlKeys: []string{name}, Copies: []string{"a"}, Owner: "a"})
		}
		t.apply(add)
	}
	return t
}

func (t *millionRows) apply(msg proto.Message) {
	data, err := fsm.Encode(msg, "", time.Unix(1e9, 0))
	if err != nil {
		t.b.Fatal(err)
	}
	t.index++
	if r := t.state.Apply(t.index, data); r.Err != nil || r.Outcome.Code != "" {
		t.b.Fatal(r)
	}
}

func (t *millionRows) publish(i int) {
	id := fmt.Sprintf("01K%023d", i)
	generation := t.state.View().Repo(id).Generation
	t.apply(&command.Publish{Repo: id, Node: "a", Epoch: 1, FromGeneration: generation, Generation: generation + 1, Complete: true,
		Candidate: fmt.Sprint(generation), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1})
}

// BenchmarkMillionRows is what a node does that holds all of a million rows.
func BenchmarkMillionRows(b *testing.B) {
	t, caughtUp := newMillionRows(b), make(chan struct{})
	q := &quick{state: t.state}
	a := New(Config{Self: "a", Leader: &group{led: true}, State: t.state, Log: testlog.New(b), CaughtUp: caughtUp})
	a.mirror = q
	b.Run("first-pass", func(b *testing.B) {
		a.newAssignments().follow(t.state.View())
		b.ReportMetric(b.Elapsed().Seconds(), "s/pass")
	})
	// From the entry of a publish to the assignment at the mirror.
	b.Run("publish", func(b *testing.B) {
		as := a.newAssignments()
		as.follow(t.state.View())
		for b.Loop() {
			before := q.assigned.Load()
			t.publish(million / 2)
			as.follow(t.state.View())
			if n := q.assigned.Load() - before; n != 1 {
				b.Fatal(n)
			}
		}
	})
	// What the table and the agent, without raft and the mirror, take of a core while ten
	// rows a second change.
	b.Run("ten-a-second", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = a.Run(ctx, q) }()
		defer func() { cancel(); <-done }()
		before := q.assigned.Load()
		close(caughtUp)
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for rests := false; !rests || q.assigned.Load() < before+million; {
			began := used(b)
			<-second.C
			rests = used(b)-began < 10*time.Millisecond
		}
		// The runtime collects every two minutes even where little is thrown away.
		began := used(b)
		runtime.GC()
		collection := used(b) - began
		next := time.NewTicker(100 * time.Millisecond)
		defer next.Stop()
		changed := 0
		began = used(b)
		for b.Loop() {
			for range 10 {
				<-next.C
				t.publish(changed % million)
				changed++
			}
		}
		b.ReportMetric(100*(used(b)-began).Seconds()/b.Elapsed().Seconds(), "%-of-a-core")
		b.ReportMetric(100*collection.Seconds()/120, "%-for-collections")
	})
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
