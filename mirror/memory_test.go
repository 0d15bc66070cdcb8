package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// remembering is an engine with one copy, from whose settled refs something was taken away an
// hour ago, and something else ten hours ago.
func remembering(t *testing.T, now *refs.LogTime) (*Engine, *store.Repo) {
	t.Helper()
	w := newWard(t, t.Context(), 1)
	e := &Engine{cfg: Config{Clock: w.clock, LogTime: func() refs.LogTime { return *now }}, log: w.log, store: w.store, prover: w.prover, memory: newMemory()}
	r, oid := w.copies[0], strings.Repeat("b", 40)
	record := &past.Record{Tips: []past.Tip{
		{Name: "refs/heads/a", OID: oid, Until: now.Now.Add(-10 * time.Hour), Settled: true, Lost: true},
		{Name: "refs/heads/b", OID: oid, Until: now.Now.Add(-time.Hour), Settled: true, Lost: true},
	}}
	table := &refs.Table{Generation: 2, Candidate: "d", Past: record.Digest(), Refs: []refs.Ref{{Name: "refs/heads/main", OID: strings.Repeat("a", 40)}}}
	if err := r.Prepare(table, record.Encode()); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Activate(2, table.Digest()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return e, r
}

func logTime(hours int) refs.LogTime {
	return refs.LogTime{Now: time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(hours) * time.Hour), DatesHold: true}
}

// What is large is at hand for few at once, who share it; others wait, and not for long.
func TestRecallsShareAndWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := logTime(0)
		e, r := remembering(t, &now)
		var mu sync.Mutex
		tables, records, busy := map[*refs.Table]int{}, map[*past.Record]int{}, 0
		done := make(chan struct{})
		var asks sync.WaitGroup
		for range 20 {
			asks.Go(func() {
				err := e.Recall(t.Context(), r.ID(), func(table *refs.Table, record *past.Record) error {
					mu.Lock()
					tables[table]++
					records[record]++
					mu.Unlock()
					<-done
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrBusy) {
					busy++
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		if len(tables) != 1 || len(records) != 1 || records[nil] != 0 {
			t.Errorf("%d tables and %d records are at hand, want one of each", len(tables), len(records))
		}
		for _, n := range records {
			if n != recallsAtOnce {
				t.Errorf("%d have it at hand, want %d", n, recallsAtOnce)
			}
		}
		mu.Unlock()
		time.Sleep(recallWait + time.Second)
		synctest.Wait()
		mu.Lock()
		if busy != 20-recallsAtOnce {
			t.Errorf("%d were told that others ask, want all that waited", busy)
		}
		mu.Unlock()
		close(done)
		asks.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Recall(ctx, "REPO9", func(*refs.Table, *past.Record) error { return nil }); err == nil {
			t.Error("a repository that is not here")
		}
		if err := e.Recall(t.Context(), r.ID(), func(*refs.Table, *past.Record) error { return nil }); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// What is told of losses is read once for a generation and for as long as it is true,
// however often it is asked for, and holds nothing of what it was read from.
func TestLossesAreReadOnce(t *testing.T) {
	now := logTime(0)
	e, r := remembering(t, &now)
	tells := func(want int, when string) {
		t.Helper()
		got := e.TakenAway(t.Context(), r.ID())
		if got.Count != want || len(got.First) != want || want > 0 && got.First[want-1].Ref != "refs/heads/b" {
			t.Errorf("%s: %+v, want %d", when, got, want)
		}
	}
	tells(2, "at first")
	file := filepath.Join(r.Dir(), "past."+r.LivePast().String())
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	runtime.GC() // nobody uses the record any more
	tells(2, "without reading it again")
	now = logTime(15)
	tells(2, "fifteen hours later")
	now = logTime(16)
	tells(0, "when the first is a day and two hours old, and it has to be read again, and is not there")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	tells(1, "and is")
	now.DatesHold = false
	tells(2, "while dates do not hold")
	now = logTime(26)
	tells(0, "the next day")
	// Of very many repositories not all is remembered.
	for i := range mostTold {
		e.memory.told[fmt.Sprint(i)] = told{}
	}
	now = logTime(-1)
	tells(2, "when time has gone back")
	if n := len(e.memory.told); n > mostTold {
		t.Errorf("%d are remembered", n)
	}
}

// Who reads the losses has them for himself; who cannot wait is told nothing of them.
func TestLossesAreNotWaitedForForEver(t *testing.T) {
	now := logTime(0)
	e, r := remembering(t, &now)
	if err := e.memory.losses.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := e.TakenAway(ctx, r.ID()); got.Count != 0 {
		t.Errorf("%+v", got)
	}
	e.memory.losses.Release(1)
	if got := e.TakenAway(t.Context(), r.ID()); got.Count != 2 {
		t.Errorf("%+v", got)
	}
}
