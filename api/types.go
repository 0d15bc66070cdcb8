// Package api is the language between a node and its clients: the JSON of the
// HTTP API, its problems and their codes, and a client for it. Fields are only
// ever added.
package api

import (
	"net/http"
	"time"

	"gitmirror/internal/refusal"
)

// Status is the answer to GET /api/v1/status: the cluster as the answering
// node sees it.
type Status struct {
	ClusterID  string     `json:"cluster_id"`
	Verdict    string     `json:"verdict"` // healthy, degraded, no_quorum
	Leader     string     `json:"leader"`  // node name, empty when there is none
	Tolerates  int        `json:"tolerates"`
	Nodes      []Node     `json:"nodes"`
	Repos      RepoCounts `json:"repos"`
	AnsweredBy string     `json:"answered_by"`
	// CatchingUp is true while the answering node does not know the table since
	// its start: what it shows is what it has, and incomplete.
	CatchingUp bool `json:"catching_up"`
	// LastContact is when the answering node last heard from a leader, and so how old
	// what it shows may be: now if it leads, null if it never did.
	LastContact *time.Time `json:"last_contact"`
	Freshness   Freshness  `json:"freshness"`
	// Trouble is what nodes have failed at for ten seconds; the verdict is
	// degraded while there is any.
	Trouble []Trouble `json:"trouble"`
	// Since is when what the verdict says began, as far as that is known; null while all is
	// well.
	Since *time.Time `json:"since"`
	// Upstreams are the hosts whose repos cannot be followed, by the kind of failure, those of
	// most repos first. At most MostUpstreams are listed.
	Upstreams []FailingUpstream `json:"upstreams"`
	// Attention is what somebody should look at, most urgent first.
	Attention []Attention `json:"attention"`
}

// Freshness is how new what is served is, as far as owners answer; durations are up to a fifth
// too long.
type Freshness struct {
	Repos   int `json:"repos"`   // of which it is known when the check began whose upshot is published; paused ones are not among them
	Unknown int `json:"unknown"` // of which it is not: no check has succeeded since their owner has them
	// So long ago, or less, those checks began of half the repos, of 95 % of them, and of all.
	HalfMS   int64 `json:"half_ms"`
	MostMS   int64 `json:"most_ms"`
	OldestMS int64 `json:"oldest_ms"`
	// Changes is how many commits were published in the last half day, or whole one, and how long
	// half of them, and 95 %, had been there by then, at most: since their date, or the check before.
	Changes   int   `json:"changes"`
	LagHalfMS int64 `json:"lag_half_ms"`
	LagMostMS int64 `json:"lag_most_ms"`
}

// MostUpstreams is how many of them a status lists.
const MostUpstreams = 20

// FailingUpstream is one kind of failure of one host.
type FailingUpstream struct {
	Host  string `json:"host"`
	Class string `json:"class"` // of RepoError
	Repos int    `json:"repos"` // that fail so
	// Since is when the first of them began to.
	Since *time.Time `json:"since"`
}

// Attention is one thing to look at, in a sentence, and the command to look with.
type Attention struct {
	Message string `json:"message"`
	Command string `json:"command"` // as it is typed: gitmirror …
	// Since is when it, or the first of it, began; null where that is not known.
	Since *time.Time `json:"since"`
}

