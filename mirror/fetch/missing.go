package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
)

// unaided has git look at the objects themselves: the commit-graph names commits whether
// they are there or not.
var unaided = []git.Setting{{Key: "core.commitGraph", Value: "false"}}

// Absent returns those oids that the repository in dir does not have. Of those it has it may
// lack what they lead to: see Missing.
func (f *Fetcher) Absent(ctx context.Context, dir string, oids []string) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	cmd := f.git.Command(ctx, dir, "cat-file", "--batch-check=%(objectname)", "--buffer")
	cmd.Stdin = strings.NewReader(strings.Join(oids, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(err)
	}
	var absent []string
	for line := range bytes.Lines(out) {
		if oid, ok := strings.CutSuffix(strings.TrimSpace(string(line)), " missing"); ok {
			absent = append(absent, oid)
		}
	}
	return absent, nil
}

// Missing returns those oids that the repository in dir does not have with all that they lead
// to. Whatever whole names is known to be there like that: the tips of a table. For the rest,
// that an object is present proves nothing, since something may have been pruned; it is walked
// from there to what whole leads to. Errors are *failure.Error.
func (f *Fetcher) Missing(ctx context.Context, dir string, oids, whole []string) ([]string, error) {
	known := make(map[string]bool, len(whole)+len(oids))
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
	missing, err := f.Absent(ctx, dir, asked)
	if err != nil || len(missing) == len(asked) {
		return missing, err
	}
	absent := map[string]bool{}
	for _, oid := range missing {
		absent[oid] = true
	}
	present := asked[:0]
	for _, oid := range asked {
		if !absent[oid] {
			present = append(present, oid)
		}
	}
	q := proofs{f, ctx, dir, whole}
	partial, err := q.partial(present)
	return append(missing, partial...), err
}

// proofs walks from objects to what is known to be whole in a repository.
type proofs struct {
	*Fetcher
	ctx   context.Context
	dir   string
	whole []string
}

// partial returns those of the oids that lead to something that is not there. Nearly always
// one walk from all of them finds none; else each half is walked for itself.
func (q *proofs) partial(oids []string) ([]string, error) {
	err := q.connected(oids)
	switch {
	case err == nil:
		q.whole = append(q.whole[:len(q.whole):len(q.whole)], oids...)
		return nil, nil
	case errors.Is(err, ErrInconclusive):
		return nil, failedIn(q.ctx, err)
	case len(oids) > 1:
		first, err := q.partial(oids[:len(oids)/2])
		if err != nil {
			return nil, err
		}
		second, err := q.partial(oids[len(oids)/2:])
		return append(first, second...), err
	}
	// A walk that ends at what is not there after all says nothing of where it began.
	absent, aerr := q.Absent(q.ctx, q.dir, q.whole)
	if aerr == nil && len(absent) > 0 {
		aerr = failure.New(failure.Corrupt, fmt.Sprintf("%d objects that its refs name are missing, %s the first of them", len(absent), absent[0]), err)
	}
	return oids, aerr
}

// connected returns an error when not everything that the oids lead to is there, as far as
// whole does not: evidence of that, or one that wraps ErrInconclusive.
func (q *proofs) connected(oids []string) error {
	var in strings.Builder
	for _, oid := range oids {
		in.WriteString(oid + "\n")
	}
	for _, oid := range q.whole {
		in.WriteString("^" + oid + "\n")
	}
	cmd := q.git.CommandWith(q.ctx, q.dir, unaided, "rev-list", "--objects", "--quiet", "--stdin")
	cmd.Stdin = strings.NewReader(in.String())
	if err := cmd.RunCaptured(); err != nil {
		return evidence(q.ctx, err)
	}
	return nil
}
