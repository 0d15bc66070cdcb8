package node

import (
	"context"
	"errors"
	"iter"

	"gitmirror/internal/egress"
	"gitmirror/internal/giturl"
	"gitmirror/mirror"
	"gitmirror/mirror/tree"
	"gitmirror/source/index"
	"gitmirror/source/lister"
)

// indexes are the copies of indexes that the engine has, in the lister's terms.
type indexes struct{ engine *mirror.Engine }

func (x indexes) Index(repo string, generation uint64, ref string) (index.Tree, func(), error) {
	files, done, err := x.engine.Files(repo, generation, ref)
	switch {
	case errors.Is(err, mirror.ErrOtherGeneration), errors.Is(err, mirror.ErrNoCopy):
		return nil, nil, errors.Join(lister.ErrNotYet, err)
	case err != nil:
		return nil, nil, err
	}
	return indexFiles{files}, done, nil
}

func (x indexes) File(repo string, generation uint64, name string, most int64) (id string, data []byte, err error) {
	files, done, err := x.engine.Files(repo, generation, "")
	switch {
	case errors.Is(err, mirror.ErrOtherGeneration), errors.Is(err, mirror.ErrNoCopy):
		return "", nil, errors.Join(lister.ErrNotYet, err)
	case errors.Is(err, mirror.ErrNoRef):
		return "", nil, nil // HEAD leads nowhere
	case err != nil:
		return "", nil, err
	}
	defer done()
	f, there, err := files.Find(name)
	if err != nil || !there {
		return "", nil, err
	}
	if f.Size <= most {
		data, err = files.Read(f)
	}
	return f.ID, data, err
}

func (x indexes) Sync(ctx context.Context, repo string) (well bool, err error) {
	res, err := x.engine.Sync(ctx, repo)
	return err == nil && res.Failure == nil && res.Hold == nil, err
}

type indexFiles struct{ of mirror.Tree }

func (t indexFiles) Files() iter.Seq2[index.File, error] {
	return func(yield func(index.File, error) bool) {
		for f, err := range t.of.Files() {
			if !yield(index.File(f), err) {
				return
			}
		}
	}
}

func (t indexFiles) Read(f index.File) ([]byte, error) { return t.of.Read(tree.File(f)) }

// denies says why an upstream's address must not be asked, nil where it may.
func denies(policy *egress.Policy) func(url string) error {
	return func(url string) error {
		u, err := giturl.Parse(url)
		if err != nil {
			return err
		}
		if addr, is := u.Literal(); is {
			return policy.Check(addr)
		}
		return nil
	}
}
