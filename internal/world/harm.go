package world

import (
	"errors"
	"strings"
	"syscall"

	"gitmirror/cluster"
	"gitmirror/internal/refusal"
	"gitmirror/membership"
)

// harm is something that was done to a node, for which its process may end, or not start.
type harm string

const (
	// Of its disk: it starts again when the disk is well.
	fullDisk    harm = "its disk was full"
	failingDisk harm = "its disk failed once"
	readOnly    harm = "its disk is read-only"
	frozenDisk  harm = "its disk was frozen"
	// Of its directory, which is of no use any more where it does not start.
	wiped     harm = "its directory is empty"
	logWiped  harm = "its log is gone"
	logBack   harm = "its log is an older one"
	bitInLog  harm = "a bit of its log is another"
	bitInCopy harm = "a bit of a copy is another"
	bitInCard harm = "a bit of its node.json is another"
	removed   harm = "it was removed from the cluster"
	newcomer  harm = "it is not in the cluster yet"
	// Of its cluster.
	superseded harm = "its cluster was recovered without it"
	// Not a harm: somebody wanted it.
	stoppedBefore harm = "it was stopped before it served"
	// Of a directory that another process had too.
	twin harm = "two processes were started from its directory"
)

// excuse is what a harm explains.
type excuse struct {
	ends func(error) bool // the end of a process by itself, or its refusal to start
	anew bool             // the node has to be made anew then
}

var excuses = map[harm]excuse{
	fullDisk:    {ends: either(says(syscall.ENOSPC), is(cluster.ErrStoreFailed))},
	failingDisk: {ends: either(says(syscall.EIO), is(cluster.ErrStoreFailed))},
	readOnly:    {ends: either(says(syscall.EROFS), is(cluster.ErrStoreFailed))},
	frozenDisk:  {ends: either(is(cluster.ErrDiskHung))},
	wiped:       {ends: either(is(refusal.ConflictNode), is(errStarting)), anew: true},
	newcomer:    {ends: either(is(errStarting))},
	logWiped:    {ends: either(is(cluster.ErrLogLost)), anew: true},
	logBack:     {ends: either(is(cluster.ErrLogLost)), anew: true},
	bitInLog:    {ends: either(is(cluster.ErrLogLost), is(cluster.ErrDamaged)), anew: true},
	bitInCopy:   {ends: either()},
	bitInCard:   {ends: func(error) bool { return true }, anew: true},
	removed:     {ends: either(is(membership.ErrOut), is(refusal.NodeRemoved), is(membership.ErrSuperseded)), anew: true}, // and then the cluster was recovered
	superseded:  {ends: either(is(membership.ErrSuperseded), is(errStarting))},
	twin:        {ends: either(is(membership.ErrCopied), is(refusal.NodeCopied))},
}

var (
	// errStarting says that a process took its time to serve, and was stopped.
	errStarting = errors.New("it did not start in time")
	// errStopped says that it was stopped or killed meanwhile.
	errStopped = errors.New("it was stopped before it served")
)

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// says is for errors that a library has put in its own words.
func says(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) || strings.Contains(err.Error(), target.Error()) }
}

func either(list ...func(error) bool) func(error) bool {
	return func(err error) bool {
		for _, is := range list {
			if is(err) {
				return true
			}
		}
		return false
	}
}

// suffer notes that a harm was done.
func (n *Node) suffer(h harm) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bear(h)
}

// bear is suffer with the lock held.
func (n *Node) bear(h harm) {
	n.harms[h] = true
	n.marred = n.marred || h == bitInCopy || h == twin || excuses[h].anew
}

// unmarred tells whether the node's directory was never touched.
func (n *Node) unmarred() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.marred
}

func (n *Node) recover(h harm) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.harms, h)
}

// renew takes back what was done to a directory that is not there any more.
func (n *Node) renew() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost, n.forsaken = false, false
	for h, e := range excuses {
		if e.anew {
			delete(n.harms, h)
		}
	}
}

// spoiled tells whether the node may have to be made anew.
func (n *Node) spoiled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.harms {
		if excuses[h].anew {
			return true
		}
	}
	return n.harms[twin]
}

func (n *Node) has(h harm) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.harms[h]
}

// excused says which harm explains the end of a process, empty where none does.
func (n *Node) excused(err error) harm {
	n.mu.Lock()
	defer n.mu.Unlock()
	if errors.Is(err, errStopped) {
		return stoppedBefore
	}
	for h := range n.harms {
		if ends := excuses[h].ends; ends != nil && ends(err) {
			return h
		}
	}
	return ""
}
