package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

var (
	cutSeed  = flag.Uint64("powercut.seed", 0, "of the moments at which power is cut (default: the same ones each time)")
	cutTimes = flag.Int("powercut.cuts", 3, "how often it is cut")
	cutNodes = flag.Int("powercut.nodes", 1, "of how many nodes at once")
)

// Power is cut while repositories are cloned, published, gathered, pruned, and raft's log is put
// into snapshots: what was acknowledged is there when it comes back, and so is every generation
// that was seen, without a hand's turn. Nodes that make nothing durable lose some of it: else this test
// would see no loss. Where this process may mount nothing, it is a failure if
// GITMIRROR_LOOPS is set.
func TestPowerCuts(t *testing.T) {
	if why := noLoops(t); why != "" {
		if os.Getenv("GITMIRROR_LOOPS") != "" {
			t.Fatal(why)
		}
		t.Skip(why + "; as root: just powercut")
	}
	t.Parallel()
	keepDirty(t)
	t.Run("durable", func(t *testing.T) {
		for _, loss := range newOutage(t).cuts(*cutTimes) {
			t.Error(loss)
		}
	})
	t.Run("nothing is durable", func(t *testing.T) {
		losses := newOutage(t, "GITMIRROR_TEST_FORGETFUL=1").cuts(*cutTimes)
		if len(losses) == 0 {
			t.Errorf("after %d power cuts nothing was lost of what nobody had made durable: they cut nothing off", *cutTimes)
		}
		t.Logf("lost, as it has to be: %.400q", losses)
	})
}

// noLoops says why power cannot be cut here.
func noLoops(t *testing.T) string {
	if os.Geteuid() != 0 {
		return "power can only be cut by root"
	}
	for _, tool := range []string{"losetup", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		return err.Error()
	}
	out, err := exec.Command("losetup", "--find", "--show", image).CombinedOutput()
	if err != nil {
		return "no loop device can be had: " + string(out)
	}
	_ = exec.Command("losetup", "-d", strings.TrimSpace(string(out))).Run()
	return ""
}

// keepDirty has this machine write back by itself what is older than ten minutes, until the test
// ends. Where it may not say so, cuts come well within what is usual: half a minute.
func keepDirty(t *testing.T) {
	const path = "/proc/sys/vm/dirty_expire_centisecs"
	was, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte("60000"), 0)
	}
	if err != nil {
		t.Logf("%v: what is half a minute old is written back", err)
		return
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, was, 0); err != nil {
			t.Error(err)
		}
	})
}

// power is the disk of one host, in a file, and what is mounted of it. Nothing comes to the file
// but what the file system writes back: because somebody asks for it, as its journal is committed
// by itself every five minutes alone, and a rename has no file written.
type power struct {
	t            *testing.T
	image, mount string
	loop         string
}

func newPower(t *testing.T) *power {
	t.Helper()
	dir := t.TempDir()
	p := &power{t: t, image: filepath.Join(dir, "image"), mount: filepath.Join(dir, "disk")}
	if err := errors.Join(os.Mkdir(p.mount, 0o755), os.WriteFile(p.image, nil, 0o600), os.Truncate(p.image, 384<<20)); err != nil {
		t.Fatal(err)
	}
	p.run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-m", "0", p.image)
	p.on()
	t.Cleanup(p.off)
	return p
}

func (p *power) run(name string, args ...string) string {
	p.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *power) on() {
	p.t.Helper()
	p.loop = filepath.Base(p.run("losetup", "--find", "--show", p.image))
	if err := syscall.Mount("/dev/"+p.loop, p.mount, "ext4", 0, "commit=300,noauto_da_alloc"); err != nil {
		p.t.Fatalf("mount the disk: %v", err)
	}
}

// off takes the disk away from a host whose processes have ended.
func (p *power) off() {
	p.t.Helper()
	if p.loop == "" {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; syscall.Unmount(p.mount, 0) == syscall.EBUSY; tries++ { // children end a moment after their parents
		if <-tick.C; tries == 1000 {
			p.t.Errorf("the disk of %s is busy", p.mount)
			_ = syscall.Unmount(p.mount, syscall.MNT_DETACH)
		}
	}
	p.run("losetup", "-d", "/dev/"+p.loop)
	p.loop = ""
}

// written counts the writes that have come to the disk, and says whether some are under way.
func (p *power) written() (n int, busy bool) {
	p.t.Helper()
	data, err := os.ReadFile("/sys/block/" + p.loop + "/stat")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) < 9 {
		p.t.Fatal(err, fields)
	}
	if n, err = strconv.Atoi(fields[4]); err != nil {
		p.t.Fatal(err)
	}
	return n, fields[8] != "0"
}

// cut copies what the disk has while nobody works on it, as it is at one moment.
func (p *power) cut() {
	p.t.Helper()
	testlog.Eventually(p.t, "a copy of the disk at one moment", func() bool {
		before, busy := p.written()
		p.run("cp", "--sparse=always", p.image, p.image+".cut")
		after, more := p.written()
		return before == after && !busy && !more
	})
}

