// Package policy says how one repository is mirrored: what can be said of it, what is not
// possible, and what becomes of a change. The log, the API and the command line have
// their own spellings of it; what they mean is this.
package policy

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"gitmirror/internal/gitflaw"
	"gitmirror/internal/refusal"
)

// Policy is how one repository is mirrored. A zero field says nothing: see Resolved, and
// the limits of a node, for what counts then.
type Policy struct {
	Replicas    int           // nodes that shall have a copy
	Interval    time.Duration // between two checks; 0: learned from how often upstream changes
	RefPrefixes []string      // of the refs to mirror, like "refs/heads/"

	MaxSize, MaxObject int64    // bytes of the copy, and of one object; 0: the node's limits
	Accept             []string // flaws of objects, by git's ids, which are taken; not to be changed in place
}

// DefaultReplicas is what a policy means where it says nothing. The log means it too: another
// value needs another cluster format.
const DefaultReplicas = 2

// FirstInterval is what a policy meant that says nothing before intervals were learned.
const FirstInterval = time.Minute

var defaultRefPrefixes = []string{"refs/heads/", "refs/tags/"}

// Resolved has the defaults where p says nothing.
func (p Policy) Resolved() Policy {
	if p.Replicas == 0 {
		p.Replicas = DefaultReplicas
	}
	if len(p.RefPrefixes) == 0 {
		p.RefPrefixes = defaultRefPrefixes
	}
	return p
}

// Bounds of what is asked for.
const (
	MinInterval = time.Second
	maxInterval = 30 * 24 * time.Hour
	maxReplicas = 20
	leastLimit  = 1 << 10 // bytes: what a repository with anything in it needs
)

// Admit refuses a policy that makes no sense, with a *refusal.Error. The flaws come back
// as git spells them.
func (p Policy) Admit() (Policy, error) {
	if p.Replicas < 0 || p.Replicas > maxReplicas {
		return p, refusal.New(refusal.ReplicasInvalid, "%d replicas are not possible, 1 to %d are", p.Replicas, maxReplicas)
	}
	if p.Interval != 0 && (p.Interval < MinInterval || p.Interval > maxInterval) {
		return p, refusal.New(refusal.IntervalInvalid, "an interval of %s is not possible: %s to %s are, and auto", max(p.Interval, 0), MinInterval, maxInterval)
	}
	for _, n := range []int64{p.MaxSize, p.MaxObject} {
		if n < 0 || n > 0 && n < leastLimit {
			return p, refusal.New(refusal.LimitInvalid, "a limit of %d bytes is not possible: from %d up, or 0 for the nodes' own", n, leastLimit)
		}
	}
	var err error
	if p.Accept, err = gitflaw.Spelled(p.Accept); err != nil {
		return p, refusal.New(refusal.FlawInvalid, "%s", err).Try("these can be: %s", strings.Join(gitflaw.Acceptable, " "))
	}
	return p, nil
}

// Change is what shall become of a policy; nil leaves a field as it is.
type Change struct {
	Replicas           *int
	Interval           *time.Duration
	MaxSize, MaxObject *int64
	Accept             *[]string
}

// Of returns p as it is with the change.
func (c Change) Of(p Policy) Policy {
	set(&p.Replicas, c.Replicas)
	set(&p.Interval, c.Interval)
	set(&p.MaxSize, c.MaxSize)
	set(&p.MaxObject, c.MaxObject)
	set(&p.Accept, c.Accept)
	return p
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// Admit refuses a change to what makes no sense, as the policy's does.
func (c Change) Admit() (Change, error) {
	if c.Replicas != nil && *c.Replicas == 0 {
		return c, refusal.New(refusal.ReplicasInvalid, "0 replicas are not possible, 1 to %d are", maxReplicas)
	}
	p, err := c.Of(Policy{}).Admit()
	if c.Accept != nil {
		c.Accept = &p.Accept
	}
	return c, err
}

// Equal tells whether two policies say the same.
func (p Policy) Equal(q Policy) bool {
	return p.Replicas == q.Replicas && p.Interval == q.Interval && p.MaxSize == q.MaxSize && p.MaxObject == q.MaxObject &&
		slices.Equal(p.RefPrefixes, q.RefPrefixes) && slices.Equal(p.Accept, q.Accept)
}

// Hash adds all that the policy says, so that policies which differ hardly ever look alike.
func (p Policy) Hash(h *maphash.Hash) {
	var b []byte
	for _, n := range []uint64{uint64(p.Replicas), uint64(p.Interval), uint64(p.MaxSize), uint64(p.MaxObject)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	for _, list := range [][]string{p.RefPrefixes, p.Accept} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	_, _ = h.Write(b)
}
