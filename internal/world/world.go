// Package world puts whole nodes into a simulated world, where time, the network, upstreams
// and objects are made up, and everything else is the product: raft on its files, gossip,
// the state machine, the leader, agents, the mirror's scheduler and store, the API. It runs
// inside a bubble of testing/synctest, so that an hour takes as long as the work in it.
//
// What cannot be in it is git, real sockets, signals and power: package e2e has those.
package world

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/world/fabric"
)

// World is a cluster, its upstreams and its network.
type World struct {
	t          testing.TB
	dir        string
	Fabric     *fabric.Fabric
	history    *history
	log        *slog.Logger
	seed       uint64
	heard      contacts
	candidates candidates
	lives      activations
	removals   removals
	ice        ice
	buried     func(dir string) // is told of the directory of a node that has crashed
	desk       *fabric.Host     // where people sit
	forges     *fabric.Host     // where the forges of all accounts are
	close      func()           // ends them
	token      string           // file of the one that some nodes have for one of them
	browser    *http.Client

	waiting chan struct{}      // held by who waits for the whole world: one at a time may
	ended   func(*Node, error) // told when a process that served has ended, and nobody told it to

	mu        sync.Mutex
	upstreams map[string]*Upstream
	moved     map[string]*Upstream // by addresses that forges have given them since
	accounts  map[string]*account  // by name
	made      int                  // nodes
	doubles   int                  // machines of twins
	machines  []*Node              // all that there have been, those of twins too
	Nodes     []*Node              // of the cluster
}

// New returns a world without nodes. It is called, and used, inside a bubble; dir is outside.
func New(t testing.TB, seed uint64, dir string, log *slog.Logger) *World {
	f := fabric.New(seed)
	desk := f.Host("10.0.9.1")
	w := &World{t: t, seed: seed, log: log, dir: dir, Fabric: f, history: newHistory(), candidates: candidates{made: map[string]time.Time{}}, buried: func(string) {}, desk: desk, upstreams: map[string]*Upstream{}, moved: map[string]*Upstream{}, accounts: map[string]*account{}, waiting: make(chan struct{}, 1),
		browser: &http.Client{Transport: &http.Transport{DialContext: desk.DialContext, DisableKeepAlives: true}}}
	w.token = filepath.Join(dir, "token")
	var err error
	if w.close, err = w.openForges(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// End stops every node in good order, and waits until nothing is left of them.
func (w *World) End() error {
	var errs []error
	for _, n := range w.machines {
		errs = append(errs, n.Stop())
		n.Client.Close()
	}
	w.close()
	time.Sleep(time.Minute) // gossip's last questions
	return errors.Join(errs...)
}

// Upstream returns a repository of somebody else with one branch, main.
func (w *World) Upstream(name string) *Upstream {
	w.mu.Lock()
	url := forge + name
	u := w.upstreams[url]
	if u == nil {
		u = &Upstream{of: w, URL: url, replicas: []int{2, 2, 3, 1}[len(w.upstreams)%4], refs: map[string]string{}, head: "main", tips: map[string]bool{}, people: map[string]bool{}, failed: map[string]bool{}}
		w.upstreams[url] = u
	}
	w.mu.Unlock()
	if len(u.Refs()) == 0 {
		u.Push("main")
	}
	return u
}

// upstream is the one that has that address, nil for none.
func (w *World) upstream(url string) *Upstream {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name, is := strings.CutPrefix(url, elsewhere); is {
		url = forge + name
	}
	if u := w.moved[url]; u != nil {
		return u
	}
	return w.upstreams[url]
}

// leadsTo has an address lead to an upstream, beside those that do.
func (w *World) leadsTo(url string, u *Upstream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved[url] = u
}

// accountNamed is the account of that name, nil where there is none.
func (w *World) accountNamed(name string) *account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accounts[name]
}

func (w *World) everyUpstream() []*Upstream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.upstreams))
}

// every is every machine that there has been.
func (w *World) every() []*Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.machines)
}

// at is the node that has that peer address, or had it last.
func (w *World) at(peer string) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range slices.Backward(w.machines) {
		if peer == n.peer() || peer == n.hostName()+":81" {
			return n
		}
	}
	return nil
}
