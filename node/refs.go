package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/refusal"
	"gitmirror/mirror"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// keyed is a ref with its place in the list: by name, the live one first, then the
// latest that is kept.
type keyed struct {
	key string
	ref refs.Ref
}

// mostRefs is how many a page has at most, whoever asks.
const mostRefs = 1000

// Refs is a page of the refs of the copy here, live and kept.
func (c copies) Refs(ctx context.Context, id string, q api.RefQuery) (out api.RefList, err error) {
	err = c.engine.Recall(ctx, id, func(table *refs.Table, record *past.Record) error {
		out, err = pageOf(table, record, q)
		return err
	})
	switch {
	case errors.Is(err, mirror.ErrNoCopy):
		err = refusal.New(refusal.NoCopy, "%s", err)
	case errors.Is(err, mirror.ErrBusy):
		err = refusal.New(refusal.Busy, "%s", err)
	}
	return out, err
}

func pageOf(table *refs.Table, record *past.Record, q api.RefQuery) (api.RefList, error) {
	out := api.RefList{Refs: []api.Ref{}, Generation: table.Generation}
	if record != nil && record.Dropped.Count > 0 {
		last := record.Dropped.Last
		out.GivenUp, out.GivenUpAt = record.Dropped.Count, &last
	}
	q.Limit = min(max(q.Limit, 1), mostRefs)
	after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil {
		return out, refusal.New(refusal.QueryInvalid, "the cursor is not one that was given out")
	}
	list := page(table, record, q, string(after))
	for i, k := range list {
		if i == q.Limit {
			out.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(list[i-1].key))
			break
		}
		r := api.Ref{Ref: k.ref.Name, OID: k.ref.OID}
		if !k.ref.Public() {
			kept := record.KeptAs(k.ref.Name)
			r.Ref, r.Kept, r.ReplacedBy = kept.Name, true, kept.New
			if !kept.At.IsZero() {
				at := kept.At
				r.At = &at
			}
		}
		// A page that a client is slow to take must not hold all that it is from.
		r.Ref, r.OID, r.ReplacedBy = strings.Clone(r.Ref), strings.Clone(r.OID), strings.Clone(r.ReplacedBy)
		out.Refs = append(out.Refs, r)
	}
	return out, nil
}

// page lists the refs that q selects behind a key, one more than it wants at least,
// where there are so many. The live ones are sorted as they are.
func page(table *refs.Table, record *past.Record, q api.RefQuery, after string) []keyed {
	pattern := strings.ToLower(q.Pattern)
	var kept []keyed
	for _, r := range table.Refs {
		if r.Public() {
			continue
		}
		was := record.KeptAs(r.Name)
		if key := fmt.Sprintf("%s\x001%020d%s", was.Name, math.MaxInt64-was.At.Unix(), r.Name); key > after && api.Matches(was.Name, pattern) {
			kept = append(kept, keyed{key, r})
		}
		if len(kept) > 4*(q.Limit+1) {
			kept = firstOf(kept, q.Limit+1)
		}
	}
	kept = firstOf(kept, q.Limit+1)
	if q.Kept {
		return kept
	}
	name, _, _ := strings.Cut(after, "\x00")
	from, _ := slices.BinarySearchFunc(table.Refs, name, func(r refs.Ref, n string) int { return strings.Compare(r.Name, n) })
	var live []keyed
	for _, r := range table.Refs[from:] {
		if len(live) > q.Limit {
			break
		}
		if key := r.Name + "\x000"; r.Public() && key > after && api.Matches(r.Name, pattern) {
			live = append(live, keyed{key, r})
		}
	}
	return firstOf(append(live, kept...), q.Limit+1)
}

// firstOf sorts a list, and leaves no more than n of it.
func firstOf(list []keyed, n int) []keyed {
	slices.SortFunc(list, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	return list[:min(len(list), n)]
}
