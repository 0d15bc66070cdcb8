package world

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// spoilSteps take away or change what is on a node's disk while it does not run.
var spoilSteps = map[string]func(*run, Step){
	"wipe": func(r *run, s Step) {
		r.spoil(s, func(n *Node) bool { n.wipe(); return true })
	},
	"log-wipe": func(r *run, s Step) {
		r.spoil(s, func(n *Node) bool { return n.removeLog() })
	},
	"log-back": func(r *run, s Step) {
		r.spoil(s, func(n *Node) bool { return n.bringBackLog() })
		if n := r.node(s.Node); !n.spoiled() { // the next time there is an older one
			r.start(n)
		}
	},
	"flip": func(r *run, s Step) {
		r.spoil(s, func(n *Node) bool { return n.flip(flips[s.Other%len(flips)], uint64(s.Repo)+uint64(s.After)) })
	},
	"readonly": func(r *run, s Step) {
		n := r.node(s.Node)
		n.suffer(readOnly)
		n.feel("readonly")
	},
}

// spoil kills a node and does something to its directory, unless another node is not whole.
// do tells whether it was a harm.
func (r *run) spoil(s Step, do func(*Node) bool) {
	n := r.node(s.Node)
	if !n.claim() {
		r.missed(s)
		return
	}
	defer n.release()
	if !r.stake(n) {
		r.missed(s)
		return
	}
	n.Crash(0)
	if !do(n) {
		r.missed(s)
		r.unstake(n)
	}
}

// wipe leaves the node an empty directory.
func (n *Node) wipe() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = os.RemoveAll(n.Dir)
	n.Dir = n.next()
	n.saved = ""
	n.bear(wiped)
}

func (n *Node) log() string { return filepath.Join(n.dir(), "raft") }
func (n *Node) mark() []byte {
	data, _ := os.ReadFile(filepath.Join(n.dir(), "raft.mark"))
	return data
}

func (n *Node) hasLog() bool {
	_, err := os.Stat(filepath.Join(n.log(), "raft.db"))
	return err == nil && !n.has(logWiped)
}

func (n *Node) removeLog() bool {
	if !n.hasLog() {
		return false
	}
	_ = os.RemoveAll(n.log())
	n.suffer(logWiped)
	return true
}

// rememberLog keeps the log that is there, unless one is kept. The node does not run.
func (n *Node) rememberLog() {
	if n.saved != "" || n.running() || !n.hasLog() {
		return
	}
	n.mu.Lock()
	n.saved = n.next()
	n.mu.Unlock()
	// Somebody may start it meanwhile, or take its log away: then nothing is kept.
	if err := os.CopyFS(n.saved, os.DirFS(n.log())); err != nil {
		_ = os.RemoveAll(n.saved)
		n.mu.Lock()
		n.saved = ""
		n.mu.Unlock()
		return
	}
	n.savedMark = n.mark()
}

// bringBackLog puts the log back that is kept, if that is an older one.
func (n *Node) bringBackLog() bool {
	if n.saved == "" || !n.hasLog() || bytes.Equal(n.mark(), n.savedMark) {
		n.rememberLog()
		return false
	}
	_ = os.RemoveAll(n.log())
	n.copied(n.saved, n.log())
	n.suffer(logBack)
	return true
}

// copied copies a directory, which may not be there yet.
func (n *Node) copied(from, to string) {
	if _, err := os.Stat(from); err != nil {
		return
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		n.of.t.Errorf("copy %s: %v", from, err)
	}
}

// flips are the files of which a bit becomes another.
var flips = []flip{
	{"raft/raft.db", bitInLog},
	{"raft/snapshots/*/state.bin", bitInLog},
	{"repos/*/*.git/packed-refs", bitInCopy},
	{"repos/*/*.git/objects/pack/*.pack", bitInCopy},
	{"node.json", bitInCard},
	{"state.db", ""},
	{"raft/snapshots/*/meta.json", bitInLog},
}

type flip struct {
	pattern string
	harm    harm // empty for none
}

// flip changes a bit of one of the files of that pattern.
func (n *Node) flip(what flip, luck uint64) bool {
	files, _ := filepath.Glob(filepath.Join(n.dir(), what.pattern))
	if len(files) == 0 {
		return false
	}
	chance := rand.New(rand.NewPCG(luck, 7))
	file := files[chance.IntN(len(files))]
	data, err := os.ReadFile(file)
	if err != nil || len(data) == 0 {
		return false
	}
	at := chance.IntN(len(data))
	for range 100 { // not where there is nothing
		if data[at] != 0 {
			break
		}
		at = chance.IntN(len(data))
	}
	data[at] ^= 1 << chance.IntN(8)
	n.of.log.Info("a bit is another", "node", n.Name, "file", file, "at", at)
	_ = os.Chmod(file, 0o600)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		n.of.t.Errorf("flip a bit: %v", err)
	}
	if what.harm != "" {
		n.suffer(what.harm)
	}
	return true
}
