package cli

import (
	"fmt"
	"strings"
	"testing"

	"gitmirror/api"
)

// All of what was removed is listed, page by page, or as many as are wanted.
func TestTrashLs(t *testing.T) {
	const total = 1203
	f := fakeNode(t, func(_ int, r request) any {
		_, query, _ := strings.Cut(r.line, "?")
		limit, from := 0, 0
		for part := range strings.SplitSeq(query, "&") {
			_, _ = fmt.Sscanf(part, "limit=%d", &limit)
			_, _ = fmt.Sscanf(part, "cursor=%d", &from)
		}
		l := api.TrashList{Total: total}
		for i := from; i < min(from+limit, total); i++ {
			l.Trash = append(l.Trash, api.Trashed{Name: fmt.Sprintf("a/%d", i)})
		}
		if from+limit < total {
			l.NextCursor = fmt.Sprint(from + limit)
		}
		return l
	})
	if r := run(t, "trash", "ls", "-q").want(t, exitOK); strings.Count(r.out, "\n") != total || !strings.Contains(r.out, "a/1202\n") || r.err != "" {
		t.Errorf("%d lines, %s", strings.Count(r.out, "\n"), r.err)
	}
	n := len(f.requests())
	r := run(t, "trash", "ls", "--limit", "501").want(t, exitOK)
	contains(t, "stderr", r.err, "and 702 more")
	if strings.Count(r.out, "a/") != 501 || !strings.Contains(f.requests()[n+1].line, "limit=1") {
		t.Errorf("%d are listed, of %v", strings.Count(r.out, "a/"), f.requests()[n:])
	}
	run(t, "trash", "ls", "--limit", "0").want(t, exitUsage)

	fakeNode(t, func(int, request) any { return api.TrashList{NextCursor: "same"} })
	contains(t, "stderr", run(t, "trash", "ls").want(t, exitFailed).err, "does not get past the page")
}

// Who waits for what was restored waits for its copies, as their nodes say that they are there;
// not for upstream, which may be gone.
func TestTrashRestoreWaits(t *testing.T) {
	gen := func(n uint64) *uint64 { return &n }
	row := func(state string, also []string, one, two *uint64) api.Repo {
		return api.Repo{Name: "a/b", State: state, Also: also, Owner: "n1", Generation: 7, Policy: api.Policy{Replicas: 2},
			Copies: []api.Copy{{Node: "n1", State: "ready", Generation: 7, Live: one}, {Node: "n2", State: "ready", Generation: 7, Live: two}, {Node: "n3", State: "ready", Generation: 7, Away: "down"}}}
	}
	there := row("failing", []string{"copying: 2 of 3"}, gen(7), gen(7))
	there.Also = nil
	waits := []api.Repo{
		row("ready", nil, nil, nil), row("ready", nil, gen(7), nil), row("ready", nil, gen(7), gen(6)), row("behind", nil, gen(7), gen(7)),
		row("failing", []string{"copying: 1 of 2 copies"}, gen(7), gen(7)), row("pending", nil, gen(7), gen(7)),
	}
	for i := range waits {
		f := fakeNode(t, func(_ int, r request) any {
			if strings.HasSuffix(r.line, ":restore") {
				return waits[0]
			}
			return waits[i]
		})
		r := run(t, "trash", "restore", "a/b", "--wait", "--timeout", "300ms").want(t, exitTimeout)
		contains(t, "stderr", r.err, "a/b is not ready yet")
		if len(f.requests()) < 2 {
			t.Errorf("it has looked %d times", len(f.requests()))
		}
	}
	fakeNode(t, func(n int, r request) any {
		if strings.HasSuffix(r.line, ":restore") || n == 2 {
			return waits[0]
		}
		return there
	})
	r := run(t, "trash", "restore", "a/b", "--wait").want(t, exitOK)
	contains(t, "stdout", r.out, "Restored a/b at generation 7, on n1, n2 and n3", "Ready after", "a/b, generation 7")

	fakeNode(t, func(_ int, r request) any {
		if strings.HasSuffix(r.line, ":restore") {
			return waits[0]
		}
		return row(api.StateRemoving, nil, nil, nil)
	})
	contains(t, "stderr", run(t, "trash", "restore", "a/b", "--wait").want(t, exitFailed).err, "a/b was removed again")
}
