package fsm

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

// Underway is a listing that is being made.
type Underway struct {
	By    *Node
	Since time.Time
	Pages int // of a forge, that were asked for
	Found int // repositories on these
	// Changed are the claims that were added, changed or taken.
	Changed int
	Until   time.Time // when the forge's limit is over, which is waited for; the zero time while nothing is
	Trouble string    // why the page that is asked for now was asked for in vain before; empty where it was not
}

// longest bounds what a node may say of how long something took, or will.
const longest = 30 * 24 * time.Hour

// Told is who told last that it is listing a source, 0 where that is over: it was written down, or a course without
// anything in it said so, which is told of a listing that came to nothing.
func (s *Source) Told() NodeNum {
	if proto.Size(s.Course) == 0 {
		return 0
	}
	return s.CourseBy
}

// Underway is the listing of a source that is being made, as far as it has been told: nil where nothing was, or
// whoever told it does not read the source any more, or may not.
func (v *View) Underway(src *Source) *Underway {
	c, owner := src.Course, src.Owner
	if row := v.Repo(src.Index); row != nil {
		owner = row.Owner
	}
	n := v.Node(src.Told())
	if n == nil || !n.State.Live() || owner != n.Num || src.Paused || src.Removing {
		return nil
	}
	if list, _ := v.Listers(src); src.IsForge() && !slices.Contains(list, n) {
		return nil
	}
	u := &Underway{By: n, Since: src.CourseAt.Add(-bounded(c.GetRanMs())), Pages: int(c.GetPages()), Found: int(c.GetFound()), Changed: int(c.GetChanged()), Trouble: c.GetTrouble()}
	if rest := bounded(c.GetRestMs()); rest > 0 {
		u.Until = src.CourseAt.Add(rest)
	}
	return u
}

func bounded(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), longest.Milliseconds())) * time.Millisecond
}

// runs notes how far a listing has come.
func (t *tables) runs(e entry, src *Source, c *command.Listing) {
	n := t.nodes.byID[c.GetNode()] // it is who may list
	next := *src
	next.Course, next.CourseAt, next.CourseBy = c.GetCourse(), e.at, n.Num
	t.putSource(e, &next)
}

// endCourse forgets a listing that is over, or came to nothing.
func (s *Source) endCourse() { s.Course, s.CourseAt, s.CourseBy = nil, fromMS(0), 0 }
