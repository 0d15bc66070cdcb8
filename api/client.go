package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// ErrStrange reports that what answered says nothing that a node would.
var ErrStrange = errors.New("what answered is no gitmirror node, or one of another time")

// ErrNoNode reports that none of the addresses answered.
var ErrNoNode = errors.New("no gitmirror node answered")

// Client asks any node of a cluster. It is safe for concurrent use.
type Client struct {
	addrs    []address
	http     *http.Client
	answered atomic.Pointer[string] // the address that did so last
}

const dialTimeout = 3 * time.Second

// NewClient returns a client for base URLs like http://127.0.0.1:7654 and sockets like
// unix:///var/lib/gitmirror/api.sock (see SocketAddr), asked in turn until one answers, the
// next when one takes its time. A bare host:port is taken as http.
func NewClient(addrs ...string) *Client { return NewClientOn(network.Host, addrs...) }

// NewClientOn is NewClient on another network than this machine's.
func NewClientOn(on network.Network, addrs ...string) *Client {
	c := &Client{}
	for _, a := range addrs {
		for part := range strings.SplitSeq(a, ",") {
			if part = strings.TrimRight(strings.TrimSpace(part), "/"); part != "" {
				c.addrs = append(c.addrs, addressOf(part, len(c.addrs)))
			}
		}
	}
	c.http = &http.Client{Transport: &http.Transport{
		// An address that does not even refuse leaves time for the next.
		DialContext: func(ctx context.Context, net, host string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			if path := c.socketAt(host); path != "" {
				net, host = "unix", path
			}
			return on.DialContext(ctx, net, host)
		},
		MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}}
	return c
}

// Addrs are the base URLs and sockets that the client tries.
func (c *Client) Addrs() []string {
	list := make([]string, len(c.addrs))
	for i, a := range c.addrs {
		list[i] = a.text
	}
	return list
}

