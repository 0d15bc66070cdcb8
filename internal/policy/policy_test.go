package policy_test

import (
	"hash/maphash"
	"reflect"
	"slices"
	"testing"
	"time"

	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// others returns, by field, a policy that differs from p in that field alone.
func others(t *testing.T, p policy.Policy) map[string]policy.Policy {
	t.Helper()
	all := map[string]policy.Policy{}
	for i := range reflect.TypeFor[policy.Policy]().NumField() {
		other := p
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + 1)
		case reflect.Slice:
			f.Set(reflect.ValueOf(append(slices.Clone(f.Interface().([]string)), "x")))
		default:
			t.Fatalf("this test does not know how to change a %s", f.Kind())
		}
		all[reflect.TypeFor[policy.Policy]().Field(i).Name] = other
	}
	return all
}

func TestNoFieldIsForgotten(t *testing.T) {
	seed := maphash.MakeSeed()
	hash := func(p policy.Policy) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		p.Hash(&h)
		return h.Sum64()
	}
	base := policy.Policy{Replicas: 3, Interval: time.Hour, RefPrefixes: []string{"refs/"}, Accept: []string{"a"}}
	for field, other := range others(t, base) {
		if hash(other) == hash(base) {
			t.Errorf("policies that differ in %s have one hash", field)
		}
		if other.Equal(base) {
			t.Errorf("policies that differ in %s are equal", field)
		}
	}
	if again := base; !again.Equal(base) || hash(again) != hash(base) {
		t.Error("a policy is not equal to itself")
	}
	moved := policy.Policy{Replicas: 3, Interval: time.Hour, RefPrefixes: []string{"refs/", "a"}}
	if hash(moved) == hash(base) {
		t.Error("what is said in another field looks the same")
	}
}

func TestAChangeLeavesWhatItDoesNotName(t *testing.T) {
	base := policy.Policy{Replicas: 3, MaxSize: 5, MaxObject: 7, Accept: []string{"a"}}
	if got := (policy.Change{}).Of(base); !got.Equal(base) {
		t.Errorf("nothing changed: %+v", got)
	}
	size, accept := int64(9), []string{}
	want := policy.Policy{Replicas: 3, MaxSize: 9, MaxObject: 7}
	if got := (policy.Change{MaxSize: &size, Accept: &accept}).Of(base); !got.Equal(want) {
		t.Errorf("%+v", got)
	}
	if base.MaxSize != 5 || len(base.Accept) != 1 {
		t.Errorf("the policy that was there is another: %+v", base)
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	small, flaws := int64(1023), []string{"missingEmail"}
	for _, tc := range []struct {
		code   refusal.Code
		policy policy.Policy
		change policy.Change
	}{
		{code: refusal.ReplicasInvalid, policy: policy.Policy{Replicas: -1}},
		{code: refusal.ReplicasInvalid, policy: policy.Policy{Replicas: 21}},
		{code: refusal.IntervalInvalid, policy: policy.Policy{Interval: policy.MinInterval - 1}},
		{code: refusal.IntervalInvalid, policy: policy.Policy{Interval: -1}},
		{code: refusal.IntervalInvalid, policy: policy.Policy{Interval: 31 * 24 * time.Hour}},
		{code: refusal.LimitInvalid, policy: policy.Policy{MaxSize: -1}, change: policy.Change{MaxSize: &small}},
		{code: refusal.LimitInvalid, policy: policy.Policy{MaxObject: small}, change: policy.Change{MaxObject: &small}},
		{code: refusal.FlawInvalid, policy: policy.Policy{Accept: flaws}, change: policy.Change{Accept: &flaws}},
	} {
		if _, err := tc.policy.Admit(); refusal.Of(err) == nil || refusal.Of(err).Code != tc.code {
			t.Errorf("%+v: %v", tc.policy, err)
		}
		if reflect.ValueOf(tc.change).IsZero() {
			continue
		}
		if _, err := tc.change.Admit(); refusal.Of(err) == nil || refusal.Of(err).Code != tc.code {
			t.Errorf("%+v: %v", tc.change, err)
		}
	}
	ids := []string{"HASDOTGIT", "bademail"}
	got, err := policy.Change{Accept: &ids}.Admit()
	if err != nil || !slices.Equal(*got.Accept, []string{"badEmail", "hasDotgit"}) {
		t.Errorf("%v %v", got.Accept, err)
	}
	if got, err := (policy.Change{}).Admit(); err != nil || got.Accept != nil {
		t.Errorf("nothing to change: %+v, %v", got, err)
	}
	p := policy.Policy{Replicas: 20, Interval: policy.MinInterval, MaxSize: 1024}
	if got, err := p.Admit(); err != nil || !got.Equal(p) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDefaults(t *testing.T) {
	want := policy.Policy{Replicas: 2, RefPrefixes: []string{"refs/heads/", "refs/tags/"}}
	if got := (policy.Policy{}).Resolved(); !got.Equal(want) {
		t.Errorf("%+v", got)
	}
	own := policy.Policy{Replicas: 1, Interval: time.Second, RefPrefixes: []string{"refs/"}}
	if got := own.Resolved(); !got.Equal(own) {
		t.Errorf("%+v", got)
	}
}
