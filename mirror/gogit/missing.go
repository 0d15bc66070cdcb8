package gogit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/mirror/failure"
)

// Absent returns those oids that the repository in dir does not have. Of those it has it may
// lack what they lead to: see Missing.
func (o *Objects) Absent(_ context.Context, dir string, oids []string) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	r, err := o.open(dir)
	if err != nil {
		return nil, failed(err)
	}
	defer r.close()
	return r.absent(oids)
}

func (r *reader) absent(oids []string) (absent []string, err error) {
	for _, oid := range oids {
		there, err := r.has(plumbing.NewHash(oid))
		if err != nil {
			return nil, failed(err)
		}
		if !there {
			absent = append(absent, oid)
		}
	}
	return absent, nil
}

// Missing returns those oids that the repository in dir does not have with all that they lead
// to. Whatever whole names is known to be there like that: the tips of a table. For the rest,
// that an object is present proves nothing; it is walked from there to what whole leads to.
// Errors are *failure.Error.
func (o *Objects) Missing(ctx context.Context, dir string, oids, whole []string) ([]string, error) {
	known := map[string]bool{}
	for _, oid := range whole {
		known[oid] = true
	}
	var asked []string
	for _, oid := range oids {
		if !known[oid] {
			known[oid] = true
			asked = append(asked, oid)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	r, err := o.open(dir)
	if err != nil {
		return nil, failed(err)
	}
	defer r.close()
	missing, err := r.absent(asked)
	if err != nil || len(missing) == len(asked) {
		return missing, err
	}
	gone := map[string]bool{}
	for _, oid := range missing {
		gone[oid] = true
	}
	present := slices.DeleteFunc(asked, func(oid string) bool { return gone[oid] })
	partial, err := r.partial(ctx, present, whole)
	return append(missing, partial...), err
}

// partial returns those of the oids that lead to something that is not there. Nearly always one
// walk from all of them finds none; else each half is walked for itself.
func (r *reader) partial(ctx context.Context, oids, whole []string) ([]string, error) {
	err := r.proof(ctx).connected(hashes(oids), hashes(whole))
	switch {
	case err == nil:
		return nil, nil
	case ctx.Err() != nil:
		return nil, failure.Of(context.Cause(ctx))
	case len(oids) > 1:
		first, err := r.partial(ctx, oids[:len(oids)/2], whole)
		if err != nil {
			return nil, err
		}
		second, err := r.partial(ctx, oids[len(oids)/2:], whole)
		return append(first, second...), err
	}
	// A walk that ends at what is not there after all says nothing of where it began.
	absent, aerr := r.absent(whole)
	if aerr == nil && len(absent) > 0 {
		aerr = failure.New(failure.Corrupt, fmt.Sprintf("%d objects that its refs name are missing, %s the first of them", len(absent), absent[0]), err)
	}
	if aerr == nil && !isMissing(err) {
		aerr = failed(err)
	}
	return oids, aerr
}

func isMissing(err error) bool { return errors.As(err, new(*missingError)) }
