package store

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"weak"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
	"gitmirror/mirror/refs"
)

const (
	tableFile     = "packed-refs"
	candidateFile = "packed-refs.candidate"
)

// ErrGone is returned for a repository that was trashed meanwhile.
var ErrGone = errors.New("repository was removed from this node")

// Repo is one bare repository. Its methods may be called from any goroutine;
// Adopt, Prepare, Activate and Discard exclude each other by their caller: one
// worker owns a repository's generations at a time.
type Repo struct {
	id   string
	dir  string
	disk *disk.Disk

	// use is held shared while somebody reads or stages objects, exclusively to
	// take the directory away.
	use     sync.RWMutex
	trashed bool

	packs sync.Mutex // held while packs are moved in, indexed or taken away

	building *semaphore.Weighted // see Build
	readers  readers
	clock    clock.Clock

	mu        sync.Mutex // guards what follows
	name      string
	live      mark
	damaged   error // of the live table
	unread    error // objects that cannot be read: nothing makes the copy whole again
	candidate *mark
	asides    []uint64                 // generations of tables that were set aside; replaced, never changed
	table     weak.Pointer[refs.Table] // of live, while anybody uses it
	activated chan struct{}            // closed by the next Activate; nil while nobody waits
	leaves    leaving
	parting   chan struct{} // closed when the directory is about to be taken away
}

// mark is what is known of a table without reading its refs.
type mark struct {
	Generation uint64
	Candidate  string
	Head       refs.Head
	Digest     refs.Digest
	Past       refs.Digest
}

func markOf(t *refs.Table) mark { return mark{t.Generation, t.Candidate, t.Head, t.Digest(), t.Past} }

func load(d *disk.Disk, c clock.Clock, dir string) (*Repo, error) {
	m, err := readMeta(d, dir)
	if err != nil {
		return nil, err
	}
	r := &Repo{id: m.ID, dir: dir, disk: d, clock: c, name: m.Name, building: semaphore.NewWeighted(builders), parting: make(chan struct{})}
	if err := r.ours(); err != nil {
		return nil, err
	}
	// Without it this is no repository for git, and with it one that lacks its objects, which
	// is found out and healed.
	if err := d.MkdirAll(filepath.Join(dir, "objects/pack"), 0o755); err != nil {
		return nil, err
	}
	if err := r.sweep(); err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	switch live, err := readMark(d, filepath.Join(dir, tableFile)); {
	case err == nil:
		r.live = *live
	case errors.Is(err, refs.ErrDamaged):
		r.damaged = err // a copy that has to be healed, not one that is not there
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := r.findCandidate(); err != nil {
		return nil, err
	}
	r.asides, err = r.findAsides()
	return r, err
}

func readMark(d *disk.Disk, path string) (*mark, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), refs.ErrDamaged)
	}
	t, digest, err := refs.ReadHeader(line)
	if err != nil {
		return nil, err
	}
	return &mark{t.Generation, t.Candidate, t.Head, digest, t.Past}, nil
}

// sweep removes what only a killed process leaves: temporary files and locks. A pack
// without an index may be one too, or all that is left: it stays, see Reindex.
func (r *Repo) sweep() error {
	if err := r.drop(r.dir, "*.tmp", "*.lock"); err != nil {
		return err
	}
	if err := r.drop(r.packDir(), "*.keep"); err != nil {
		return err
	}
	if err := r.SweepCharts(); err != nil {
		return err
	}
	return r.buryAll()
}

