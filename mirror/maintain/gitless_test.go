package maintain

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/gogit"
	"gitmirror/mirror/store"
)

// gitless are the objects of a node without git.
type gitless struct {
	*gogit.Objects
	Joined
}

func (g gitless) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error {
	return g.Joined.Join(ctx, st, dir, packs, loose)
}

func (g *rig) withoutGit(joiner Joiner) {
	own := gogit.New(gogit.Config{})
	if joiner == nil {
		joiner = own
	}
	g.cfg.Objects, g.cfg.Jobs = gitless{own, Joined{Joiner: joiner}}, Joins
}

// Without git packs are joined, as they are with it, and copies are tested; nothing else is done.
func TestPacksAreJoinedWithoutGit(t *testing.T) {
	g := newRig(t)
	g.withoutGit(nil)
	for range 40 {
		g.push("main", 100)
	}
	before := g.packs()
	loose := strings.TrimSpace(gittest.Run(t, g.copy.Dir(), "-c", "safe.directory=*", "hash-object", "-w", filepath.Join(g.up.Dir, "config")))
	for range 2 {
		g.tend(Join)
		if n := g.packs(); n > bound(40) || n >= before {
			t.Errorf("%d packs are left of %d", n, before)
		}
		if !g.has(loose) {
			t.Error("a loose object is gone")
		}
		g.whole()
	}
	if g.freed == 0 {
		t.Error("nothing was freed")
	}
	g.tend(Read)
	g.tend(Check)
	if s := g.Status("01REPO"); s.Failure != "" || s.Read.IsZero() || s.Checked.IsZero() {
		t.Errorf("it was tested, and that came to %+v", s)
	}
	g.fails = Gather
	g.tend(Gather)
	if s := g.Status("01REPO"); !strings.Contains(s.Failure, ErrNoGit.Error()) {
		t.Errorf("what is not done here is said to be %q", s.Failure)
	}
	g.whole()
}

// forgetful joins all packs but one.
type forgetful struct{ Joiner }

func (f forgetful) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error {
	return f.Joiner.Join(ctx, st, dir, packs[1:], loose)
}

// A pack that has not all of what it takes the place of is not taken.
func TestAJoinThatLeavesSomethingOutIsNone(t *testing.T) {
	g := newRig(t)
	g.withoutGit(forgetful{gogit.New(gogit.Config{})})
	for range 10 {
		g.push("main", 100)
	}
	before := g.packs()
	g.fails = Join
	g.tend(Join)
	if n := g.packs(); n != before || g.freed > 0 {
		t.Errorf("%d packs of %d are left", n, before)
	}
	if s := g.Status("01REPO"); !strings.Contains(s.Failure, "has not all of") {
		t.Errorf("the job has failed with %q", s.Failure)
	}
	g.whole()
}
