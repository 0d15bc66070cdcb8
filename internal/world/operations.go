package world

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// Outcome is what is known of an operation when it has returned.
type Outcome string

const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // by a rule: nothing was done, and Code says why
	Not     Outcome = "not"     // nobody could do it: nothing was done
	Unknown Outcome = "unknown" // it was done, is done later, or never
)

// Operation is something that a person has asked of a cluster, by one request or by several
// with the same key.
type Operation struct {
	What    string // add, rm, set, look, approve, restore, "node rm"
	Subject string // a repository's name, or a node's
	Input   string // what else it says
	Key     string // Idempotency-Key, empty for none

	Nodes    []string  // that were asked, one after the other
	Invoked  time.Time // the first request was made
	Returned time.Time // the last was answered, or given up; zero while that is not so
	Outcome  Outcome
	Code     string // of a refusal
	Output   string // what the answer says
	// Doubted is set where an earlier request with the key had an unknown outcome: what
	// the last one was told is of the operation only where it was done.
	Doubted bool
}

// operations are all of a run, in the order in which they were invoked.
type operations struct {
	mu   sync.Mutex
	list []*Operation
}

// begin notes that an operation is invoked now.
func (o *operations) begin(op Operation) *Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.Invoked = time.Now()
	o.list = append(o.list, &op)
	return &op
}

// asked notes what a node made of it. Unknown stays, unless a later request is answered.
func (o *operations) asked(op *Operation, n *Node, output string, err error) Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.Nodes = append(op.Nodes, n.Name)
	outcome, code := outcomeOf(err)
	if op.Outcome == Unknown {
		op.Doubted = true
		if outcome == Not {
			return Unknown
		}
	}
	op.Outcome, op.Code, op.Output = outcome, code, output
	return outcome
}

// end notes that it returns now.
func (o *operations) end(op *Operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.Returned = time.Now()
}

// all are the operations so far. What has not returned has no time of that.
func (o *operations) all() []Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Operation, len(o.list))
	for i, op := range o.list {
		list[i] = *op
		list[i].Nodes = slices.Clone(op.Nodes)
	}
	return list
}

// outcomeOf is what a client's error says of a request.
func outcomeOf(err error) (Outcome, string) {
	var p *api.Problem
	switch {
	case err == nil:
		return Done, ""
	case errors.As(err, &p):
		switch {
		case errors.Is(p, refusal.UnknownOutcome), p.Status == http.StatusInternalServerError, p.Status == http.StatusGatewayTimeout:
			return Unknown, p.Code
		case p.Status == http.StatusServiceUnavailable:
			return Not, p.Code
		}
		return Refused, p.Code
	case errors.Is(err, api.ErrNoNode):
		return Not, ""
	}
	return Unknown, ""
}

// request is one request at one node, and what the answer says.
type request func(ctx context.Context, n *Node, key string) (output string, err error)

const (
	requestBound = 15 * time.Second
	requests     = 4
)

// ask has a person ask a node, and others in turn while that comes to nothing: what may have
// been done only with a key.
func (r *run) ask(op Operation, first int, do request) Operation {
	nodes := r.nodes()
	running := r.ops.begin(op)
	for i := range requests {
		n := nodes[(first+i)%len(nodes)]
		ctx, cancel := context.WithTimeout(context.Background(), requestBound)
		output, err := do(ctx, n, op.Key)
		cancel()
		outcome := r.ops.asked(running, n, output, err)
		if outcome == Done || outcome == Refused || outcome == Unknown && op.Key == "" {
			break
		}
		time.Sleep(time.Second)
	}
	r.ops.end(running)
	r.happened(running.What + " " + string(running.Outcome) + " " + running.Code)
	return *running
}