// SweepCharts removes what a git that was killed leaves where it made charts, which no other would
// make while it is there. Nobody may be making some meanwhile.
func (r *Repo) SweepCharts() error {
	r.packs.Lock() // Reindex has git write there as well
	defer r.packs.Unlock()
	for _, dir := range []string{r.packDir(), filepath.Join(r.dir, "objects/info")} {
		if err := r.drop(dir, "*.lock", "tmp_*"); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the files of a directory whose names match one of the patterns.
func (r *Repo) drop(dir string, patterns ...string) error {
	for _, pattern := range patterns {
		found, err := matching(r.disk, dir, pattern)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := r.disk.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reindex has index make the indexes that are missing: git does not see a pack that
// has none. index is given the repository's directory and the pack's path in it, and
// an error of it is no reason to leave out the others. Reindex excludes Adopt.
func (r *Repo) Reindex(index func(dir, pack string) error) error {
	release, err := r.Acquire()
	if err != nil {
		return err
	}
	defer release()
	r.packs.Lock()
	defer r.packs.Unlock()
	packs, err := matching(r.disk, filepath.Join(r.dir, "objects/pack"), "pack-*.pack")
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range packs {
		if _, err := r.disk.Lstat(strings.TrimSuffix(p, ".pack") + ".idx"); errors.Is(err, fs.ErrNotExist) && !r.isHidden(strings.TrimSuffix(filepath.Base(p), ".pack")) {
			errs = append(errs, index(r.dir, filepath.Join("objects/pack", filepath.Base(p))))
		}
	}
	return errors.Join(errs...)
}

// ID is the repository's id in the table.
func (r *Repo) ID() string { return r.id }

// Dir is where git finds the repository. Use it between Acquire and release.
func (r *Repo) Dir() string { return r.dir }

// Name is the name it was last told.
func (r *Repo) Name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.name
}

func (r *Repo) rename(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.name == name {
		return nil
	}
	if err := r.ours(); err != nil {
		return err
	}
	data, err := json.Marshal(meta{r.id, name})
	if err != nil {
		return err
	}
	if err := atomicfile.Write(r.disk, filepath.Join(r.dir, "repo.json"), data, 0o644); err != nil {
		return err
	}
	r.name = name
	return nil
}

// Parting is closed when the directory is about to be taken away: who keeps it in place for
// long, for work that can be done again, is to let go.
func (r *Repo) Parting() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parting
}

func (r *Repo) part() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.parting:
	default:
		close(r.parting)
	}
}

// remain takes part back.
func (r *Repo) remain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parting = make(chan struct{})
}

// Acquire keeps the directory in place until release is called.
func (r *Repo) Acquire() (release func(), err error) {
	r.use.RLock()
	if r.trashed {
		r.use.RUnlock()
		return nil, ErrGone
	}
	return sync.OnceFunc(r.use.RUnlock), nil
}

// Generation is the live generation and its digest; 0 when nothing was ever
// activated.
func (r *Repo) Generation() (uint64, refs.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unread != nil {
		return 0, refs.Digest{}
	}
	return r.live.Generation, r.live.Digest
}

// Damaged tells that the live table, or what it leads to, cannot be read.
func (r *Repo) Damaged() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.unread, r.damaged)
}

// Await waits until the live generation is at least that one.
func (r *Repo) Await(ctx context.Context, generation uint64) error {
	for {
		r.mu.Lock()
		if r.live.Generation >= generation {
			r.mu.Unlock()
			return nil
		}
		if r.activated == nil {
			r.activated = make(chan struct{})
		}
		activated := r.activated
		r.mu.Unlock()
		select {
		case <-activated:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Table returns the live ref table, empty before the first generation. It is
// read from disk when nobody holds it. An error means the file is damaged.
func (r *Repo) Table() (*refs.Table, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmp.Or(r.unread, r.damaged); err != nil {
		return nil, fmt.Errorf("repository %s: %w", r.name, err)
	}
	if r.live.Generation == 0 {
		return &refs.Table{}, nil
	}
	if t := r.table.Value(); t != nil {
		return t, nil
	}
	t, err := readTable(r.disk, filepath.Join(r.dir, tableFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", refs.ErrDamaged, err)
	}
	if errors.Is(err, refs.ErrDamaged) {
		r.damaged, r.live = err, mark{} // nothing is live any more: whoever follows copies it anew
	}
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", r.name, err)
	}
	r.table = weak.Make(t)
	return t, nil
}

// OnDisk reads the live table from the disk, whatever is known of the copy.
func (r *Repo) OnDisk() (*refs.Table, error) {
	return readTable(r.disk, filepath.Join(r.dir, tableFile))
}

// Damage notes that the copy's objects cannot be read: from now on nothing is
// live, whatever is activated, and whoever reconciles it makes it anew.
func (r *Repo) Damage(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = &damageError{err}
}

// damageError is refs.ErrDamaged of a copy whose table is whole.
type damageError struct{ error }

func (d *damageError) Is(target error) bool { return target == refs.ErrDamaged }

// Reread looks again at a table that could not be read: the disk may be back.
func (r *Repo) Reread() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.damaged == nil {
		return nil
	}
	t, err := readTable(r.disk, filepath.Join(r.dir, tableFile))
	if err != nil {
		return err
	}
	r.live, r.damaged = markOf(t), nil
	r.table = weak.Make(t)
	return nil
}

func readTable(d *disk.Disk, path string) (*refs.Table, error) {
	data, err := d.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}