// back has power back: the disk is what it was as power was cut.
func (p *power) back() {
	p.t.Helper()
	p.off()
	if err := os.Rename(p.image+".cut", p.image); err != nil {
		p.t.Fatal(err)
	}
	p.on()
}

// outage is a cluster whose hosts all lose power at once, and what was acknowledged by it.
type outage struct {
	t         *testing.T
	rand      *rand.Rand
	f         *cluster
	env       []string // of each start
	disks     []*power
	up        *forge
	acked     map[string]*acknowledged // by the name of a repo
	some      chan struct{}            // closed when there is one
	done      map[string]int
	snapshots map[string]bool // of raft's log that were seen, each with its node
}

// acknowledged is what was said of one repository.
type acknowledged struct {
	label      int    // the last that was set
	generation uint64 // the last that was told of
	digest     string
	tips       map[string]string // of all generations that were told of, and their names
}

func newOutage(t *testing.T, env ...string) *outage {
	o := &outage{t: t, env: append(env, "GITMIRROR_TEST_SNAPSHOTS=100ms/10"), rand: rand.New(rand.NewPCG(*cutSeed, 1)), f: &cluster{t: t}, up: newForge(t), acked: map[string]*acknowledged{}, some: make(chan struct{}), done: map[string]int{}, snapshots: map[string]bool{}}
	for i := range *cutNodes {
		disk := newPower(t)
		p := newProc(t, fmt.Sprint("n", i+1)) // is ended before its disk is taken away
		p.Dir = filepath.Join(disk.mount, p.Name)
		o.disks, o.f.nodes = append(o.disks, disk), append(o.f.nodes, p)
		var join []string
		if i > 0 {
			join = []string{"--join", o.f.nodes[0].Peer}
		}
		p.start(o.env, join...)
	}
	o.f.settled(*cutNodes)
	return o
}

// cuts cuts power so many times, and returns what was lost then: it ends with the first loss.
func (o *outage) cuts(times int) (losses []string) {
	o.t.Helper()
	for i := range times {
		o.work()
		for _, d := range o.disks {
			d.cut()
		}
		for _, p := range o.f.nodes {
			p.Kill()
		}
		for _, d := range o.disks {
			d.back()
		}
		o.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { // nothing is had from there
			http.Error(w, "out", http.StatusBadGateway)
			return true
		})
		if losses = o.lost(); len(losses) > 0 {
			return losses
		}
		o.up.Intercept(nil)
		o.countSnapshots()
		o.t.Logf("cut %d: all is there of %d repositories; done so far: %v", i+1, len(o.acked), o.done)
	}
	return nil
}

// countSnapshots notes how many snapshots of raft's log there have been: their names count on.
func (o *outage) countSnapshots() {
	o.t.Helper()
	for _, p := range o.f.nodes {
		found, err := filepath.Glob(filepath.Join(p.Dir, "raft", "snapshots", "*"))
		if err != nil {
			o.t.Fatal(err)
		}
		for _, s := range found {
			if name := p.Name + " " + filepath.Base(s); !o.snapshots[name] {
				o.snapshots[name] = true
				o.done["snapshots"]++
			}
		}
	}
}

