package fetch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/store"
)

// Limits is what a fetch may bring. Zero values bound nothing. What is beyond is a
// failure.TooLarge as soon as it is known, with nothing kept.
type Limits struct {
	Have   int64        // bytes that the copy has already
	Size   int64        // that it may have
	Object int64        // bytes that one object may have
	Accept []string     // flaws that objects may have, see gitflaw.Acceptable
	Set    string       // the command that changes them, for people
	Room   func() error // what the disk does not take more for; nil where it does
}

// Begin bounds what may come by the way: the size of a copy, and a little for TLS and
// HTTP.
func (l Limits) Begin(way remote.Way) *failure.Error {
	if l.Size <= 0 {
		return nil
	}
	left := l.Size - l.Have
	if left <= 0 {
		return l.TooMuch()
	}
	if way != nil {
		way.Limit(left + left/32 + 1<<20)
	}
	return nil
}

// exceeded is asked while packs come.
func (l Limits) exceeded(received int64) *failure.Error {
	if l.Size > 0 && l.Have+received > l.Size {
		return l.TooMuch()
	}
	return nil
}

// TooMuch is that there is more than a copy may have.
func (l Limits) TooMuch() *failure.Error {
	return failure.New(failure.TooLarge, fmt.Sprintf("the repository has more than %s, its --max-size; %s", humanize.IBytes(uint64(l.Size)), l.raise("--max-size SIZE")), nil)
}

// ObjectTooLarge is that an object has more bytes than one may have.
func (l Limits) ObjectTooLarge() *failure.Error {
	return failure.New(failure.TooLarge, fmt.Sprintf("an object has more than %s, the --max-object-size; %s", humanize.IBytes(uint64(l.Object)), l.raise("--max-object-size SIZE")), nil)
}

func (l Limits) raise(flag string) string { return "raise it with: " + l.Set + " " + flag }

// Accepting says how to take objects with these flaws, and those that are taken already.
func (l Limits) Accepting(flaws ...string) string {
	return "; where that is meant to be: " + l.Set + " --accept-flaws " + strings.Join(slices.Concat(l.Accept, flaws), ",")
}

// full tells that the disk takes no more: what is staged counts.
func (l Limits) full() *failure.Error {
	if l.Room == nil {
		return nil
	}
	if err := l.Room(); err != nil {
		return failure.Of(err)
	}
	return nil
}

// environ bounds what git may have in one piece: an object that it holds in memory, as
// it does all that are deltas. A delta of some bytes may make an object of any size.
func (l Limits) environ(memory int64) []string {
	if l.Object <= 0 {
		return nil
	}
	return []string{"GIT_ALLOC_LIMIT=" + strconv.FormatInt(l.piece(memory), 10)}
}

func (l Limits) piece(memory int64) int64 { return min(l.Object, memory/2) }

// explain says which limit it was that git ran into, and how to change it.
func (l Limits) explain(f *failure.Error, memory int64) *failure.Error {
	switch f.Class {
	case failure.Corrupt:
		if flaws := gitflaw.Reported(git.OwnWords(f.Message)); len(flaws) > 0 && l.Set != "" {
			f.Message += l.Accepting(flaws...)
		}
	case failure.TooLarge:
		if l.piece(memory) == l.Object {
			// git's list of the objects, some 64 bytes for each, is one piece too.
			f := l.ObjectTooLarge()
			f.Message = fmt.Sprintf("an object has more than %s, the --max-object-size, or there are so many (some %d or more) that git cannot list them in that; %s",
				humanize.IBytes(uint64(l.Object)), l.Object/64, l.raise("--max-object-size SIZE"))
			return f
		}
		f.Class = failure.OutOfMemory
		fallthrough
	case failure.OutOfMemory:
		f.Message = fmt.Sprintf("git needs more than the %s of memory that it may have here (--git-memory): %s", humanize.IBytes(uint64(memory)), f.Message)
	}
	return f
}

// growing is the object that comes just now: how many came whole before it, and how
// many bytes had come when that was first seen.
type growing struct {
	whole string
	at    int64
}

// objectExceeded finds an object that does not end, while it comes: more bytes than one
// may have, and no other has begun. git counts them once a second, so that some more
// bytes are let through. What git holds in memory it finds itself, sooner.
func (l Limits) objectExceeded(g *growing, line string, received int64) *failure.Error {
	const aSecond = 256 << 20
	count, ok := strings.CutPrefix(line, receiving)
	if !ok || l.Object <= 0 {
		return nil
	}
	if _, count, ok = strings.Cut(count, "("); !ok {
		return nil
	}
	if whole, _, _ := strings.Cut(count, "/"); whole != g.whole {
		*g = growing{whole, received}
	}
	if received-g.at > l.Object+aSecond {
		return l.ObjectTooLarge()
	}
	return nil
}

// Check looks for objects that git let through without holding them in memory.
func (l Limits) Check(st *store.Staging) error {
	received, _ := st.Received()
	if err := l.exceeded(received); err != nil {
		return err
	}
	if l.Object <= 0 {
		return nil
	}
	largest, err := st.Largest(l.Object)
	if err != nil {
		return failure.New(failure.Disk, "measure what was fetched: "+err.Error(), err)
	}
	if largest > l.Object {
		return l.ObjectTooLarge()
	}
	return nil
}
