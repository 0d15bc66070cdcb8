package fsm

import (
	"math"
	"reflect"
	"testing"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
)

// A policy says in a row what it said in the log, and in a snapshot what it said in the row.
func TestPoliciesAreSpelledWhole(t *testing.T) {
	p := policy.Policy{Replicas: 3, Interval: 7 * time.Second, RefPrefixes: []string{"refs/x/"}, MaxSize: 1 << 40, MaxObject: 5 << 20, Accept: []string{"hasDotgit"}}
	for i := range reflect.TypeFor[policy.Policy]().NumField() {
		if reflect.ValueOf(p).Field(i).IsZero() {
			t.Errorf("this test forgets %s", reflect.TypeFor[policy.Policy]().Field(i).Name)
		}
	}
	if got := policyOf(PolicyCommand(p)); !got.Equal(p) {
		t.Errorf("through the log: %+v", got)
	}
	if got := policyOf(recordedPolicy(policyRecord(1, p).GetPolicy())); !got.Equal(p) {
		t.Errorf("through a snapshot: %+v", got)
	}
	if policyRecord(1, p).GetPolicy().GetLater() != nil {
		t.Error("what snapshots have a place for is in two places")
	}
	change := policy.Change{Replicas: &p.Replicas, Interval: &p.Interval, MaxSize: &p.MaxSize, MaxObject: &p.MaxObject, Accept: &p.Accept}
	for i := range reflect.TypeFor[policy.Change]().NumField() {
		if reflect.ValueOf(change).Field(i).IsNil() {
			t.Errorf("this test forgets %s", reflect.TypeFor[policy.Change]().Field(i).Name)
		}
	}
	if got := changeOf(ChangeCommand("r", change)); !reflect.DeepEqual(got, change) {
		t.Errorf("a change through the log: %+v", got)
	}
	if got := changeOf(ChangeCommand("r", policy.Change{})); !reflect.DeepEqual(got, policy.Change{}) {
		t.Errorf("no change through the log: %+v", got)
	}
}

// What a duration cannot hold does not come back as one that can be.
func TestIntervalsBeyondAllBoundsAreRefused(t *testing.T) {
	for _, ms := range []int64{math.MaxInt64, math.MinInt64, math.MaxInt64/int64(time.Millisecond) + 1, -1, 367 * 24 * 3600 * 1000} {
		if err := checkPolicy(policyOf(&command.Policy{IntervalMs: ms})); err == nil {
			t.Errorf("an interval of %d ms is taken as %s", ms, policyOf(&command.Policy{IntervalMs: ms}).Interval)
		}
	}
}
