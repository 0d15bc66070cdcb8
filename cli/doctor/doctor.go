// Package doctor looks at what a node needs of its host, and of the network between it and
// others, and says of each what to do. It changes nothing but for files that it takes away
// again.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitmirror/api"
)

// The states of a check.
const (
	OK   = "ok"
	Warn = "warn" // it works, and may not for long, or not well
	Fail = "fail"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`   // what, like "peer n2"
	State  string `json:"state"`  // ok, warn or fail
	Detail string `json:"detail"` // what was seen
	Try    string `json:"try"`    // what to do; empty where it is ok
}

// Host is what is to be looked at. What is empty or nil is not.
type Host struct {
	Data      string                                // directory of a node
	Listens   []string                              // HOST:PORT that a node here would listen at
	Git       func(context.Context) (string, error) // the version of the git that a node would run, or why none would do
	Status    *api.Status                           // of the cluster, nil where no node answers
	Upstreams []string                              // hosts
	Unheard   error                                 // why no node answers
	Held      bool                                  // a process has the data directory
}

// bound is how long one check may take: a host that does not answer holds up no other.
const bound = 5 * time.Second

// Examine makes all checks side by side, and returns them in a fixed order. It takes as long
// as the slowest, or until ctx ends.
func (h Host) Examine(ctx context.Context) []Check {
	groups := []func(context.Context) []Check{h.git, h.descriptors, h.disk, h.ports, h.node, h.members, h.upstreams}
	lists := make([][]Check, len(groups))
	var wg sync.WaitGroup
	for i, look := range groups {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 2*bound)
			defer cancel()
			lists[i] = look(ctx)
		})
	}
	wg.Wait()
	return slices.Concat(lists...)
}

// Worst is the worst state of some checks.
func Worst(list []Check) string {
	worst := OK
	for _, c := range list {
		if c.State == Fail || c.State == Warn && worst == OK {
			worst = c.State
		}
	}
	return worst
}

func ok(name, format string, args ...any) Check {
	return Check{Name: name, State: OK, Detail: fmt.Sprintf(format, args...)}
}

func warn(name, try, format string, args ...any) Check {
	return Check{name, Warn, fmt.Sprintf(format, args...), try}
}

func fail(name, try, format string, args ...any) Check {
	return Check{name, Fail, fmt.Sprintf(format, args...), try}
}

func (h Host) git(ctx context.Context) []Check {
	if h.Git == nil {
		return nil
	}
	version, err := h.Git(ctx)
	switch {
	case err != nil:
		return []Check{warn("git", "install git, or put it on the PATH of the node: one without git brings objects by go-git, more slowly, and its clients get packs from other nodes", "%v", err)}
	case h.engine() == api.EngineGoGit:
		return []Check{warn("git", "start the node again, without --engine go-git", "version %s is here, and the node goes without: it brings objects by go-git", version)}
	}
	return []Check{ok("git", "version %s", version)}
}

// engine is that of the node that answers, empty where none does.
func (h Host) engine() string {
	if h.Status == nil {
		return ""
	}
	for _, n := range h.Status.Nodes {
		if n.Name == h.Status.AnsweredBy {
			return n.Engine
		}
	}
	return ""
}

func (h Host) node(context.Context) []Check {
	switch st := h.Status; {
	case st == nil && h.Unheard == nil:
		return nil
	case st == nil && h.Held:
		return []Check{fail("node", "look at its log: it may wait for others (--join, --bootstrap-expect), or be stopped (ps -o stat), or its disk hangs", "one runs with %s, and does not say how it is: %v", h.Data, h.Unheard)}
	case st == nil:
		return []Check{fail("node", "start a node here (gitmirror start), or say where one runs (--addr, --data)", "%v", h.Unheard)}
	case st.Verdict == api.Healthy:
		return []Check{ok("node", "%s answers, the cluster is healthy", st.AnsweredBy)}
	default:
		return []Check{warn("node", "gitmirror status", "%s answers, the cluster is %s", st.AnsweredBy, st.Verdict)}
	}
}
