package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gitmirror/api"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// dialTimeout bounds connecting to a peer.
const dialTimeout = 2 * time.Second

// Client calls other nodes by their peer address. Every call ends: an answer
// begins within 5 s and then makes progress, or the peer is given up (see
// SilentError). It is safe for concurrent use.
type Client struct {
	cluster func() string
	http    *http.Transport
	former  func() []string
	called  func(Call)
	quick   patience     // of calls that a node answers from what it has
	doubted atomic.Int64 // when idle connections were let go of last, in Unix nanoseconds
}

// NewClient returns a client that names cluster() with every call, empty while
// this node has not joined one. called is told of each call; it must not block, and may be
// nil.
func NewClient(on network.Network, cluster func() string, called func(Call)) *Client {
	if called == nil {
		called = func(Call) {}
	}
	return &Client{cluster: cluster, former: func() []string { return nil }, called: called, quick: patience{answerWithin, stallAfter, enough}, http: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return on.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,

		MaxResponseHeaderBytes: maxHeaders,
	}}
}

// Remembering has the client say with every call which ids its cluster had before it was
// recovered. It must be called before anything else.
func (c *Client) Remembering(former func() []string) *Client {
	c.former = former
	return c
}

// name says of which cluster a call is.
func (c *Client) name(h http.Header) {
	h.Set(headerCluster, c.cluster())
	if former := c.former(); len(former) > 0 {
		h.Set(headerFormer, strings.Join(former, " "))
	}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Transport is the round tripper for forwarded requests: an answer begins
// within begin and then makes progress. 0 leaves the beginning to the request's
// context.
func (c *Client) Transport(begin time.Duration) http.RoundTripper {
	return roundTripper{c, patience{begin, quietAfter, 1}}
}

type roundTripper struct {
	c        *Client
	patience patience
}

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	rt.c.name(r.Header)
	r.Host = hostName
	return rt.c.do(r, rt.patience)
}

// Hello asks who is at addr.
func (c *Client) Hello(ctx context.Context, addr string) (Hello, error) {
	var h Hello
	err := c.call(ctx, c.quick, http.MethodGet, addr, pathHello, nil, &h)
	return h, err
}

// Join asks the leader at addr to take this node in.
func (c *Client) Join(ctx context.Context, addr string, rq JoinRequest) (JoinAnswer, error) {
	var a JoinAnswer
	err := c.call(ctx, c.quick, http.MethodPost, addr, pathJoin, rq, &a)
	return a, err
}

// Meet tells the node at addr that this one waits for a cluster.
func (c *Client) Meet(ctx context.Context, addr string, rq MeetRequest) (MeetAnswer, error) {
	var a MeetAnswer
	err := c.call(ctx, c.quick, http.MethodPost, addr, pathMeet, rq, &a)
	return a, err
}

// ReadIndex asks the leader at addr.
func (c *Client) ReadIndex(ctx context.Context, addr string) (uint64, error) {
	var a struct {
		Index uint64 `json:"index"`
	}
	err := c.call(ctx, c.quick, http.MethodGet, addr, pathIndex, nil, &a)
	return a.Index, err
}

// Live asks the node at addr for what it knows of repos it works on.
func (c *Client) Live(ctx context.Context, addr string, ids []string) (LiveAnswer, error) {
	var a LiveAnswer
	err := c.call(ctx, c.quick, http.MethodPost, addr, pathLive, ids, &a)
	return a, err
}

// Sync has the owner at addr ask upstream now. Where it waits for what that
// comes to, the peer says nothing until then, and ctx is the bound.
func (c *Client) Sync(ctx context.Context, addr, id string, wait bool) (api.SyncOutcome, error) {
	var o api.SyncOutcome
	p := c.quick
	if wait {
		p.begin = 0
	}
	err := c.call(ctx, p, http.MethodPost, addr, fmt.Sprintf("/peer/v1/repos/%s/sync?wait=%t", url.PathEscape(id), wait), struct{}{}, &o)
	return o, err
}

// Fresh has the owner at addr make sure that what it has published is new enough, see Node. The
// peer says nothing until then, and ctx is the bound.
func (c *Client) Fresh(ctx context.Context, addr, id string, after time.Time) (generation uint64, err error) {
	p := c.quick
	p.begin = 0
	err = c.call(ctx, p, http.MethodPost, addr, fmt.Sprintf("/peer/v1/repos/%s/fresh", url.PathEscape(id)), after, &generation)
	return generation, err
}

