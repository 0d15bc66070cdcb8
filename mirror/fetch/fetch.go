// Package fetch brings objects into a repository's staging area and proves
// that they are whole, before anything of the live repository changes.
//
// Objects are asked for by id, exactly those an advertisement showed: what is
// published is one moment of the upstream, however fast it moves meanwhile,
// and no name of the upstream ever reaches git's argument list or file system.
package fetch

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/disk"
	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/graph"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// Fetcher runs git fetch. It is safe for concurrent use.
type Fetcher struct {
	git   *git.Runner
	disk  *disk.Disk
	stall time.Duration
	large *semaphore.Weighted // held by whoever has a large history in memory
	most  int                 // commits of it
}

// New returns a Fetcher. A fetch that neither receives bytes nor says anything
// for stall is killed; 0 means a minute.
func New(runner *git.Runner, d *disk.Disk, stall time.Duration) *Fetcher {
	if stall == 0 {
		stall = time.Minute
	}
	return &Fetcher{git: runner, disk: d, stall: stall, large: semaphore.NewWeighted(1), most: graph.Most}
}

// Source is where objects come from: an upstream, by a way, or a peer.
type Source struct {
	Way    remote.Way // to an upstream; nil for a peer
	Peer   string     // URL of one, which is dialled directly
	Limits Limits
	// Pace is told now and then how many bytes have come, and whether git is at work
	// without waiting for any. May be nil.
	Pace func(received int64, alone bool)
	// Tell is told now and then how far it is. May be nil.
	Tell func(Progress)
}

// Taken are the flaws that are noted, not refused, as everything else is that git's
// fsck calls an error.
func (src Source) Taken() []string {
	if src.Way == nil { // what a peer has may have been taken when more was accepted than now
		return slices.Concat(gitflaw.Cosmetic, gitflaw.Acceptable)
	}
	return slices.Concat(gitflaw.Cosmetic, src.Limits.Accept)
}

// Fetch brings the objects named by oids, and all they lead to, into staging,
// and verifies that nothing is missing. Errors are *failure.Error.
func (f *Fetcher) Fetch(ctx context.Context, st *store.Staging, src Source, oids []string) error {
	if len(oids) == 0 {
		return nil
	}
	if err := src.Limits.Begin(src.Way); err != nil {
		return err
	}
	seen := NewObserver(time.Now())
	src.Tells(seen, Preparing)
	if err := f.run(ctx, st, src, seen, oids); err != nil {
		return err
	}
	src.Tells(seen, Checking)
	if err := src.Limits.Check(st); err != nil {
		return err
	}
	if err := f.verify(ctx, st, oids); err != nil {
		return err
	}
	if slices.Contains(src.Taken(), gitflaw.PathCR) {
		return nil
	}
	return f.submodules(ctx, st, oids, src.Limits)
}

