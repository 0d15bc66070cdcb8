package store

import (
	"context"
	"sync"
)

// readers are those who may have a repository's packs open: what they have found in one they
// go on reading there, whatever stands beside it meanwhile.
type readers struct {
	mu   sync.Mutex
	next Moment
	open map[Moment]struct{}
}

// Moment is a point in the life of a Repo, for those who ask who has been reading since.
type Moment uint64

// Read notes a reader until end is called: a child that is about to start and looks for
// objects here. It does not keep the directory in place, see Acquire.
func (r *Repo) Read() (end func()) {
	rs := &r.readers
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.next++
	m := rs.next
	if rs.open == nil {
		rs.open = map[Moment]struct{}{}
	}
	rs.open[m] = struct{}{}
	return func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		delete(rs.open, m)
	}
}

// Moment is this one.
func (r *Repo) Moment() Moment {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	return r.readers.next
}

// ReadSince tells whether somebody reads who had begun at that moment.
func (r *Repo) ReadSince(m Moment) bool {
	r.readers.mu.Lock()
	defer r.readers.mu.Unlock()
	for began := range r.readers.open {
		if began <= m {
			return true
		}
	}
	return false
}

// Build is Acquire for whoever proves that objects are here, to prepare a table that needs
// them: until release is called, none of them goes. It waits for Still, which is not for long.
func (r *Repo) Build() (release func(), err error) {
	if err := r.building.Acquire(context.Background(), 1); err != nil {
		return nil, err
	}
	acquired, err := r.Acquire()
	if err != nil {
		r.building.Release(1)
		return nil, err
	}
	end := r.Read()
	return sync.OnceFunc(func() {
		end()
		acquired()
		r.building.Release(1)
	}), nil
}

// builders is more than will ever build one repository at once.
const builders = 1 << 20

// Still calls f while nobody builds, and tells whether that could be. It waits until ctx ends for
// those who do; who comes meanwhile waits behind it.
func (r *Repo) Still(ctx context.Context, f func() error) (done bool, err error) {
	if !r.building.TryAcquire(builders) && r.building.Acquire(ctx, builders) != nil {
		return false, nil
	}
	defer r.building.Release(builders)
	return true, f()
}
