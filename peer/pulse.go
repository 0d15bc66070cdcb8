package peer

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Pulse is how a node is, as it says without looking anything up.
type Pulse struct {
	ID       string    `json:"id"`
	Run      string    `json:"run"`
	Now      time.Time `json:"now"`       // its clock
	LogHangs bool      `json:"log_hangs"` // the disk of its raft log does not answer
	Marks    []Mark    `json:"marks"`     // of its table, oldest first
}

// Mark is the digest of a table after a given log index.
type Mark struct {
	Index uint64 `json:"index"`
	Sum   string `json:"sum"` // hex
}

// Claim is a process that says to be a node.
type Claim struct {
	ID   string `json:"id"`
	Run  string `json:"run"`
	Addr string `json:"addr"` // where it listens
}

// Whois is what a member knows of a node: the run that the table has, and where
// processes that said to be this node were seen of late.
type Whois struct {
	Known bool     `json:"known"` // the table has it
	Name  string   `json:"name"`
	Run   string   `json:"run"`
	Seen  []string `json:"seen"` // peer addresses
}

// Membership is a leader's word on one node.
type Membership struct {
	In  bool   `json:"in"`
	Run string `json:"run"` // that the table has of it
}

// Pulse asks the node at addr how it is.
func (c *Client) Pulse(ctx context.Context, addr string) (Pulse, error) {
	var p Pulse
	err := c.call(ctx, c.quick, http.MethodGet, addr, pathPulse, nil, &p)
	return p, err
}

// Whois asks the member at addr what it knows of the node that the claim names.
func (c *Client) Whois(ctx context.Context, addr string, claim Claim) (Whois, error) {
	var w Whois
	err := c.call(ctx, c.quick, http.MethodPost, addr, pathWhois, claim, &w)
	return w, err
}

// Member asks the leader at addr whether the node of that id is a member.
func (c *Client) Member(ctx context.Context, addr, id string) (Membership, error) {
	var m Membership
	err := c.call(ctx, c.quick, http.MethodGet, addr, pathMember+"?id="+url.QueryEscape(id), nil, &m)
	return m, err
}

func (h Handlers) memberOf(w http.ResponseWriter, r *http.Request) {
	m, err := h.Node.Member(r.Context(), r.URL.Query().Get("id"))
	answer(w, m, err)
}
