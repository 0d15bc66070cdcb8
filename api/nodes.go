package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Node is one member.
type Node struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"`
	State   string    `json:"state"` // one of NodeStates
	Role    string    `json:"role"`  // leader, voter, nonvoter
	HTTP    string    `json:"http"`
	Peer    string    `json:"peer"`
	Owned   int       `json:"owned"`          // repos it polls upstream for
	Copies  int       `json:"copies"`         // repos it holds or shall hold
	Leaving int       `json:"leaving"`        // copies it is to delete
	Since   time.Time `json:"since,omitzero"` // when State began; absent where that is not known
	Flaps   uint32    `json:"flaps"`          // times it went down
	Version string    `json:"version"`
	Engine  string    `json:"engine"` // what brings the objects of its copies: git or go-git
	// Disk and Sick say what keeps the node from writing, and from serving; null
	// when nothing does.
	Disk *Impairment `json:"disk"`
	Sick *Impairment `json:"sick"`
	// Drain is there while the node gives what it has to others, also while it is down; else null.
	Drain *Drain `json:"drain"`
}

// What brings objects. A node without git serves clients by streaming from others.
const (
	EngineGit   = "git"
	EngineGoGit = "go-git"
)

// The states of a node. One that is up and gives what it has to others is draining.
const (
	NodeUp       = "up"
	NodeSuspect  = "suspect"
	NodeDown     = "down"
	NodeDraining = "draining"
	NodeLeft     = "left"
)

// NodeStates are all of them.
var NodeStates = []string{NodeUp, NodeSuspect, NodeDown, NodeDraining, NodeLeft}

// Live tells whether the node is there, and does its work.
func (n Node) Live() bool { return n.State == NodeUp || n.State == NodeDraining }

// Drain is how far a node is with giving what it has to others.
type Drain struct {
	Since time.Time `json:"since"`
	Left  int       `json:"left"` // copies that are to have their equal elsewhere yet, or whose repos it owns
	Done  bool      `json:"done"` // nothing is left, and another leads where one can
	// Waiting are the first of what is left, and why: ten at most, and in answers about one node alone.
	Waiting []DrainWaiting `json:"waiting,omitempty"`
}

// DrainWaiting is a repo whose copy is not to leave yet.
type DrainWaiting struct {
	Repo string `json:"repo"`
	Why  string `json:"why"`
}

// Impairment is something that keeps a node from its work.
type Impairment struct {
	Class   string    `json:"class"` // low, full or failing for a disk; sick
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// NodeList is the answer to GET /api/v1/nodes.
type NodeList struct {
	Nodes []Node `json:"nodes"`
}

// Nodes lists the members.
func (c *Client) Nodes(ctx context.Context) (*NodeList, error) {
	var l NodeList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "nodes", out: &l})
}

// Node returns one member by name.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	var n Node
	return &n, c.do(ctx, call{method: http.MethodGet, path: "nodes/" + url.PathEscape(name), out: &n})
}

// RemoveNode has the cluster forget a node that is gone. Where it has the last live copy of
// something that is refused, but with acceptLoss.
func (c *Client) RemoveNode(ctx context.Context, name string, acceptLoss bool, key string) error {
	v := url.Values{}
	if acceptLoss {
		v.Set("accept_loss", "true")
	}
	return c.do(ctx, call{method: http.MethodDelete, path: "nodes/" + url.PathEscape(name), query: v, key: key})
}

// Drain has a node give what it has to others, and get nothing new, until Undrain.
func (c *Client) Drain(ctx context.Context, name, key string) (*Node, error) {
	var n Node
	return &n, c.do(ctx, call{method: http.MethodPost, path: "nodes/" + url.PathEscape(name) + ":drain", key: key, out: &n})
}

// Undrain has a node keep what it has, and get its share again.
func (c *Client) Undrain(ctx context.Context, name, key string) (*Node, error) {
	var n Node
	return &n, c.do(ctx, call{method: http.MethodPost, path: "nodes/" + url.PathEscape(name) + ":undrain", key: key, out: &n})
}

// TransferLeader asks for another leader.
type TransferLeader struct {
	To string `json:"to"` // the name of a voter; empty for any that is up
}

// Leader is who leads.
type Leader struct {
	Leader string `json:"leader"` // its name
}

// Transfer has another node lead, and returns who does then.
func (c *Client) Transfer(ctx context.Context, to TransferLeader, key string) (*Leader, error) {
	var l Leader
	return &l, c.do(ctx, call{method: http.MethodPost, path: "cluster/leader:transfer", body: to, key: key, out: &l})
}