// work has people and upstreams do things until the disks have taken some number of writes, and
// then stops all processes.
func (o *outage) work() {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	worked := make(chan struct{})
	begun := o.written()
	least := begun + 1 + o.rand.IntN(len(o.disks)*(100+150*len(o.acked)))
	go func() {
		defer close(worked)
		for i := 0; ctx.Err() == nil && i < 60; i++ {
			o.deed(ctx, i)
		}
	}()
	select {
	case <-o.some:
	case <-worked:
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for over := false; !over && o.written() < least; {
		select {
		case <-worked:
			over = true
		case <-tick.C:
		}
	}
	for _, p := range o.f.nodes {
		o.freeze(p)
	}
	o.t.Logf("cut after %d writes", o.written()-begun)
	cancel()
	<-worked
}

func (o *outage) written() (n int) {
	for _, d := range o.disks {
		some, _ := d.written()
		n += some
	}
	return n
}

// freeze stops a node and all its children.
func (o *outage) freeze(p *proc) {
	o.t.Helper()
	p.signal(syscall.SIGSTOP)
	testlog.Eventually(o.t, p.Name+" to be stopped", p.stopped)
	for pids := p.children(); len(pids) > 0; pids = pids[1:] {
		pid, err := strconv.Atoi(pids[0])
		if err != nil {
			o.t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		if err != nil {
			o.t.Fatal(err)
		}
		for _, path := range tasks {
			data, _ := os.ReadFile(path)
			pids = append(pids, strings.Fields(string(data))...)
		}
	}
}

// deed does one thing, and notes what it is told.
func (o *outage) deed(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := o.f.nodes[o.rand.IntN(len(o.f.nodes))].client
	kind := o.rand.IntN(8)
	if len(o.acked) == 0 || len(o.acked) < 6 && kind == 0 {
		name := fmt.Sprint("r", o.done["added"]+o.done["not added"])
		o.up.sample(name)
		if _, err := client.Add(ctx, api.AddRepo{URL: o.up.URL(name), Name: name, Replicas: 2, Interval: "1h"}, "add-"+name); err != nil {
			o.done["not added"]++
			return
		}
		o.done["added"]++
		o.acked[name] = &acknowledged{tips: map[string]string{}}
		if len(o.acked) == 1 {
			close(o.some)
		}
		return
	}
	name := slices.Sorted(maps.Keys(o.acked))[o.rand.IntN(len(o.acked))]
	a := o.acked[name]
	switch kind {
	case 0, 1:
		text := strconv.Itoa(a.label + 1)
		if _, err := client.Set(ctx, name, api.SetRepo{SetRow: api.SetRow{Labels: map[string]*string{"n": &text}}}, fmt.Sprint("label-", name, "-", text, "-", i)); err == nil {
			a.label++
			o.done["labelled"]++
		}
	case 2:
		if _, err := client.Maintain(ctx, name, api.Collect); err == nil {
			o.done["gathered"]++
		}
	default:
		branch := fmt.Sprint("b", o.rand.IntN(4))
		o.up.edit(name, func(e *upstream.Edit) {
			if kind == 3 {
				e.Rewrite(branch)
			}
			e.Commit(branch, fmt.Sprint("work ", i), map[string]string{"w": fmt.Sprint(o.rand.Uint64()), "x": strings.Repeat(fmt.Sprint(o.rand.Uint64()), 500)})
		})
		o.follow(ctx, client, name)
	}
}

// follow has a push followed, and notes the generation that it is told of.
func (o *outage) follow(ctx context.Context, client *api.Client, name string) {
	_, refs, err := o.up.repos[name].Refs()
	if err != nil {
		o.t.Error(err)
		return
	}
	out, err := client.Sync(ctx, name, 10*time.Second)
	if err != nil || out.Outcome != api.SyncChanged && out.Outcome != api.SyncUnchanged || out.Generation == 0 {
		o.done["not followed"]++
		return
	}
	o.done["followed"]++
	a := o.acked[name]
	if row, err := client.Repo(ctx, name); err == nil && row.Generation == out.Generation {
		a.digest = row.RefsDigest
	} else if a.generation != out.Generation {
		a.digest = ""
	}
	a.generation = out.Generation
	for _, r := range refs {
		a.tips[r[1]] = r[0]
	}
}

// lost starts all nodes, and returns what is missing of what was acknowledged.
func (o *outage) lost() (losses []string) {
	o.t.Helper()
	for _, p := range o.f.nodes {
		p.Env = append(os.Environ(), o.env...)
		if err := p.Start(o.t.Context()); err != nil {
			return []string{fmt.Sprintf("%v\n%s", err, p.tail())}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.acked)) {
		a, why := o.acked[name], ""
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			var final bool
			if why, final = o.lacks(name, a); why == "" || final {
				break
			}
		}
		if why != "" {
			losses = append(losses, name+": "+why)
		}
	}
	return losses
}

// lacks is what there is not yet, or not any more where that is final, of a repository.
func (o *outage) lacks(name string, a *acknowledged) (why string, final bool) {
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Second)
	defer cancel()
	row, err := o.f.nodes[o.rand.IntN(len(o.f.nodes))].client.Repo(ctx, name)
	var problem *api.Problem
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusNotFound:
		return "it is not mirrored", true
	case err != nil:
		return err.Error(), false
	}
	if n, _ := strconv.Atoi(row.Labels["n"]); n < a.label {
		return fmt.Sprintf("label %d is lost: it has %d", a.label, n), true
	}
	if row.Generation < a.generation || row.Generation == a.generation && a.digest != "" && row.RefsDigest != a.digest {
		return fmt.Sprintf("generation %d (%s) is lost: it has %d (%s)", a.generation, a.digest, row.Generation, row.RefsDigest), true
	}
	if row.Generation == 0 {
		return "", false
	}
	for _, c := range row.Copies {
		if c.State != "ready" || c.Generation != row.Generation || c.Live == nil || *c.Live != row.Generation {
			return fmt.Sprintf("the copy on %s is %s at generation %d of %d", c.Node, c.State, c.Generation, row.Generation), false
		}
		dir := o.f.node(c.Node).repoDir(row.ID)
		out, err := gittest.Try(o.t, dir, "-c", "safe.directory=*", "rev-list", "--objects", "--no-object-names", "--all")
		if err != nil {
			return fmt.Sprintf("the copy on %s is not whole: %s", c.Node, out), true
		}
		for oid, ref := range a.tips {
			if !strings.Contains(out, oid) {
				return fmt.Sprintf("%s, which was %s, is not on %s", oid, ref, c.Node), true
			}
		}
		if out, err := gittest.Try(o.t, dir, "-c", "safe.directory=*", "fsck", "--full", "--no-dangling"); err != nil {
			return fmt.Sprintf("git fsck of the copy on %s: %s", c.Node, out), true
		}
	}
	return "", false
}