// Doubt tells the node at addr that what it sent of a repo is damaged.
func (c *Client) Doubt(ctx context.Context, addr, id string) error {
	var none struct{}
	return c.call(ctx, c.quick, http.MethodPost, addr, fmt.Sprintf("/peer/v1/repos/%s/doubt", url.PathEscape(id)), none, &none)
}

// Maintain has the node at addr work on its copy of a repo, and returns how it was kept before.
func (c *Client) Maintain(ctx context.Context, addr, id string, work api.Work) (api.Upkeep, error) {
	var u api.Upkeep
	err := c.call(ctx, c.quick, http.MethodPost, addr, fmt.Sprintf("/peer/v1/repos/%s/maintain?work=%s", url.PathEscape(id), url.QueryEscape(string(work))), struct{}{}, &u)
	return u, err
}

// Table fetches the ref table the node at addr serves of a repo, if it is at
// least of that generation.
func (c *Client) Table(ctx context.Context, addr, id string, generation uint64) ([]byte, error) {
	path := fmt.Sprintf("/peer/v1/repos/%s/table?generation=%d", url.PathEscape(id), generation)
	resp, err := c.send(ctx, c.quick, http.MethodGet, addr, path, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Lost fetches the table of a generation that the node at addr has live or keeps
// aside.
func (c *Client) Lost(ctx context.Context, addr, id string, generation uint64) ([]byte, error) {
	resp, err := c.send(ctx, c.quick, http.MethodGet, addr, fmt.Sprintf("/peer/v1/repos/%s/table?lost=%d", url.PathEscape(id), generation), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Past fetches the file of what the node at addr remembers of a table's refs, by its
// digest in hex; nil where it does not have it.
func (c *Client) Past(ctx context.Context, addr, id, digest string) ([]byte, error) {
	resp, err := c.send(ctx, c.quick, http.MethodGet, addr, fmt.Sprintf("/peer/v1/repos/%s/past?digest=%s", url.PathEscape(id), url.QueryEscape(digest)), nil)
	if errors.Is(err, refusal.NoPast) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Refs asks the node at addr for a page of its copy's refs.
func (c *Client) Refs(ctx context.Context, addr, id string, q api.RefQuery) (api.RefList, error) {
	var l api.RefList
	err := c.call(ctx, c.quick, http.MethodGet, addr, fmt.Sprintf("/peer/v1/repos/%s/refs?%s", url.PathEscape(id), q.Values().Encode()), nil, &l)
	return l, err
}

// Propose has the leader at addr commit an entry. An error that wraps
// refusal.UnknownOutcome means that it may be committed; one that wraps NotLeader, or a
// refused connection, that it was not.
func (c *Client) Propose(ctx context.Context, addr string, entry []byte) (outcome []byte, index uint64, err error) {
	resp, err := c.send(ctx, c.quick, http.MethodPost, addr, pathPropose, entry)
	if err != nil {
		if !network.NotDialled(err) && !errors.Is(err, refusal.NotLeader) && !errors.Is(err, refusal.OtherCluster) {
			err = fmt.Errorf("%w: %w", refusal.UnknownOutcome, err)
		}
		return nil, 0, err
	}
	defer resp.Body.Close()
	if outcome, err = io.ReadAll(resp.Body); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", refusal.UnknownOutcome, err)
	}
	index, err = strconv.ParseUint(resp.Header.Get(headerIndex), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: answer without an index", refusal.UnknownOutcome)
	}
	return outcome, index, nil
}

// maxAnswer bounds the answer to a call: whoever sits at an address that a
// stranger gave must not fill our memory. The largest is that about a page of
// repos.
const maxAnswer = 4 << 20

// maxHeaders bounds the headers of an answer, for the same reason.
const maxHeaders = 64 << 10

func (c *Client) call(ctx context.Context, p patience, method, addr, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := c.send(ctx, p, method, addr, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s does not answer like a gitmirror node's peer port: %w", addr, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, p patience, method, addr, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	c.name(req.Header)
	req.Host = hostName
	if method != http.MethodGet {
		req.Header.Set("Content-Type", callType)
	}
	resp, err := c.do(req, p)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	return nil, errorOf(addr, resp, data)
}

// callType is the type of the body of every call, an entry of the log too: one that a
// page cannot send across origins without asking first.
const callType = "application/json"

func errorOf(addr string, resp *http.Response, data []byte) error {
	p := &api.Problem{}
	if err := json.Unmarshal(data, p); err != nil || p.Code == "" {
		return fmt.Errorf("%s answered %s: is this a gitmirror node's peer port?", addr, resp.Status)
	}
	return p.Refusal()
}
