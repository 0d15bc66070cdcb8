package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Source is where repos come from: an index repository, whose files say what is mirrored, or an account of a
// forge, which has it.
type Source struct {
	Name      string     `json:"name"`
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`      // index, or that of a forge: github, gitlab, gitea, gitee
	Namespace string     `json:"namespace"` // stands before the names of what it lists; may be empty
	URL       string     `json:"url"`       // of the index, or of the forge
	Index     string     `json:"index"`     // the repo that mirrors it; empty of a forge
	Account   string     `json:"account"`   // of a forge: organisation, group or user
	Selection *Selection `json:"selection"` // of a forge; null of an index
	Owner     string     `json:"owner"`     // the node that reads it; empty while there is none
	// Credentials are the nodes that have one for a forge: these alone list it. Empty: any node does, as anybody may.
	Credentials []string `json:"credentials"`
	// Unusable says why nodes cannot use the credential that they were given, by their names.
	Unusable map[string]string `json:"unusable"`
	// WithCredential tells that a forge is listed with a credential alone, though no node may have one now.
	WithCredential bool       `json:"with_credential"`
	Ref            string     `json:"ref"`    // which branch or tag is read; empty: where HEAD is
	Path           string     `json:"path"`   // which folder is; empty: all of it
	State          string     `json:"state"`  // one of SourceStates
	Reason         string     `json:"reason"` // why it is in that state, may be empty
	Since          *time.Time `json:"since"`  // of the state; null where that is not told
	Claims         int        `json:"claims"` // repos that it wants mirrored
	AddedAt        time.Time  `json:"added_at"`
	Next           *time.Time `json:"next"` // when a forge is listed, or an index asked, next; null of what is paused, where nobody may or the owner does not say, and in a list of sources for an index
	// Listing is the last complete one; null while there is none.
	Listing *Listing    `json:"listing"`
	Hold    *SourceHold `json:"hold"` // null while nothing is held
	// Underway is the listing that is being made, once it has taken some seconds; null while none is.
	Underway *Underway `json:"underway"`
	// Repos are those of its repos of which upstream shows what is not followed: where an entry has another
	// upstream by now, this may be another repository. Of one source alone; null in lists, and while there are none.
	Repos *HeldRepos `json:"held_repos"`
}

// HeldRepos are repos whose upstreams show what is not followed without a person.
type HeldRepos struct {
	Total int        `json:"total"`
	First []HeldRepo `json:"first"` // twenty at most
}

// HeldRepo is one of them.
type HeldRepo struct {
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	Since   time.Time `json:"since"`
	Message string    `json:"message"` // what is lost, and what to do
}

// Underway is how far a listing has come that is being made.
type Underway struct {
	Since time.Time `json:"since"`
	Pages int       `json:"pages"` // of a forge, that were asked for; 0 of an index
	Found int       `json:"found"` // repositories on these
	// Changed is how many claims were added, changed or taken so far.
	Changed int `json:"changed"`
	// Until is when the forge's limit is over, which is waited for; null while nothing is.
	Until *time.Time `json:"until"`
	// Trouble is why the page that is asked for now was asked for in vain before; empty where it was not.
	Trouble string `json:"trouble"`
}

// SourceIndex is the kind of a source that is an index repository.
const SourceIndex = "index"

// Selection says which repositories of a forge's account are wanted, and what they are called.
type Selection struct {
	Match        string   `json:"match"` // regular expressions; empty for none
	Exclude      string   `json:"exclude"`
	Topics       []string `json:"topics"`     // one of them; empty: whatever they are
	Visibility   []string `json:"visibility"` // public, internal, private; empty: public
	SkipArchived bool     `json:"skip_archived"`
	SkipForks    bool     `json:"skip_forks"`
	MaxRepoSize  int64    `json:"max_repo_size"` // bytes; 0 for any
	Wiki         bool     `json:"wiki"`          // wikis too
	Template     string   `json:"template"`      // of names, with {host}, {owner} and {name}
}

// The states of a source.
const (
	SourceListed   = "listed"
	SourceListing  = "listing"
	SourceWaiting  = "waiting"
	SourceFailing  = "failing"
	SourceHeld     = "held"
	SourcePaused   = "paused"
	SourceRemoving = "removing"
)

// SourceStates are all of them, with what they mean.
var SourceStates = []struct{ Name, Means string }{
	{SourceRemoving, "its claims are being taken back"},
	{SourcePaused, "its listings change nothing until it is resumed"},
	{SourceFailing, "it cannot be listed: what is mirrored stays"},
	{SourceHeld, "it would take away more than it may unasked: nothing of that is taken"},
	{SourceListing, "it is being listed"},
	{SourceWaiting, "it is about to be listed, or its index is not here yet"},
	{SourceListed, "what it lists is mirrored"},
}

// Listing says how a source was listed.
type Listing struct {
	At         time.Time `json:"at"`
	Generation uint64    `json:"generation"` // of the index; the number of a forge's listing
	Entries    int       `json:"entries"`
	Added      int       `json:"added"`
	Changed    int       `json:"changed"`
	Removed    int       `json:"removed"`
	Kept       int       `json:"kept"`    // that stay though they are not listed, as there are errors
	Skipped    int       `json:"skipped"` // that a forge has and are not wanted
	Flaws      []Flaw    `json:"flaws"`   // the first of its errors, 100 at most
	FlawsTotal int       `json:"flaws_total"`
}

// Flaw is something in a source that cannot be followed.
type Flaw struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0: all of it
	Why  string `json:"why"`
	Hint string `json:"hint"` // what to try, may be empty
}

// SourceHold is what a source would take away, and may not unasked.
type SourceHold struct {
	Since    time.Time `json:"since"`
	Lost     int       `json:"lost"`     // repos that nobody of the source would want any more
	Earlier  int       `json:"earlier"`  // repos that went unasked within the last 24 hours: with these it is too many
	First    []string  `json:"first"`    // the paths in the source of what is lost, 100 at most
	Digest   string    `json:"digest"`   // of all of them, for approve
	Approved bool      `json:"approved"` // and waits to be followed
}

// Besides says what went before, behind how much would go; it is empty where nothing did.
func (h SourceHold) Besides() string {
	if h.Earlier == 0 {
		return ""
	}
	return fmt.Sprintf(", besides %d that went within the last 24 hours", h.Earlier)
}

// Claim is that a source wants a repo mirrored.
type Claim struct {
	Source string          `json:"source"`
	Path   string          `json:"path"`  // in the source; empty: it is its index
	File   string          `json:"file"`  // that says so
	Extra  json.RawMessage `json:"extra"` // what else is said of it there; null for nothing
	// SubmodulesError is what of its submodules cannot be followed; empty for nothing.
	SubmodulesError string `json:"submodules_error"`
}

// Origin says whose a setting of a repo is, which is not as it usually is.
type Origin struct {
	Setting string `json:"setting"` // upstream, replicas, interval, refs, or name or label and which
	Source  string `json:"source"`  // the source that asks for it; empty: people have set it by hand
}

// SourceList is the answer to GET /api/v1/sources, in the order in which they were added.
type SourceList struct {
	Sources []Source `json:"sources"`
}

// AddSource is what somebody wants to be a source.
type AddSource struct {
	Kind      string `json:"kind"`           // index, github, gitlab, gitea, gitee
	URL       string `json:"url,omitempty"`  // of an index
	Name      string `json:"name,omitempty"` // default: the last part of the url, or the account
	Namespace string `json:"namespace,omitempty"`
	Ref       string `json:"ref,omitempty"`
	Path      string `json:"path,omitempty"`
	// Of a forge.
	Account   string     `json:"account,omitempty"`
	BaseURL   string     `json:"base_url,omitempty"` // default: the kind's own
	Selection *Selection `json:"selection,omitempty"`
}

// SetSource is what shall become of a source; nil leaves it as it is.
type SetSource struct {
	Ref    *string `json:"ref,omitempty"`
	Path   *string `json:"path,omitempty"`
	Paused *bool   `json:"paused,omitempty"`
	// Selection is all of it, of a forge.
	Selection *Selection `json:"selection,omitempty"`
}

// ApproveSource lets a source take away what its hold shows.
type ApproveSource struct {
	Digest string `json:"digest"`
}

// Sources returns all sources.
func (c *Client) Sources(ctx context.Context) (*SourceList, error) {
	var l SourceList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "sources", out: &l})
}

// Source returns the source of that name.
func (c *Client) Source(ctx context.Context, name string) (*Source, error) {
	var s Source
	return &s, c.do(ctx, call{method: http.MethodGet, path: "sources/" + escapeName(name), out: &s})
}

// AddSource adds a source, and returns it.
func (c *Client) AddSource(ctx context.Context, a AddSource, key string) (*Source, error) {
	var s Source
	return &s, c.do(ctx, call{method: http.MethodPost, path: "sources", body: a, key: key, out: &s})
}

// SetSource changes how a source is read, and returns it.
func (c *Client) SetSource(ctx context.Context, name string, set SetSource, key string) (*Source, error) {
	var s Source
	return &s, c.do(ctx, call{method: http.MethodPatch, path: "sources/" + escapeName(name), body: set, key: key, out: &s})
}

// SyncSource has an index asked for and the source read again, and returns it. It does not wait for
// that.
func (c *Client) SyncSource(ctx context.Context, name, key string) (*Source, error) {
	var s Source
	return &s, c.do(ctx, call{method: http.MethodPost, path: "sources/" + escapeName(name) + ":sync", key: key, out: &s})
}

// ApproveSource lets a source take away what was shown, and returns it.
func (c *Client) ApproveSource(ctx context.Context, name string, a ApproveSource, key string) (*Source, error) {
	var s Source
	return &s, c.do(ctx, call{method: http.MethodPost, path: "sources/" + escapeName(name) + ":approve", body: a, key: key, out: &s})
}

// RemoveSource has the claims of a source taken back: what nobody else wants is served for seven
// days more.
func (c *Client) RemoveSource(ctx context.Context, name, key string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "sources/" + escapeName(name), key: key})
}
