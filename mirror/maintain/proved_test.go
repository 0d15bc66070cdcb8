package maintain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/proof"
	"gitmirror/mirror/store"
)

// looking is a git that notes what it is asked for.
type looking struct {
	*rig
	asked []string
}

func (l *looking) Verify(context.Context, string, []string) error {
	l.asked = append(l.asked, "all")
	out, err := l.fsck()
	if err != nil {
		err = errors.New(out)
	}
	return err
}

func (l *looking) VerifyPack(_ context.Context, dir, pack string) error {
	l.asked = append(l.asked, "pack")
	_, err := gittest.Try(l.t, dir, "-c", "safe.directory=*", "verify-pack", "objects/pack/"+pack+".idx")
	return err
}

func (l *looking) Clone(context.Context, string, []string) error {
	l.asked = append(l.asked, "clone")
	return nil
}

func (l *looking) Connected(ctx context.Context, dir string, tips, whole []string) error {
	l.asked = append(l.asked, "walk")
	return l.cfg.Objects.Connected(ctx, dir, tips, whole)
}

// reread reads the copy as it is read each day, and returns what had to be looked at.
func (g *rig) reread() ([]string, error) {
	g.t.Helper()
	data, err := g.copy.Proved()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Fatal(err)
	}
	known, _ := proof.Decode(data)
	roots, err := g.copy.Roots()
	if err != nil {
		g.t.Fatal(err)
	}
	l := &looking{rig: g}
	now, err := known.Renew(g.t.Context(), proof.Copy{Engine: l, Disk: g.disk, Dir: g.copy.Dir(), Tips: roots.Tips()})
	if err == nil && !now.Empty() {
		err = g.copy.SetProved(now.Encode())
	}
	return l.asked, err
}

func (g *rig) rereads(want ...string) {
	g.t.Helper()
	if asked, err := g.reread(); err != nil || !slices.Equal(asked, want) {
		g.t.Errorf("looked at %v, want %v: %v", asked, want, err)
	}
}

// drop deletes a branch of the upstream.
func (g *rig) drop(branch string) {
	g.t.Helper()
	if _, err := g.up.Git("update-ref", "-d", "refs/heads/"+branch); err != nil {
		g.t.Fatal(err)
	}
}

// What was proved of packs is proved of those that take their place: these are read once, and nothing
// is walked through again. With and without git.
func TestWhatWasProvedOutlivesItsPacks(t *testing.T) {
	for _, git := range []bool{true, false} {
		g := newRig(t)
		if !git {
			g.withoutGit(nil)
		}
		for range 12 {
			g.push("main", 100)
		}
		g.rereads("all")
		g.push("main", 100)
		g.rereads("pack", "walk")
		g.tend(Join)
		if n := g.packs(); n > bound(40) {
			t.Fatalf("%d packs", n)
		}
		g.rereads("pack")
		g.rereads()
		if !git {
			continue
		}
		g.push("topic", 3000)
		g.rereads("pack", "walk")
		g.drop("topic")
		g.generation()
		g.clock.Advance(2 * store.LeftFor)
		g.tend(Gather)
		if g.packs() != 1 {
			t.Fatalf("%d packs", g.packs())
		}
		g.rereads("pack")
		g.rereads()
	}
}

// What a gather threw away is not taken for proved because it was once.
func TestWhatWasThrownAwayIsNotProved(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	topic := g.push("topic", 3000)
	g.rereads("all")
	g.drop("topic")
	g.generation()
	g.clock.Advance(2 * store.LeftFor)
	g.tend(Gather)
	if g.has(topic) {
		t.Fatal("it is still there")
	}
	g.rereads("pack")
	if _, err := g.up.Git("update-ref", "refs/heads/again", topic); err != nil {
		t.Fatal(err)
	}
	g.activate(g.table()) // its objects do not come with it
	if asked, err := g.reread(); err == nil {
		t.Errorf("a tip that is gone is whole: %v", asked)
	}
}

// A pack that was made and is damaged before it is read, or goes, is found out: what it took the place of
// has gone.
func TestAMadePackThatIsDamagedIsFound(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut off": func(path string) error { return errors.Join(os.Chmod(path, 0o644), os.Truncate(path, 200)) },
		"gone":    os.Remove,
	} {
		g := newRig(t)
		for range 12 {
			g.push("main", 100)
		}
		g.rereads("all")
		g.tend(Join)
		packs, err := g.copy.Packs()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packs {
			if err := damage(filepath.Join(g.copy.Dir(), "objects/pack", p.Name+".pack")); err != nil {
				t.Fatal(err)
			}
		}
		if asked, err := g.reread(); err == nil {
			t.Errorf("%s: it is whole: %v", name, asked)
		}
	}
}

// A copy of which nothing has changed is not weighed again.
func TestWhatIsTheSameIsNotWeighed(t *testing.T) {
	g := newRig(t)
	w := &weighing{Objects: g.cfg.Objects}
	g.cfg.Objects = w
	for i, want := range []int{1, 1, 2, 2, 3} {
		if i == 2 {
			g.push("topic", 100)
		}
		if i == 4 {
			g.drop("topic")
			g.generation()
			g.clock.Advance(2 * store.LeftFor)
		}
		if i == 0 {
			g.push("main", 100)
		}
		g.tend(Read)
		if w.times != want {
			t.Errorf("read %d times, it was weighed %d times, want %d", i+1, w.times, want)
		}
	}
}

// weighing counts.
type weighing struct {
	Objects
	times int
}

func (w *weighing) Used(ctx context.Context, dir string, tips []string) (int64, error) {
	w.times++
	return w.Objects.Used(ctx, dir, tips)
}

// The bitmap is only a quicker way to the same sum.
func TestTheBitmapWeighsTheSame(t *testing.T) {
	g := newRig(t)
	for range 5 {
		g.push("main", 1000)
	}
	g.push("topic", 5000)
	used := func() int64 {
		t.Helper()
		n, err := g.cfg.Objects.Used(t.Context(), g.copy.Dir(), []string{g.tip("main")})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	plain := used()
	gittest.Run(t, g.copy.Dir(), "-c", "safe.directory=*", "multi-pack-index", "write", "--bitmap")
	if maps, err := filepath.Glob(filepath.Join(g.copy.Dir(), "objects/pack/*.bitmap")); err != nil || len(maps) != 1 {
		t.Fatal(maps, err)
	}
	if n := used(); n != plain {
		t.Errorf("by the bitmap it is %d bytes, and else %d", n, plain)
	}
}
