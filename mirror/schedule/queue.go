package schedule

import "container/heap"

// queue holds what is due at some time, the earliest first. Of a repository in it the
// phase is Queued.
type queue struct{ items entries }

// set makes r due at due, replacing what was set before.
func (q *queue) set(r *repo, due instant) {
	r.due = due
	if r.phase == Queued {
		heap.Fix(&q.items, int(r.pos))
		return
	}
	r.phase = Queued
	heap.Push(&q.items, r)
}

// advance is set where that makes r due earlier, or at all.
func (q *queue) advance(r *repo, due instant) {
	if r.phase != Queued || due < r.due {
		q.set(r, due)
	}
}

// remove takes r out.
func (q *queue) remove(r *repo) {
	if r.phase == Queued {
		heap.Remove(&q.items, int(r.pos))
		r.phase = Idle
	}
}

// pop removes and returns the earliest that is due at now, nil for none.
func (q *queue) pop(now instant) *repo {
	if len(q.items) == 0 || q.items[0].due > now {
		return nil
	}
	r := heap.Pop(&q.items).(*repo)
	r.phase = Idle
	return r
}

// next returns the earliest due time.
func (q *queue) next() (instant, bool) {
	if len(q.items) == 0 {
		return never, false
	}
	return q.items[0].due, true
}

type entries []*repo

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return h[i].due < h[j].due }
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = int32(i), int32(j)
}
func (h *entries) Push(x any) {
	r := x.(*repo)
	r.pos = int32(len(*h))
	*h = append(*h, r)
}
func (h *entries) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
