package space

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/disk"
)

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name   string
		free   float64
		probed error
		usage  error
		before State
		want   State
	}{
		{"plenty", 50, nil, nil, Well, Well},
		{"below the reserve", 9.9, nil, nil, Well, Low},
		{"below half of it", 4.9, nil, nil, Well, Full},
		{"no byte left", 50, syscall.ENOSPC, nil, Well, Full},
		{"quota", 50, syscall.EDQUOT, nil, Well, Full},
		{"read-only", 50, &os.PathError{Err: syscall.EROFS}, nil, Well, Failing},
		{"errors", 50, syscall.EIO, nil, Well, Failing},
		{"out of descriptors is no disk's fault", 50, syscall.EMFILE, nil, Well, Well},
		{"cannot be asked", 50, nil, syscall.EIO, Well, Failing},
		{"at the bound it stays low", 10.2, nil, nil, Low, Low},
		{"above the margin it is well", 10.6, nil, nil, Low, Well},
		{"at the bound it stays full", 5.2, nil, nil, Full, Full},
		{"from full to low", 6, nil, nil, Full, Low},
		{"from failing to well", 50, nil, nil, Failing, Well},
	} {
		g := New(nil, t.TempDir(), 10, nil)
		g.now.State = c.before
		g.usage = func() (disk.Usage, error) { return disk.Usage{FreePercent: c.free, FreeBytes: 1 << 20}, c.usage }
		if got := g.judge(c.probed); got.State != c.want || (got.Message == "") != (c.want == Well) {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
	}
}

func TestWhatADiskTakes(t *testing.T) {
	for _, c := range []struct {
		state         State
		first, update bool
	}{{Well, true, true}, {Low, false, true}, {Full, false, false}, {Failing, false, false}} {
		got := Condition{State: c.state}
		if got.Takes(true) != c.first || got.Takes(false) != c.update {
			t.Errorf("%q takes first copies %v, updates %v", c.state, got.Takes(true), got.Takes(false))
		}
	}
}

func TestAConditionIsNoticedAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int32
		g := New(nil, t.TempDir(), 10, func() { changes.Add(1) })
		var broken atomic.Bool
		g.usage = func() (disk.Usage, error) { return disk.Usage{FreePercent: 50}, nil }
		g.probe = func() error {
			if broken.Load() {
				return syscall.EROFS
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = g.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := changes.Load(); n != 0 {
			t.Errorf("%d changes of a disk that is well", n)
		}
		broken.Store(true)
		g.Suspect()
		synctest.Wait()
		if g.Now().State != Failing || changes.Load() != 1 {
			t.Errorf("%+v after %d changes, want it noticed at once", g.Now(), changes.Load())
		}
		broken.Store(false)
		time.Sleep(every)
		synctest.Wait()
		if g.Now().State != Well || changes.Load() != 2 {
			t.Errorf("%+v after %d changes, want it well again", g.Now(), changes.Load())
		}
		cancel()
		<-done
	})
}

func TestADiskThatHangsIsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(nil, t.TempDir(), 10, nil)
		answer := make(chan error)
		g.usage = func() (disk.Usage, error) { return disk.Usage{FreePercent: 50}, nil }
		g.probe = func() error { return <-answer }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = g.Run(ctx) }()
		time.Sleep(probeLimit + time.Second)
		synctest.Wait()
		if g.Now().State != Failing {
			t.Errorf("%+v", g.Now())
		}
		answer <- nil
		synctest.Wait()
		if g.Now().State != Well {
			t.Errorf("%+v once it answers", g.Now())
		}
		cancel()
		close(answer)
		<-done
	})
}

func TestRealDisk(t *testing.T) {
	dir := t.TempDir()
	if err := write(nil, dir+"/probe"); err != nil {
		t.Error(err)
	}
	if err := write(nil, dir+"/none/probe"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("writing into nowhere: %v", err)
	}
}
