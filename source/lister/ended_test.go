package lister_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
	"gitmirror/source/index"
	"gitmirror/source/lister"
)

// hard is an index that takes long to refuse.
type hard struct {
	*world
	err     error
	reading atomic.Bool
}

func (h *hard) Index(string, uint64, string) (index.Tree, func(), error) {
	h.reading.Store(true)
	defer h.reading.Store(false)
	time.Sleep(24 * time.Second)
	return nil, nil, h.err
}

// An index that cannot be read is not being listed while it waits out its pause, whether or not why it cannot is told.
func TestAListingThatComesToNothingIsOver(t *testing.T) {
	for name, err := range map[string]error{"told": errors.New("the index is too large"), "passing": lister.ErrNotYet} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.publish()
				h := &hard{world: w, err: err}
				l := lister.New(lister.Config{Self: "a", State: w.state, Proposer: w, Indexes: h, Log: slog.New(slog.DiscardHandler), NewID: func() string { return "" }})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = l.Run(ctx)
				}()
				told, idle, wrong := 0, 0, 0
				for range 900 {
					time.Sleep(time.Second)
					synctest.Wait()
					v := w.state.View()
					switch u := v.Underway(v.SourceByID("s")); {
					case h.reading.Load() && u != nil:
						told++
					case h.reading.Load():
						idle = 0
					default:
						if idle++; u != nil && idle > 1 {
							wrong++
						}
					}
				}
				cancel()
				<-done
				if told == 0 || wrong > 0 {
					t.Errorf("it is under way in %d looks while it is read, in %d while it is not", told, wrong)
				}
				if s := w.state.View().SourceByID("s"); (s.Error != "") != (name == "told") {
					t.Errorf("it fails: %q", s.Error)
				}
			})
		})
	}
}

// until has a node list forges until what it returns is called.
func (w *world) until(t *testing.T, self string, forges lister.Forges) (end func()) {
	l := w.node(self, forges)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.RunForges(ctx)
	}()
	return func() { cancel(); <-done }
}

// A node that is started again lists nothing of what an earlier run of it did: not where it cannot use its credential any
// more, and not where it begins anew.
func TestWhatAnEarlierRunListedIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "github", nil)
		var all []forgereplay.Repo
		for i := range 75 {
			all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
		}
		a.Page, a.has = 10, []string{"f"}
		a.Organisation("acme", all...)
		a.Limit(3, 30*time.Minute)
		is := func() *fsm.Underway { synctest.Wait(); return w.state.View().Underway(w.forge()) }
		begun := func() {
			t.Helper()
			end := w.until(t, "a", a)
			time.Sleep(time.Second)
			if u := is(); u == nil || u.Until.IsZero() {
				t.Fatalf("%+v", u)
			}
			end()
		}
		begun()
		end := w.until(t, "a", &slow{asked: &asked{Forge: a.Forge, has: a.has}, takes: time.Hour})
		time.Sleep(time.Second)
		if u := is(); u != nil {
			t.Errorf("it begins with %+v", u)
		}
		end()
		time.Sleep(time.Hour)
		begun()
		end = w.until(t, "a", &asked{Forge: a.Forge, cannot: []*command.Unusable{{Source: "f", Why: "others may read it"}}})
		time.Sleep(time.Second)
		if u := is(); u != nil || w.forge().Told() != 0 {
			t.Errorf("nobody may list it: %+v, told by %d", u, w.forge().Told())
		}
		end()
	})
}
