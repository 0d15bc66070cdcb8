package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// How a policy is spelled in the API, and what that means.

// Policy is how a repo is mirrored.
type Policy struct {
	Replicas   int   `json:"replicas"`
	IntervalMS int64 `json:"interval_ms"` // between two checks; 0: learned from how often upstream changes
	// MaxSize and MaxObjectSize are bytes that the copy and one object may have; 0:
	// what the nodes were started with.
	MaxSize       int64 `json:"max_size"`
	MaxObjectSize int64 `json:"max_object_size"`
	// AcceptFlaws are flaws of objects, by git's ids, which are taken all the same.
	AcceptFlaws []string `json:"accept_flaws"`
}

// AddRepo asks for one repo. URL and URLs are joined; the first is preferred.
type AddRepo struct {
	URL    string            `json:"url,omitempty"`
	URLs   []string          `json:"urls,omitempty"`
	Name   string            `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`

	Replicas int    `json:"replicas,omitempty"` // default 2
	Interval string `json:"interval,omitempty"` // like "90s", or "auto": learned from how often upstream changes; default auto

	MaxSize       int64 `json:"max_size,omitempty"`        // bytes; default: the nodes' limit
	MaxObjectSize int64 `json:"max_object_size,omitempty"` // bytes; default: the nodes' limit

	AcceptFlaws []string `json:"accept_flaws,omitempty"` // like "hasDotgit"; default: none
}

// Add asks for one repo. key makes a repeated call the same call.
func (c *Client) Add(ctx context.Context, a AddRepo, key string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodPost, path: "repos", body: a, key: key, out: &r})
}

// AddMany asks for many repos, at most MostRepos a call.
func (c *Client) AddMany(ctx context.Context, a AddRepos, key string) (*AddResults, error) {
	var r AddResults
	err := c.do(ctx, call{method: http.MethodPost, path: "repos", body: a, key: key, out: &r})
	return &r, cmp.Or(err, eachAnswered(r.Results, len(a.Repos), func(one AddResult) bool { return one.Repo != nil || one.Problem != nil }))
}

// WouldAdd tells what AddMany would come to, and adds nothing.
func (c *Client) WouldAdd(ctx context.Context, a AddRepos) (*AddResults, error) {
	var r AddResults
	err := c.do(ctx, call{method: http.MethodPost, path: "repos", query: url.Values{"dry_run": {"true"}}, body: a, harmless: true, out: &r})
	return &r, cmp.Or(err, eachAnswered(r.Results, len(a.Repos), func(one AddResult) bool { return one.Would != "" || one.Problem != nil }))
}

// SetRepo changes a repo; what is null stays as it is.
type SetRepo struct {
	Replicas *int    `json:"replicas,omitempty"`
	Interval *string `json:"interval,omitempty"` // like "90s", or "auto"

	MaxSize       *int64 `json:"max_size,omitempty"`        // bytes; 0: the nodes' limit
	MaxObjectSize *int64 `json:"max_object_size,omitempty"` // bytes; 0: the nodes' limit

	AcceptFlaws *[]string `json:"accept_flaws,omitempty"` // all that are taken from now on

	SetRow
}

// Policy is what is asked for with a new repo.
func (a AddRepo) Policy() (policy.Policy, error) {
	interval, err := intervalOf(a.Interval)
	return policy.Policy{Replicas: a.Replicas, Interval: interval, MaxSize: a.MaxSize, MaxObject: a.MaxObjectSize, Accept: a.AcceptFlaws}, err
}

// Auto is the interval that is learned from how often an upstream changes.
const Auto = "auto"

func intervalOf(text string) (time.Duration, error) {
	if text == "" || text == Auto {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, refusal.New(refusal.IntervalInvalid, "the interval %.40q is not a duration", text).Try("write it like 90s, 5m or 1h, or auto")
	case d%time.Millisecond != 0:
		return 0, refusal.New(refusal.IntervalInvalid, "the interval %.40q is finer than a millisecond", text).Try("write it like 1500ms, 90s or 1h")
	case d == 0:
		return -1, nil // asked for, and refused as out of bounds
	}
	return d, nil
}

// Change is what shall become of the policy, as far as it makes sense.
func (set SetRepo) Change() (policy.Change, error) {
	if set.Empty() {
		return policy.Change{}, nothingNamed()
	}
	change := policy.Change{Replicas: set.Replicas, MaxSize: set.MaxSize, MaxObject: set.MaxObjectSize, Accept: set.AcceptFlaws}
	if set.Interval != nil {
		if *set.Interval == "" {
			return change, refusal.New(refusal.IntervalInvalid, "the interval is empty").Try("write it like 90s, 5m or 1h, or auto")
		}
		interval, err := intervalOf(*set.Interval)
		if err != nil {
			return change, err
		}
		change.Interval = &interval
	}
	return change.Admit()
}

// PolicyOf is a policy as the API shows it.
func PolicyOf(p policy.Policy) Policy {
	return Policy{Replicas: p.Replicas, IntervalMS: p.Interval.Milliseconds(), MaxSize: p.MaxSize, MaxObjectSize: p.MaxObject,
		AcceptFlaws: append([]string{}, p.Accept...)}
}

// On is a policy with the change, as far as it makes sense.
func (set SetRepo) On(p Policy) Policy {
	is := policy.Policy{Replicas: p.Replicas, Interval: time.Duration(p.IntervalMS) * time.Millisecond, MaxSize: p.MaxSize, MaxObject: p.MaxObjectSize, Accept: p.AcceptFlaws}
	if set.Empty() {
		return p
	}
	change, err := set.Change()
	if err != nil {
		return p
	}
	return PolicyOf(change.Of(is))
}