// Answered is the address that has decided the last call, empty while none has.
func (c *Client) Answered() string {
	if by := c.answered.Load(); by != nil {
		return *by
	}
	return ""
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request and where its answer goes.
type call struct {
	method, path string
	query        url.Values
	body         any    // encoded as JSON where not nil
	key          string // Idempotency-Key
	harmless     bool   // when done twice; GET is, and what has a key
	out          any
}

// hedgeAfter is how long one address may take before the next is asked besides: a
// node that is frozen takes calls, and answers none.
const hedgeAfter = 2 * time.Second

// patience is hedgeAfter, or less where ctx ends before all would have been asked.
func (c *Client) patience(ctx context.Context) time.Duration {
	if end, bounded := ctx.Deadline(); bounded {
		return min(hedgeAfter, time.Until(end)/time.Duration(len(c.addrs)+1))
	}
	return hedgeAfter
}

// do asks the addresses in turn, the next when one has failed, or is slow with what may
// be done twice, and takes the first answer. A problem is an answer, unless it says that this node cannot
// decide (503) and another may.
func (c *Client) do(ctx context.Context, rq call) error {
	var body []byte
	if rq.body != nil {
		var err error
		if body, err = json.Marshal(rq.body); err != nil {
			return err
		}
	}
	if len(c.addrs) == 0 {
		return fmt.Errorf("%w: no address given", ErrNoNode)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of whom was asked in vain
	type reply struct {
		addr string
		answer
		err error
	}
	replies, patience := make(chan reply, len(c.addrs)), c.patience(ctx)
	var undecided, unavailable, unreachable error
	for asked, answered := 0, 0; answered < len(c.addrs); {
		var slow <-chan time.Time
		if asked < len(c.addrs) {
			addr := c.addrs[asked]
			asked++
			go func() {
				said, err := c.ask(ctx, addr, rq, body)
				replies <- reply{addr.text, said, err}
			}()
			if asked < len(c.addrs) && (rq.harmless || rq.key != "" || rq.method == http.MethodGet) {
				t := time.NewTimer(patience)
				defer t.Stop()
				slow = t.C
			}
		}
		var r reply
		select {
		case <-slow:
			continue
		case r = <-replies:
			answered++
		}
		var p *Problem
		switch {
		case r.err == nil:
			c.answered.Store(&r.addr)
			if err := r.decode(rq.out); err != nil {
				return strange{fmt.Errorf("%s answered with something that is not the API's: %w: is this a gitmirror node?", r.addr, err)}
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(r.err, &p) && p.Code == string(refusal.UnknownOutcome):
			undecided = r.err
		case errors.As(r.err, &p) && p.Status == http.StatusServiceUnavailable:
			unavailable = r.err
		case errors.As(r.err, &p):
			c.answered.Store(&r.addr)
			return r.err
		case rq.method != http.MethodGet && !rq.harmless && !network.NotDialled(r.err):
			undecided = ProblemOf(refusal.New(refusal.UnknownOutcome, "%s did not answer; the write may or may not have happened", r.addr))
		default:
			unreachable = r.err
		}
	}
	// What may have happened is told, whatever else others said.
	if err := cmp.Or(undecided, unavailable); err != nil {
		return err
	}
	return fmt.Errorf("%w at %s: %w", ErrNoNode, strings.Join(c.Addrs(), ", "), unreachable)
}

// strange is an error that is ErrStrange.
type strange struct{ error }

func (strange) Is(target error) bool { return target == ErrStrange }

// answer is what is no problem.
type answer struct {
	status int
	data   []byte
}

func (c *Client) ask(ctx context.Context, addr address, rq call, body []byte) (said answer, err error) {
	target := addr.base + "/api/v1/" + rq.path
	if len(rq.query) > 0 {
		target += "?" + rq.query.Encode()
	}
	ctx, sent := network.Sending(ctx)
	req, err := http.NewRequestWithContext(ctx, rq.method, target, bytes.NewReader(body))
	if err != nil {
		return said, err
	}
	if addr.socket != "" {
		req.Host = "localhost"
	}
	if rq.method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	if rq.key != "" {
		req.Header.Set("Idempotency-Key", rq.key)
	}
	resp, err := c.http.Do(req)
	if err != nil && sent() {
		return said, fmt.Errorf("%s broke off: %v", addr.text, err) // that it then did not even connect tells nothing
	}
	if err != nil {
		return said, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return said, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode >= 400 {
		return said, problemOf(addr, resp, data)
	}
	return answer{resp.StatusCode, data}, nil
}

// decode reads an answer into out; where that is nil, the answer is that there is none. What is not
// there would be taken for empty: the first field of each kind of answer is in all there have ever
// been, and has to be there.
func (a answer) decode(out any) error {
	data := bytes.TrimSpace(a.data)
	switch {
	case out == nil && a.status != http.StatusNoContent:
		return fmt.Errorf("it should have none, and is %d", a.status)
	case out == nil:
		return nil
	case len(data) == 0:
		return errors.New("it is empty")
	}
	if err := json.Unmarshal(data, out); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	first := firstField(reflect.TypeOf(out).Elem())
	if _, there := fields[first]; !there {
		return fmt.Errorf("it has no %q", first)
	}
	return nil
}

// firstField is the name in JSON of the first field that is always there.
func firstField(t reflect.Type) string {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && !strings.Contains(options, "omit") {
			return name
		}
	}
	return ""
}

func problemOf(addr address, resp *http.Response, data []byte) error {
	p := &Problem{}
	if err := json.Unmarshal(data, p); err != nil || p.Code == "" {
		return fmt.Errorf("%s answered %s: is this a gitmirror node?", addr.text, resp.Status)
	}
	p.Status = resp.StatusCode
	return p
}

// What is asked for with a body, or a query of its own, is called beside that: policy.go,
// holds.go, nodes.go.

// Status returns the cluster's state.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, c.do(ctx, call{method: http.MethodGet, path: "status", out: &s})
}

// Query selects repos.
type Query struct {
	Pattern string // part of the name, or a glob
	State   string
	Stale   bool // those alone that were not checked for three intervals, as far as their owners answer
	Limit   int
	Cursor  string
}

// Repos returns one page. It may be short, and empty, while NextCursor is set.
func (c *Client) Repos(ctx context.Context, q Query) (*RepoList, error) {
	v := url.Values{}
	for key, value := range map[string]string{"q": q.Pattern, "state": q.State, "cursor": q.Cursor} {
		if value != "" {
			v.Set(key, value)
		}
	}
	if q.Stale {
		v.Set("stale", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var l RepoList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "repos", query: v, out: &l})
}

// Repo returns one repo by name.
func (c *Client) Repo(ctx context.Context, name string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodGet, path: "repos/" + escapeName(name), out: &r})
}

// Find is Repo for who looks: what is no name, nor a URL, may be what one name alone ends in.
func (c *Client) Find(ctx context.Context, text string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodGet, path: "repos/" + escapeName(text), query: url.Values{"ending": {"true"}}, out: &r})
}

// Remove has every copy of a repo deleted.
func (c *Client) Remove(ctx context.Context, name, key string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "repos/" + escapeName(name), key: key})
}

// Sync has upstream asked now. With wait it returns what that came to, at the
// latest after wait.
func (c *Client) Sync(ctx context.Context, name string, wait time.Duration) (*SyncOutcome, error) {
	v := url.Values{}
	if wait > 0 {
		v.Set("wait", wait.String())
	}
	var s SyncOutcome
	return &s, c.do(ctx, call{method: http.MethodPost, path: "repos/" + escapeName(name) + ":sync", query: v, harmless: true, out: &s})
}

// escapeName leaves the slashes of a name as they are; what stands between two of a URL would
// be taken for nothing.
func escapeName(name string) string {
	if strings.Contains(name, "//") {
		return url.PathEscape(name)
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
