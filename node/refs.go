package node

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// keyed is a ref with its place in the list: by name, the live one first, then the
// latest that is kept.
type keyed struct {
	key string
	ref refs.Ref
}

// Refs is a page of the refs of the copy here, live and kept.
func (c copies) Refs(id string, q api.RefQuery) (api.RefList, error) {
	out := api.RefList{Refs: []api.Ref{}}
	table, record, err := c.engine.Remembered(id)
	if errors.Is(err, mirror.ErrNoCopy) {
		return out, &api.Problem{Status: http.StatusNotFound, Code: "no_copy", Detail: err.Error()}
	} else if err != nil {
		return out, err
	}
	out.Generation = table.Generation
	if record != nil && record.Dropped.Count > 0 {
		out.GivenUp, out.GivenUpAt = record.Dropped.Count, &record.Dropped.Last
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil {
		return out, &api.Problem{Status: http.StatusBadRequest, Code: "query_invalid", Detail: "the cursor is not one that was given out"}
	}
	var list []keyed
	for _, r := range table.Refs {
		k := keyed{r.Name + "\x000", r}
		if !r.Public() {
			kept := record.KeptAs(r.Name)
			k.key = fmt.Sprintf("%s\x001%020d%s", kept.Name, math.MaxInt64-kept.At.Unix(), r.Name)
		} else if q.Kept {
			continue
		}
		name, _, _ := strings.Cut(k.key, "\x00")
		if k.key > string(after) && api.Matches(name, strings.ToLower(q.Pattern)) {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
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
				r.At = &kept.At
			}
		}
		out.Refs = append(out.Refs, r)
	}
	return out, nil
}
