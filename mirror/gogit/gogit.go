// Package gogit brings the objects of copies, and tells whether they are there, in this process,
// by go-git: for a node whose host has no git. It keeps the promises of package fetch: objects
// are asked for by id, looked at by git's own rules (internal/gitfsck), proved to lack nothing,
// and durable before anything of the live repository changes.
//
// Of go-git are the reading of packs and objects, and the putting together of deltas. Its own
// transport is not used, which has no protocol 2, nor its writing of packs, which knows neither
// limits nor fsync.
//
// What git does and this does not: SHA-256, packs of version 3, and putting packs in order (see
// mirror/maintain). It has more in memory: the index of each pack that it reads, and what it
// takes to put together the objects of one (see Config.Memory).
package gogit

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/internal/disk"
	"gitmirror/mirror/failure"
)

// Config is what Objects need. Zero values mean the defaults.
type Config struct {
	Disk  *disk.Disk
	Peers http.RoundTripper // to other nodes
	Agent string            // what we call ourselves to upstreams
	// Memory is how many bytes one fetch may hold of objects that are being put together, and
	// as many of what it has to know of each object of a pack; default 2 GiB.
	Memory int64
	Stall  time.Duration // a fetch that neither receives bytes nor hears anything for so long ends; default 1 min
}

// Objects are those of copies. They are safe for concurrent use.
type Objects struct {
	disk   *disk.Disk
	peers  http.RoundTripper
	agent  string
	memory int64
	stall  time.Duration
}

// New returns Objects.
func New(cfg Config) *Objects {
	return &Objects{disk: cfg.Disk, peers: cfg.Peers, agent: cmp.Or(cfg.Agent, "gitmirror"), memory: cmp.Or(cfg.Memory, 2<<30), stall: cmp.Or(cfg.Stall, time.Minute)}
}

// tooMuch says that something would not fit into the memory that one fetch may have.
func (o *Objects) tooMuch(what string) *failure.Error {
	return failure.New(failure.OutOfMemory, fmt.Sprintf("%s needs more than the %s of memory that a fetch without git may have here (--git-memory)", what, humanize.IBytes(uint64(o.memory))), nil)
}
