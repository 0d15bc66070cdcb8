package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
	"gitmirror/mirror"
	"gitmirror/mirror/space"
)

func TestTheRowSaysWhatTheDiskIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.agent.reportCondition(ctx) }()
		synctest.Wait()
		quiet := len(w.log)
		become := func(c mirror.Condition) {
			w.disk.mu.Lock()
			w.disk.condition = c
			w.disk.mu.Unlock()
			w.agent.ConditionChanged()
			synctest.Wait()
		}
		self := func() *fsm.Node { return w.state.View().NodeByID("a") }
		become(mirror.Condition{Disk: space.Condition{State: space.Full, Message: "4 % free"}})
		if d := self().Disk; d == nil || d.Class != fsm.DiskFull || d.Message != "4 % free" {
			t.Errorf("disk %+v", d)
		}
		become(mirror.Condition{Disk: space.Condition{State: space.Full, Message: "3 % free"}, Sick: "four copies broke"})
		if n := self(); n.Disk == nil || n.Sick == nil || n.Sick.Message != "four copies broke" {
			t.Errorf("node %+v", n)
		}
		told := len(w.log)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.log) != told || quiet+2 != told {
			t.Errorf("%d entries for two changes, %d more in a quiet minute", told-quiet, len(w.log)-told)
		}
		become(mirror.Condition{})
		if n := self(); n.Disk != nil || n.Sick != nil {
			t.Errorf("node %+v after all is well", n)
		}
		cancel()
		<-done
	})
}

// What the mirror calls the states of a disk is what the table takes.
func TestOneNameForEachStateOfADisk(t *testing.T) {
	for state, class := range map[space.State]string{space.Low: fsm.DiskLow, space.Full: fsm.DiskFull, space.Failing: fsm.DiskFailing} {
		if string(state) != class {
			t.Errorf("%q and %q", state, class)
		}
	}
}
