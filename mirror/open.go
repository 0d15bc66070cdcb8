package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"gitmirror/internal/spool"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/serve"
	"gitmirror/mirror/store"
)

// ErrNoCopy is returned for a repository of which this node has nothing to
// show.
var ErrNoCopy = errors.New("no complete copy on this node")

// OpenCopy is a copy that was opened to answer a git client: one generation of it.
type OpenCopy struct {
	engine *Engine
	view   serve.View
}

// Bodies is the budget of clients' requests.
func (e *Engine) Bodies() *spool.Pool { return e.serve.Bodies() }

// ErrNoGit says that clients are served no copy of this node's: there is no git to make packs
// with. Peers are, and tables can be read.
var ErrNoGit = serve.ErrNoGit

// Open returns what this node has of the repository with that id. includePrivate shows
// private refs too, which only peers may see.
func (e *Engine) Open(id string, includePrivate bool) (*OpenCopy, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, ErrNoCopy
	}
	return e.open(r, includePrivate)
}

// OpenAt is Open once the live generation is at least that one: a peer may hear
// of a publish before this node, which published it, has activated it. When
// that does not happen before ctx ends, it opens what there is.
func (e *Engine) OpenAt(ctx context.Context, id string, generation uint64, includePrivate bool) (*OpenCopy, error) {
	if r := e.store.Repo(id); r != nil {
		_ = r.Await(ctx, generation)
	}
	return e.Open(id, includePrivate)
}

// OpenByName is Open for a node that has no table to look a name up in.
func (e *Engine) OpenByName(name string) (*OpenCopy, error) {
	r := e.store.ByName(name)
	if r == nil {
		return nil, ErrNoCopy
	}
	return e.open(r, false)
}

func (e *Engine) open(r *store.Repo, includePrivate bool) (*OpenCopy, error) {
	if e.cfg.Git == nil && !includePrivate {
		return nil, ErrNoGit
	}
	if err := e.prover.fit(r.ID()); err != nil {
		return nil, err
	}
	before, _ := r.Generation()
	t, err := r.Table()
	if err != nil {
		if now, _ := r.Generation(); now != before {
			e.schedule.Kick(r.ID()) // it has just been found damaged
		}
		return nil, err
	}
	if t.Generation == 0 {
		return nil, ErrNoCopy
	}
	return &OpenCopy{engine: e, view: serve.View{Repo: r, Table: t, IncludePrivate: includePrivate}}, nil
}

// Table is the generation it shows.
func (c *OpenCopy) Table() *refs.Table { return c.view.Table }

// Advertise answers GET info/refs?service=git-upload-pack.
func (c *OpenCopy) Advertise(w http.ResponseWriter, r *http.Request) {
	c.engine.serve.Advertise(w, r, c.view)
}

// UploadPack answers POST git-upload-pack. An error means that nothing was
// written: the repository has left this node, or cannot be read (a *FailedError,
// which holds what git had to say).
func (c *OpenCopy) UploadPack(w http.ResponseWriter, r *http.Request) error {
	return c.engine.serve.UploadPack(w, r, c.view)
}

// FailedError says that a pack could not be made, before anything of it was sent.
type FailedError = serve.FailedError

// Past is the file of what is remembered of a table, for peers.
func (e *Engine) Past(id string, digest refs.Digest) ([]byte, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, ErrNoCopy
	}
	data, err := r.Past(digest)
	if err != nil {
		return nil, fmt.Errorf("past %s is not here: %w", digest, ErrNoPast)
	}
	return data, nil
}

// Lost returns the table of a generation that may be lost elsewhere: the live
// one if it is that, else one that was set aside.
func (e *Engine) Lost(id string, generation uint64) (*refs.Table, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, ErrNoCopy
	}
	if live, _ := r.Generation(); live == generation {
		return r.Table()
	}
	t, err := r.Aside(generation)
	if err != nil {
		return nil, fmt.Errorf("generation %d is not here: %w", generation, ErrNoCopy)
	}
	return t, nil
}