func (f *Fetcher) run(ctx context.Context, st *store.Staging, src Source, seen *Observer, oids []string) error {
	url, settings := src.Peer, []git.Setting{{Key: "http.proxy"}, {Key: "http.followRedirects", Value: "false"}}
	var route remote.Route
	if src.Way != nil {
		var err error
		if route, err = src.Way.Open(); err != nil {
			return err
		}
		defer route.Close()
		url, settings = route.URL(), route.Settings()
	}
	for _, id := range src.Taken() {
		settings = append(settings, git.Setting{Key: "fetch.fsck." + id, Value: "warn"})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := f.git.CommandWith(ctx, st.Dir(), settings, "fetch", "--stdin", "--progress",
		"--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--", url)
	cmd.Stdin = strings.NewReader(strings.Join(oids, "\n") + "\n")
	cmd.Env = append(cmd.Env, src.Limits.environ(f.git.Memory())...)
	tail := &git.Tail{}
	cmd.Stderr = tail
	err := cmd.Packets(func(packet string) {
		switch {
		case packet == "shallow-info":
			cancel(failure.New(failure.Shallow, wire.ErrShallow.Error()+" (its answer has the section shallow-info)", nil))
		case slices.Contains(sections, packet):
			cancel(failure.New(failure.Protocol, "the upstream's answer has a section that was not asked for: "+packet, nil))
		}
	})
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return failure.New(failure.Disk, "start git fetch: "+err.Error(), err)
	}
	done := make(chan struct{})
	watching := make(chan struct{})
	var object growing
	look := func() (Sight, *failure.Error) {
		bytes, whole := st.Received()
		s := said(tail.Line(), bytes, whole)
		s.Alone, s.Word = whole || tail.Phase() == resolving, tail.LastWrite()
		return s, src.Limits.objectExceeded(&object, tail.Line(), bytes)
	}
	go func() { defer close(watching); src.Watch(done, cancel, f.stall, seen, look) }()
	err = cmd.Wait()
	close(done)
	<-watching
	var ended *failure.Error
	if errors.As(context.Cause(ctx), &ended) { // even where git was faster
		return ended
	}
	if err != nil {
		if ctx.Err() != nil {
			return failure.Of(context.Cause(ctx))
		}
		if src.Way != nil && src.Way.Exceeded() {
			return src.Limits.TooMuch()
		}
		why := src.Limits.explain(remote.Classify(cmd.Failed(err, tail)), f.git.Memory())
		if strings.Contains(tail.String(), noHTTPFetch) {
			why = failure.New(failure.Protocol, notSmart, err)
		}
		if route != nil {
			why = route.Explain(why)
		}
		return why
	}
	if !tail.Saw(receiving) {
		return failure.New(failure.Protocol, notSmart, nil)
	}
	return nil
}

// sections are those of an answer in protocol 2 that no request of ours asks for. git
// takes them all the same: packs from elsewhere, and a history without its beginning.
var sections = []string{"packfile-uris", "shallow-info", "wanted-refs"}

const (
	notSmart = "the upstream does not speak git's smart protocol any more"
	// noHTTPFetch is what git says when it would load objects by the dumb protocol: it
	// does not find the program, see package git.
	noHTTPFetch = "'http-fetch' is not a git command"
)

// receiving is what git says when a pack comes through the smart protocol. Over
// the dumb one, which git falls back to by itself, objects come unchecked.
const receiving = "Receiving objects"

// resolving is what it says when it puts together what came as differences.
const resolving = "Resolving deltas"

// verify walks everything the new objects lead to and that the live repository
// did not already have. --not --all would not see the alternates' refs.
func (f *Fetcher) verify(ctx context.Context, st *store.Staging, oids []string) error {
	cmd := f.git.CommandWith(ctx, st.Dir(), unaided, "rev-list", "--objects", "--quiet", "--stdin", "--not", "--alternate-refs")
	cmd.Stdin = strings.NewReader(strings.Join(oids, "\n") + "\n")
	if err := cmd.RunCaptured(); err != nil {
		if ctx.Err() != nil {
			return failure.Of(ctx.Err())
		}
		if git.OutOfMemory(err) {
			return failed(err)
		}
		return failure.New(failure.Corrupt, "the upstream's objects are not complete: "+err.Error(), err)
	}
	return nil
}

// failed is what a git that works on this node alone ended with.
func failed(err error) *failure.Error {
	if git.OutOfMemory(err) {
		return failure.Wrap(failure.OutOfMemory, err)
	}
	return failure.Wrap(failure.Disk, err)
}

// Index makes the index of a pack, whose path is relative to dir, the repository.
func (f *Fetcher) Index(ctx context.Context, dir, pack string) error {
	base := strings.TrimSuffix(pack, ".pack")
	unfinished := filepath.Join(filepath.Dir(pack), "tmp_"+filepath.Base(base))
	if err := f.git.Command(ctx, dir, "index-pack", "-o", unfinished, pack).RunCaptured(); err != nil {
		if rerr := f.disk.Remove(filepath.Join(dir, unfinished)); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	return atomicfile.Rename(f.disk, filepath.Join(dir, unfinished), filepath.Join(dir, base+".idx"))
}
