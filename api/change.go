package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"gitmirror/internal/refusal"
)

// What shall become of repos that are there, of one or of many.

// MostRepos is how many repos one request is about at the most.
const MostRepos = 1000

// SetRow changes what a repo is called and where it comes from; what is null stays as it is.
type SetRow struct {
	Name    *string            `json:"name,omitempty"`    // what it is called from now on: the name before leads to it too, unless aliases says otherwise
	Aliases *[]string          `json:"aliases,omitempty"` // all other names that lead to it
	URLs    *[]string          `json:"urls,omitempty"`    // of the upstream; the first is preferred
	Labels  map[string]*string `json:"labels,omitempty"`  // those that are not named stay; null: the label goes
	Paused  *bool              `json:"paused,omitempty"`  // upstream is asked for who waits for that alone
}

// Empty tells whether nothing is to change.
func (set SetRepo) Empty() bool { return reflect.ValueOf(set).IsZero() }

// Changeable are the fields of SetRepo, by their names in JSON.
func Changeable() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[SetRepo]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Set changes a repo.
func (c *Client) Set(ctx context.Context, name string, set SetRepo, key string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodPatch, path: "repos/" + escapeName(name), body: set, key: key, out: &r})
}

// SetOne is what shall become of one repo of many.
type SetOne struct {
	Repo string `json:"repo"` // its name
	SetRepo
}

// SetRepos changes many repos, each by itself.
type SetRepos struct {
	Repos []SetOne `json:"repos"`
}

// RepoNames are the repos that a request is about.
type RepoNames struct {
	Repos []string `json:"repos"`
}

// RepoResult is what became of one repo of many: a row, what a check came to, or a problem;
// none of these where it is removed.
type RepoResult struct {
	Name    string       `json:"name"` // as it was asked for
	Repo    *Repo        `json:"repo,omitempty"`
	Sync    *SyncOutcome `json:"sync,omitempty"`
	Problem *Problem     `json:"problem,omitempty"`
	// StaysFor are the sources that want what people do not want any more: it is not removed, and Repo says what it is
	// by now.
	StaysFor []string `json:"stays_for,omitempty"`
}

// RepoResults are in the order in which repos were asked for.
type RepoResults struct {
	Results []RepoResult `json:"results"`
}

// SetMany changes many repos, at most MostRepos a call.
func (c *Client) SetMany(ctx context.Context, set SetRepos, key string) (*RepoResults, error) {
	var r RepoResults
	err := c.do(ctx, call{method: http.MethodPost, path: "repos:set", body: set, key: key, out: &r})
	return &r, cmp.Or(err, eachAnswered(r.Results, len(set.Repos), func(one RepoResult) bool { return one.Repo != nil || one.Problem != nil }))
}

// RemoveMany has every copy of many repos deleted, at most MostRepos a call.
func (c *Client) RemoveMany(ctx context.Context, names RepoNames, key string) (*RepoResults, error) {
	var r RepoResults
	err := c.do(ctx, call{method: http.MethodPost, path: "repos:remove", body: names, key: key, out: &r})
	return &r, cmp.Or(err, eachAnswered(r.Results, len(names.Repos), func(one RepoResult) bool { return one.Name != "" }))
}

// SyncMany has the upstreams of many repos asked, at most MostRepos a call, and does not wait
// for what that comes to.
func (c *Client) SyncMany(ctx context.Context, names RepoNames) (*RepoResults, error) {
	var r RepoResults
	err := c.do(ctx, call{method: http.MethodPost, path: "repos:sync", body: names, harmless: true, out: &r})
	return &r, cmp.Or(err, eachAnswered(r.Results, len(names.Repos), func(one RepoResult) bool { return one.Sync != nil || one.Problem != nil }))
}

// eachAnswered is an error where a request about several repos is not answered about each: who
// does so is no node, or one that we do not understand.
func eachAnswered[T any](results []T, asked int, answered func(T) bool) error {
	if len(results) != asked {
		return strange{fmt.Errorf("asked about %d repositories, the node answered about %d", asked, len(results))}
	}
	for i, one := range results {
		if !answered(one) {
			return strange{fmt.Errorf("asked about %d repositories, the node said nothing of number %d", asked, i+1)}
		}
	}
	return nil
}

// nothingNamed refuses a change that changes nothing.
func nothingNamed() error {
	return refusal.New(refusal.JSONInvalid, "the body names nothing to change: %s", strings.Join(Changeable(), ", "))
}