// Trouble is a part of a node's work for the cluster, the leader's as a rule,
// that keeps failing.
type Trouble struct {
	Node    string    `json:"node"`    // that fails at it
	Step    string    `json:"step"`    // like voters, reaching the leader, or status: what another says
	Subject string    `json:"subject"` // the node it is about, may be empty
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// The verdicts.
const (
	Healthy  = "healthy"
	Degraded = "degraded" // a voter is down, a repo lacks copies or the newest of them, more than a tenth of them fail, a node is impaired, or there is trouble
	NoQuorum = "no_quorum"
)

// Repo is one mirrored repository.
type Repo struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Aliases     []string          `json:"aliases"` // other names that lead to it
	URLs        []string          `json:"urls"`
	State       string            `json:"state"` // one of States
	Reason      string            `json:"reason"`
	Since       *time.Time        `json:"since"` // of State; null where that is not known, and of what is no trouble
	Also        []string          `json:"also"`  // other states that are true, with their reasons
	Owner       string            `json:"owner"` // node name
	Epoch       uint64            `json:"epoch"`
	Generation  uint64            `json:"generation"`
	Durable     bool              `json:"durable"` // survives the loss of any one node
	Refs        uint32            `json:"refs"`
	RefsDigest  string            `json:"refs_digest"`
	Head        string            `json:"head"`
	Labels      map[string]string `json:"labels"`
	RetiredAt   *time.Time        `json:"retired_at"`   // since when nobody wants it any more; null while somebody does
	ServesOf    string            `json:"serves_of"`    // host and path of the upstream that what is served came from, while the first url is another that no check has proved; empty otherwise
	Claims      []Claim           `json:"claims"`       // the sources that want it
	Origins     []Origin          `json:"origins"`      // whose its settings are, where sources want it
	Paused      bool              `json:"paused"`       // upstream is asked for who waits for that alone
	RefPrefixes []string          `json:"ref_prefixes"` // of the refs that are mirrored
	Policy

	Copies     []Copy       `json:"copies"`
	LastCheck  *time.Time   `json:"last_check"` // null where the owner did not answer
	LastChange *time.Time   `json:"last_change"`
	NextCheck  *time.Time   `json:"next_check"`
	EveryMS    *int64       `json:"every_ms"` // between two checks, as it is now; null where the owner did not answer
	RestsMS    *int64       `json:"rests_ms"` // for how long the host that is asked still wants to be left alone (429, 503); null where it does not, and where the owner did not answer
	AsOf       *time.Time   `json:"as_of"`    // when the last check began whose upshot is what is published; null while the owner has made none, or did not answer, or nobody serves that
	Error      *RepoError   `json:"error"`
	Moved      *Moved       `json:"moved"`        // null where no upstream says so
	Fallback   *Fallback    `json:"fallback"`     // null where the first of its urls is asked
	Skipped    *SkippedRefs `json:"skipped_refs"` // null for none, and where the owner did not answer
	Hold       *Hold        `json:"hold"`
	Lost       *LostRefs    `json:"lost_refs"` // null for none, where the owner did not answer, and in lists
	Pins       []Pin        `json:"pins"`
	Released   []Release    `json:"released"` // pins that are none any more, and wait for the first check that succeeds
}

// Moved says that an upstream answers, and redirects for good (301, 308): it is elsewhere from
// now on. It is followed there, and the row's address stays what it is.
type Moved struct {
	From  string    `json:"from"` // one of the row's urls
	To    string    `json:"to"`
	Since time.Time `json:"since"` // when that was first heard
}

// Fallback is which of a repo's urls is asked, and answers, while the first does not.
type Fallback struct {
	URL   string    `json:"url"`
	Since time.Time `json:"since"` // when it first answered
	// NextProbe is when the first is tried again; null where the owner did not answer.
	NextProbe *time.Time `json:"next_probe"`
}

// SkippedRefs are refs that upstream shows and that are not mirrored.
type SkippedRefs struct {
	Count int          `json:"count"`
	First []SkippedRef `json:"first"` // five at most
}

// SkippedRef is one of them.
type SkippedRef struct {
	Ref    string `json:"ref"`
	Reason string `json:"reason"`
}

// Copy is one node's copy of a repo.
type Copy struct {
	Node       string `json:"node"`
	State      string `json:"state"` // wanted ready broken leaving
	Away       string `json:"away"`  // why clients do not get a ready one now: "down", "not heard" (while nobody leads), "out of service"; empty otherwise
	Generation uint64 `json:"generation"`
	// Behind is why a ready one lacks what is published, "its disk is full", "its disk is failing" or
	// "it follows"; empty where it does not.
	Behind string `json:"behind"`
	// Since is when one broke, as far as the events that are kept say so; null otherwise.
	Since *time.Time `json:"since"`
	// Live is the generation that the node itself says it has, 0 for none; null where it was not
	// asked, as for lists, and where it did not answer.
	Live *uint64 `json:"live_generation"`
	// Progress is how far the node is with what it fetches for it. Asked for are the owner, and
	// who lacks what is published.
	Progress *Progress `json:"progress"`
	// Upkeep is how the node keeps it; null in lists, and where the node did not answer.
	Upkeep *Upkeep `json:"upkeep"`
}

