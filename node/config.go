// Package node puts one node together: it builds the parts in order, runs them
// and stops them in reverse. It decides nothing.
package node

import (
	"log/slog"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/network"
	"gitmirror/membership"
	"gitmirror/mirror"
	"gitmirror/mirror/rhythm"
)

// Place is the name of a node and its addresses, which node.json keeps.
type Place = membership.Place

// The addresses of a node that was never told any.
const (
	DefaultHTTP = "127.0.0.1:7654"
	DefaultPeer = "127.0.0.1:7655"
)

// What brings the objects of copies.
const (
	EngineAuto  = "auto" // git, where it is there and new enough, else go-git
	EngineGit   = "git"
	EngineGoGit = "go-git"
)

// Engines are all of them.
var Engines = []string{EngineAuto, EngineGit, EngineGoGit}

// Config says how a node is started. The command line fills it in.
type Config struct {
	Dir string // data directory, made if missing

	// What is empty of these five is as node.json has it.
	Name          string // default: the host name
	HTTP          string // host:port of the API and git; default DefaultHTTP
	Peer          string // host:port, TCP and UDP, of raft, gossip and node-to-node calls; default DefaultPeer
	Advertise     string // peer address others dial; default Peer as bound
	AdvertiseHTTP string // address clients dial; default HTTP as bound
	// First is what they are as long as node.json has none.
	First Place

	Join          []string // peer addresses of members; empty: found a cluster, or go on with the one joined
	Expect        int      // found a cluster with others once so many are there, this one included; 0: do not
	Timing        string   // of raft: fast, normal, slow
	ReplaceAfter  time.Duration
	MinFree       float64            // percent of the disk: below it no new copy is made, below half of it nothing is fetched; negative: never mind
	MaxSize       int64              // bytes of a repository's copy
	MaxObject     int64              // bytes of one object
	Engine        string             // EngineAuto, EngineGit or EngineGoGit; default EngineAuto
	GitMemory     int64              // bytes of memory of one git process, or of one fetch without git
	Bounds        rhythm.Bounds      // of how long a repository is left alone whose interval is learned; default 45 s and 8 h
	Hosts         map[string]float64 // checks a second that the whole cluster may make at an upstream's host; any number at others
	AllowUpstream []string           // CIDR prefixes exempt from the egress deny list
	SourceTokens  map[string]string  // files of the tokens that forges are listed with, by NAME of the source, of the kind's own forge, or NAME@HOST[:PORT]
	AllowHost     []string           // names, besides the advertised one, that clients know the API by
	InsecurePeers bool               // peers do not authenticate each other: needed for a reachable peer address
	InsecureAPI   bool               // take writes from whoever reaches the API
	RunDir        string             // another directory with a socket, if it is there and this user's; empty for none
	Network       network.Network    // of everything but git's own helpers; default this machine's
	Disk          *disk.Disk         // of everything but git's own files; default this machine's
	Clock         func() time.Time   // the time of day, which may be wrong; default this machine's
	Upstream      mirror.Upstream    // default: servers of git
	Objects       mirror.Objects     // default: git's
	Version       string
	Commit        string // that this binary was made from, where it is known
	OwnProcess    bool   // this node has its process alone: what is measured of the process is of the node
	Log           *slog.Logger
	Ready         func(Info)   // called once, when the node serves; may be nil
	Waits         func(string) // called when a start waits for other nodes, with what for, in words; may be nil
}

// Info is what a started node says of itself.
type Info struct {
	Name      string
	ClusterID string
	HTTP      string   // base URL
	Peer      string   // host:port
	Local     []string // where processes of this host write, as package api takes addresses; the best first
	Founded   bool     // this start founded the cluster
}
