package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
)

// keepers are nodes that are asked to work on their copies, by their addresses, this one as "here".
type keepers struct {
	mu      sync.Mutex
	asked   []string
	refuse  map[string]error
	silent  string // never answers
	kept    api.Upkeep
	nowhere bool
}

func (k *keepers) maintain(ctx context.Context, addr, id string, work api.Work) (api.Upkeep, error) {
	k.mu.Lock()
	k.asked = append(k.asked, fmt.Sprintf("%s %s %s", addr, id, work))
	err, silent := k.refuse[addr], k.silent == addr
	k.mu.Unlock()
	if silent {
		<-ctx.Done()
		return api.Upkeep{}, ctx.Err()
	}
	return k.kept, err
}

type keepingPeers struct {
	askedPeers
	k *keepers
}

func (p keepingPeers) Maintain(ctx context.Context, addr, id string, work api.Work) (api.Upkeep, error) {
	return p.k.maintain(ctx, addr, id, work)
}

type keepingHere struct {
	ownWork
	k *keepers
}

func (h keepingHere) Maintain(id string, work api.Work) (api.Upkeep, error) {
	return h.k.maintain(context.Background(), "here", id, work)
}

// All nodes that have a copy are asked for work on it, once, and how it was kept is answered, by
// node. One that is down is not asked, and one that does not answer holds up nobody for long.
func TestAllHoldersAreAskedForWork(t *testing.T) {
	read := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	no := errors.New("it has no copy")
	for name, c := range map[string]struct {
		make  func(*surroundings, *keepers)
		asked []string
		code  int
		said  []string // by node; empty: how it was kept
		why   string   // a refusal
	}{
		"all have a copy":  {func(*surroundings, *keepers) {}, []string{"here", "n2:1"}, 202, []string{"n1 ", "n2 "}, ""},
		"one is down":      {func(a *surroundings, _ *keepers) { a.down("n2") }, []string{"here"}, 202, []string{"n1 ", "n2 the node is down"}, ""},
		"one says no":      {func(_ *surroundings, k *keepers) { k.refuse["here"] = no }, []string{"here", "n2:1"}, 202, []string{"n1 it has no copy", "n2 "}, ""},
		"one is silent":    {func(_ *surroundings, k *keepers) { k.silent = "n2:1" }, []string{"here", "n2:1"}, 202, []string{"n1 ", "n2 context deadline exceeded"}, ""},
		"nobody has one":   {func(_ *surroundings, k *keepers) { k.refuse["here"], k.refuse["n2:1"] = no, no }, []string{"here", "n2:1"}, 503, nil, "no_copy"},
		"nothing is known": {func(a *surroundings, _ *keepers) { a.unknowing = errors.New("the log is read") }, nil, 503, nil, "not_caught_up"},
		"there is no such": {func(_ *surroundings, k *keepers) { k.nowhere = true }, nil, 404, nil, "not_found"},
	} {
		for verb, work := range map[string]api.Work{"verify": api.Verify, "gc": api.Collect} {
			t.Run(name+" "+verb, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, k := surrounded(t), &keepers{refuse: map[string]error{}, kept: api.Upkeep{Read: &read, Waiting: []string{}, Bytes: 7}}
					a.publish(1).ready("n1", 1).ready("n2", 1)
					c.make(a, k)
					s := New(Config{Self: "n1", State: a.state, Consensus: a, Git: ownCopies{a}, Peers: keepingPeers{askedPeers{a: a}, k}, Local: keepingHere{ownWork{a: a}, k}, Now: func() time.Time { return a.at }})
					target := "/api/v1/repos/r:" + verb
					if k.nowhere {
						target = "/api/v1/repos/none:" + verb
					}
					began := time.Now()
					var out api.Asked
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
					r.Host = "127.0.0.1"
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					s.Handler(Open).ServeHTTP(w, r)
					var problem api.Problem
					if err := errors.Join(json.Unmarshal(w.Body.Bytes(), &out), json.Unmarshal(w.Body.Bytes(), &problem)); err != nil || w.Code != c.code || problem.Code != c.why {
						t.Errorf("%d %v %s", w.Code, err, w.Body)
					}
					if took := time.Since(began); took > acceptTimeout {
						t.Errorf("it took %s", took)
					}
					slices.Sort(k.asked)
					var want []string
					for _, addr := range c.asked {
						want = append(want, addr+" r "+string(work))
					}
					if !slices.Equal(k.asked, want) {
						t.Errorf("asked were %q, want %q", k.asked, want)
					}
					var said []string
					for _, o := range out.Copies {
						said = append(said, o.Node+" "+o.Error)
						if (o.Error == "") != (o.Upkeep != nil && o.Upkeep.Read.Equal(read) && o.Upkeep.Bytes == 7) {
							t.Errorf("%+v", o)
						}
					}
					if !slices.Equal(said, c.said) || c.said != nil && out.Repo != "r" {
						t.Errorf("%s: %q, want %q", out.Repo, said, c.said)
					}
				})
			})
		}
	}
}