// RepoError is why a repo is failing.
type RepoError struct {
	Class   string    `json:"class"`
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
	Count   *int      `json:"count"`  // failures in a row; null where the owner did not answer
	Parked  bool      `json:"parked"` // it has long been so, and upstream is asked three times a day
}

// RepoList is a page of repos, in order of name.
type RepoList struct {
	Repos      []Repo `json:"repos"`
	NextCursor string `json:"next_cursor"` // empty on the last page
	// OtherNames are those like the pattern that lead to repos whose own are not, so that they are not among Repos: the
	// first of the page's, and how many there are.
	OtherNames      []OtherName `json:"other_names,omitempty"`
	OtherNamesTotal int         `json:"other_names_total,omitempty"`
}

// OtherName is one by which a repo is found that is called otherwise.
type OtherName struct {
	Name string `json:"name"`
	Of   string `json:"of"` // its own
}

// AddRepos asks for many.
type AddRepos struct {
	Repos []AddRepo `json:"repos"`
}

// AddResult is one repo's result of many: the row or the problem.
type AddResult struct {
	Repo    *Repo    `json:"repo,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
	// There is the row that has the name, or mirrors the upstream, already: the problem says
	// which.
	There *Repo `json:"there,omitempty"`
	// Would is the name that it would get, where nothing is added.
	Would string `json:"would,omitempty"`
}

// AddResults are the results of AddRepos, in its order.
type AddResults struct {
	Results []AddResult `json:"results"`
}

// Change is one ref's step.
type Change struct {
	Ref  string `json:"ref"`
	Old  string `json:"old"`
	New  string `json:"new"`
	Kind string `json:"kind"` // created updated forced deleted
}

// SyncOutcome is what a requested check came to.
type SyncOutcome struct {
	Repo         string     `json:"repo"`
	Outcome      string     `json:"outcome"` // unchanged, changed, failed, held, accepted
	Generation   uint64     `json:"generation"`
	First        bool       `json:"first"` // nothing was published before: all its refs are new, and none of them is in Changes
	Refs         uint32     `json:"refs"`  // that it has now
	Changes      []Change   `json:"changes"`
	CopiesBehind []string   `json:"copies_behind"` // nodes that do not have the generation yet
	Error        *RepoError `json:"error"`
	Hold         *Hold      `json:"hold"`            // null where it is not held
	Paused       bool       `json:"paused"`          // it is not checked again by itself
	Heard        uint64     `json:"heard,omitempty"` // the newest word of a person that the check knew, by its place in the log
}

// The outcomes of a check.
const (
	SyncUnchanged = "unchanged"
	SyncChanged   = "changed"
	SyncFailed    = "failed"
	SyncHeld      = "held"
	SyncAccepted  = "accepted" // not waited for
)

// Problem is an error answer (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // what and why, for people
	Code   string `json:"code"`   // stable, for programs
	Hint   string `json:"hint,omitempty"`
	// Existing names the repo, or the source, in the way of a conflict.
	Existing string `json:"existing,omitempty"`
	// RetryAfterS is in how many seconds it may come to something else, where that is known.
	RetryAfterS int64 `json:"retry_after_s,omitempty"`
}

func (p *Problem) Error() string { return p.Detail }

// Is matches the code of a refusal.
func (p *Problem) Is(target error) bool {
	code, ok := target.(refusal.Code)
	return ok && string(code) == p.Code
}

// ProblemOf is what a client is told of an error: of a refusal what it says, of any
// other that the node failed.
func ProblemOf(err error) *Problem {
	r := refusal.Of(err)
	if r == nil {
		r = refusal.New(refusal.Failed, "%s", err)
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(r.HTTP()), Status: r.HTTP(), Detail: r.Error(),
		Code: string(r.Code), Hint: r.Hint, Existing: r.Existing, RetryAfterS: int64((r.Again + time.Second - 1) / time.Second)}
}

// Refusal is what a node that received p was told.
func (p *Problem) Refusal() *refusal.Error {
	return &refusal.Error{Code: refusal.Code(p.Code), Detail: p.Detail, Hint: p.Hint, Existing: p.Existing, Status: p.Status, Again: time.Duration(p.RetryAfterS) * time.Second}
}
