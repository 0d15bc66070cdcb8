// Package schedule decides when the next check of an upstream is due, and
// keeps what is due in order. It has no clock and no goroutine.
package schedule

import (
	"container/heap"
	"time"
)

// Queue holds at most one due time per id, earliest first. It is not safe for
// concurrent use.
type Queue struct {
	items entries
	index map[string]*entry
}

type entry struct {
	id  string
	due time.Time
	pos int
}

// Set makes id due at due, replacing what was set before.
func (q *Queue) Set(id string, due time.Time) {
	if e := q.index[id]; e != nil {
		e.due = due
		heap.Fix(&q.items, e.pos)
		return
	}
	if q.index == nil {
		q.index = map[string]*entry{}
	}
	e := &entry{id: id, due: due}
	q.index[id] = e
	heap.Push(&q.items, e)
}

// Advance is Set where that makes id due earlier, or at all.
func (q *Queue) Advance(id string, due time.Time) {
	if e := q.index[id]; e == nil || due.Before(e.due) {
		q.Set(id, due)
	}
}

// Due returns when id is due.
func (q *Queue) Due(id string) (time.Time, bool) {
	e := q.index[id]
	if e == nil {
		return time.Time{}, false
	}
	return e.due, true
}

// Remove forgets id.
func (q *Queue) Remove(id string) {
	if e := q.index[id]; e != nil {
		heap.Remove(&q.items, e.pos)
		delete(q.index, id)
	}
}

// Pop removes and returns the earliest id that is due at now.
func (q *Queue) Pop(now time.Time) (id string, ok bool) {
	if len(q.items) == 0 || q.items[0].due.After(now) {
		return "", false
	}
	e := heap.Pop(&q.items).(*entry)
	delete(q.index, e.id)
	return e.id, true
}

// Next returns the earliest due time.
func (q *Queue) Next() (time.Time, bool) {
	if len(q.items) == 0 {
		return time.Time{}, false
	}
	return q.items[0].due, true
}

type entries []*entry

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
func (h *entries) Push(x any) {
	e := x.(*entry)
	e.pos = len(*h)
	*h = append(*h, e)
}
func (h *entries) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
