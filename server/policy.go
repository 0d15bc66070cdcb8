package server

import (
	"reflect"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// How a policy is spelled in the API.

// policyOf is what is asked for with a new repo.
func policyOf(a api.AddRepo) (policy.Policy, error) {
	interval, err := intervalOf(a.Interval)
	return policy.Policy{Replicas: a.Replicas, Interval: interval, MaxSize: a.MaxSize, MaxObject: a.MaxObjectSize, Accept: a.AcceptFlaws}, err
}

func intervalOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, refusal.New(refusal.IntervalInvalid, "the interval %.40q is not a duration", text).Try("write it like 90s, 5m or 1h")
	case d%time.Millisecond != 0:
		return 0, refusal.New(refusal.IntervalInvalid, "the interval %.40q is finer than a millisecond", text).Try("write it like 1500ms, 90s or 1h")
	case d == 0:
		return -1, nil // asked for, and refused as out of bounds
	}
	return d, nil
}

// changeOf is what is asked for of a repo that is there, as far as it makes sense.
func changeOf(set api.SetRepo) (policy.Change, error) {
	if set == (api.SetRepo{}) {
		return policy.Change{}, refusal.New(refusal.JSONInvalid, "the body names nothing to change: %s", strings.Join(changeable(), ", "))
	}
	return policy.Change{MaxSize: set.MaxSize, MaxObject: set.MaxObjectSize, Accept: set.AcceptFlaws}.Admit()
}

// changeable are the fields of a change, by their names in JSON.
func changeable() []string {
	var names []string
	for f := range reflect.TypeFor[api.SetRepo]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// policyShown is a policy as the API shows it.
func policyShown(p policy.Policy) api.Policy {
	return api.Policy{Replicas: p.Replicas, IntervalMS: p.Interval.Milliseconds(), MaxSize: p.MaxSize, MaxObjectSize: p.MaxObject,
		AcceptFlaws: append([]string{}, p.Accept...)}
}
