// Package story tells in this node's log what happens to repositories and nodes: it follows
// the events of the table, and has a line for each that this node tells of. Of a change of a
// repository one node tells, as the event says; of changes of nodes every other node does.
//
// Lines are few however much happens: what is beyond a ration is counted, and told in one
// line for all of it (see sum). All of it is in the table's events.
//
// It promises no more than the events do: where more of them have come at once than the table
// keeps, it says how many it has not told. A process that is killed may tell a few lines twice,
// and a node that is gone for good leaves the last ones untold.
package story

import (
	"context"
	"log/slog"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/disk"
	"gitmirror/internal/ration"
)

const (
	// Of one host so many lines pass in a second: of what comes from upstream as it should,
	// and as many of all else.
	perHost = 10
	// A repository, or a node, that changes to and fro is told of once in this time for each
	// way it changes.
	flapping = 15 * time.Minute
	// spacing lets what happens at once be told together.
	spacing = 100 * time.Millisecond
	// late is how old an event is whose own time is told.
	late = time.Minute
)

// State is the table on this node.
type State interface {
	View() *fsm.View
	Changed() <-chan struct{}
}

// Config is what a Teller needs.
type Config struct {
	Self  string // node id
	State State
	Log   *slog.Logger
	// Disk and Path are where it is kept how far the story was told: a file of its own, which
	// may be lost.
	Disk *disk.Disk
	Path string
}

// Teller tells.
type Teller struct {
	cfg   Config
	place place
	hosts *ration.Ration
	flaps *ration.Ration
	rest  sum
}

// New returns a Teller.
func New(cfg Config) *Teller {
	return &Teller{cfg: cfg, place: place{disk: cfg.Disk, path: cfg.Path, log: cfg.Log}, hosts: ration.New(perHost, time.Second), flaps: ration.New(1, flapping)}
}

// Run tells until ctx ends. It is to be called when this node has caught up with the table:
// what happened before is of another run, which told it; of that only what this node alone
// was to tell is left, if an earlier run was cut short.
func (t *Teller) Run(ctx context.Context) error {
	_, began := t.cfg.State.View().EventBounds()
	if !t.place.load(began) {
		t.place.save()
	}
	for {
		changed := t.cfg.State.Changed()
		t.follow(t.cfg.State.View(), began, time.Now())
		due, stop := t.rest.after(time.Now())
		select {
		case <-ctx.Done():
			stop()
			t.tellRest(time.Now())
			t.place.save()
			return nil
		case <-changed:
		case <-due:
			t.tellRest(time.Now())
		}
		stop()
		// Nobody waits for a line: a busy log must not have us look at each of its entries.
		select {
		case <-ctx.Done():
		case <-time.After(spacing):
		}
	}
}

// follow tells what has happened since it looked last.
func (t *Teller) follow(view *fsm.View, began uint64, now time.Time) {
	self := view.NodeByID(t.cfg.Self)
	oldest, newest := view.EventBounds()
	if self == nil || newest == t.place.seq {
		return
	}
	if oldest > t.place.seq+1 {
		t.cfg.Log.Warn("more has happened than the table remembers: these events are told by nobody", "events", oldest-t.place.seq-1, "see", "gitmirror status")
	}
	told := false
	for _, e := range view.Events(t.place.seq) {
		if t.ours(view, &e, self.Num, began) {
			t.tell(view, &e, now)
			told = true
		}
	}
	t.place.seq = newest
	if told || t.place.behind() {
		t.place.save()
	}
}

// ours tells whether this node tells of the event.
func (t *Teller) ours(view *fsm.View, e *fsm.Event, self fsm.NodeNum, began uint64) bool {
	if e.Node != 0 {
		return e.Node == self
	}
	if e.Repo == "" {
		node := view.NodeByName(e.Name)
		return e.Seq > began && (node == nil || node.Num != self)
	}
	// It was before all members said who tells.
	row := view.Repo(e.Repo)
	return e.Seq > began && row != nil && row.Owner == self
}

// tell writes the line of an event, or counts it.
func (t *Teller) tell(view *fsm.View, e *fsm.Event, now time.Time) {
	l := lineOf(view, e)
	if now.Sub(e.At) > late {
		l.attrs = append(l.attrs, slog.Time("at", e.At))
	}
	if l.flaps && !t.flaps.Take(e.Type+" "+e.Repo+" "+e.Name, now) || !t.hosts.Take(l.ration(), now) {
		t.rest.add(l, now)
		return
	}
	l.write(t.cfg.Log)
}

func (t *Teller) tellRest(now time.Time) {
	if l, any := t.rest.take(now); any {
		l.write(t.cfg.Log)
	}
}
