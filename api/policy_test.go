package api

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// What is asked for is what is shown, whatever the field.
func TestPoliciesAreSpelledWhole(t *testing.T) {
	asked, err := AddRepo{Replicas: 3, Interval: "90s", MaxSize: 1 << 40, MaxObjectSize: 5 << 20, AcceptFlaws: []string{"hasDotgit"}}.Policy()
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Policy{Replicas: 3, Interval: 90 * time.Second, MaxSize: 1 << 40, MaxObject: 5 << 20, Accept: []string{"hasDotgit"}}
	if !asked.Equal(want) {
		t.Errorf("asked: %+v", asked)
	}
	shown := Policy{Replicas: 3, IntervalMS: 90_000, MaxSize: 1 << 40, MaxObjectSize: 5 << 20, AcceptFlaws: []string{"hasDotgit"}}
	if got := PolicyOf(want); !reflect.DeepEqual(got, shown) {
		t.Errorf("shown: %+v", got)
	}
	for i := range reflect.TypeFor[Policy]().NumField() {
		if reflect.ValueOf(shown).Field(i).IsZero() {
			t.Errorf("this test forgets %s", reflect.TypeFor[Policy]().Field(i).Name)
		}
	}
	if got := PolicyOf(policy.Policy{}); got.AcceptFlaws == nil {
		t.Error("no flaws are null instead of an empty list")
	}
}

func TestAChangeNamesWhatItChanges(t *testing.T) {
	size, accept, replicas, interval := int64(1<<40), []string{"hasDot"}, 3, "90s"
	set := SetRepo{Replicas: &replicas, Interval: &interval, MaxSize: &size, MaxObjectSize: &size, AcceptFlaws: &accept}
	for i := range reflect.TypeFor[SetRepo]().NumField() {
		field := reflect.TypeFor[SetRepo]().Field(i).Name
		if field == "SetRow" { // no policy
			continue
		}
		one := SetRepo{}
		to := reflect.ValueOf(set).Field(i)
		if to.IsNil() {
			t.Fatalf("this test forgets %s", field)
		}
		reflect.ValueOf(&one).Elem().Field(i).Set(to)
		change, err := one.Change()
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for j := range reflect.TypeFor[policy.Change]().NumField() {
			if f := reflect.ValueOf(change).Field(j); !f.IsNil() {
				named++
				if d, ok := f.Interface().(*time.Duration); ok {
					if *d != 90*time.Second {
						t.Errorf("an interval of 90s is %s", *d)
					}
				} else if !reflect.DeepEqual(f.Interface(), to.Interface()) {
					t.Errorf("%s says something else in the change", field)
				}
			}
		}
		if named != 1 {
			t.Errorf("%s names %d fields of the change", field, named)
		}
	}
	if _, err := (SetRepo{}).Change(); refusal.Of(err) == nil || refusal.Of(err).Code != refusal.JSONInvalid {
		t.Errorf("no change: %v", err)
	}
	if want := []string{"replicas", "interval", "max_size", "max_object_size", "accept_flaws", "name", "aliases", "urls", "labels", "paused"}; !slices.Equal(Changeable(), want) {
		t.Errorf("%q", Changeable())
	}
}
