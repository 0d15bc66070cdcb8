package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Hold is why what upstream shows is not followed until a person says so.
type Hold struct {
	Reason   string     `json:"reason"`  // empty mass_delete mass_rewrite head_rewrite
	Message  string     `json:"message"` // what is lost, and what to do
	Since    time.Time  `json:"since"`
	Lost     int        `json:"lost"`     // refs of which upstream takes something away
	Settled  int        `json:"settled"`  // of how many that count
	First    []Change   `json:"first"`    // of those that are lost, twenty at most
	Losses   string     `json:"losses"`   // names them all: an approval is of these
	Observed string     `json:"observed"` // names what upstream showed
	Approved *time.Time `json:"approved"` // when it was, while it waits for the first check that succeeds
}

// MostLosses is how many losses of a hold First names.
const MostLosses = 20

// The reasons of a hold.
const (
	HoldEmpty       = "empty"
	HoldMassDelete  = "mass_delete"
	HoldMassRewrite = "mass_rewrite"
	HoldHeadRewrite = "head_rewrite"
)

// Describe says what is held of the repo of that name, and what to do.
func (h *Hold) Describe(name string) string {
	what := h.Reason
	switch {
	case h.Reason == HoldEmpty:
		what = "upstream shows no refs any more"
	case h.Lost == 0: // an earlier release found it, and knows no more
		what = "upstream took away more than it may (" + h.Reason + ")"
	case h.Reason == HoldMassDelete:
		what = fmt.Sprintf("upstream took away %d of %d refs", h.Lost, h.Settled)
	case h.Reason == HoldMassRewrite:
		what = fmt.Sprintf("upstream moved %d of %d refs away from their history", h.Lost, h.Settled)
	case h.Reason == HoldHeadRewrite:
		what = "upstream replaced the history of the default branch"
		if h.Lost > 1 {
			what += fmt.Sprintf(", and took away from %d refs in all", h.Lost)
		}
	}
	var names []string
	for _, c := range h.First[:min(len(h.First), 3)] {
		names = append(names, Clip(c.Ref, 60))
	}
	if len(names) > 0 {
		if h.Lost > len(names) {
			names = append(names, fmt.Sprintf("%d more", h.Lost-len(names)))
		}
		what += ": " + strings.Join(names, ", ")
	}
	return what + ". It is not followed. If it is meant: gitmirror repo approve " + name
}

// Clip shortens what others made up to that many bytes, and dots.
func Clip(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// LostRefs are settled refs that upstream took something away from within a day, slowly
// enough to be followed.
type LostRefs struct {
	Count int      `json:"count"`
	First []Change `json:"first"` // five at most
}

// Pin is a ref that was restored: it stays until it is released.
type Pin struct {
	Ref      string  `json:"ref"`
	OID      string  `json:"oid"`
	Missing  bool    `json:"missing"`  // its object is in no copy any more: what upstream has is shown
	Upstream *string `json:"upstream"` // what upstream has there, empty for nothing; null where the owner did not answer
}

// Approve has upstream followed in what was seen of a repo's hold, and in refs that
// were restored.
type Approve struct {
	Losses   string    `json:"losses,omitempty"`   // as the hold says
	Observed string    `json:"observed,omitempty"` // as the hold says
	Release  []Release `json:"release,omitempty"`
}

// Release lets a ref that was restored follow upstream again: to what was shown, and on
// from there.
type Release struct {
	Ref      string  `json:"ref"`
	Upstream *string `json:"upstream"` // as the pin says; null: what is no loss is followed, and else it is held
}

// Approve has upstream followed in what is held, and returns the repo.
func (c *Client) Approve(ctx context.Context, name string, a Approve, key string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodPost, path: "repos/" + escapeName(name) + ":approve", body: a, key: key, out: &r})
}

// Restore sets a ref back to a tip that is kept. An empty To is the latest.
type Restore struct {
	Ref string `json:"ref"` // full, or a branch or tag by its short name
	To  string `json:"to,omitempty"`
}

// Restore sets a ref back to a kept tip, where it stays, and returns it.
func (c *Client) Restore(ctx context.Context, name string, rs Restore, key string) (*Pin, error) {
	var p Pin
	return &p, c.do(ctx, call{method: http.MethodPost, path: "repos/" + escapeName(name) + ":restore", body: rs, key: key, out: &p})
}

// Ref is a ref that is shown, or one that was and whose tip is kept.
type Ref struct {
	Ref        string     `json:"ref"`
	OID        string     `json:"oid"`
	Kept       bool       `json:"kept"`
	At         *time.Time `json:"at"`          // when upstream took it away; null for a live one
	ReplacedBy string     `json:"replaced_by"` // object it moved to; empty: it was deleted, or nothing is known of it
	Pinned     bool       `json:"pinned"`
}

// RefQuery selects refs of a repo.
type RefQuery struct {
	Pattern string // part of the name, or a glob
	Kept    bool   // kept ones alone
	Limit   int
	Cursor  string
}

// Values is the query as it stands in an address.
func (q RefQuery) Values() url.Values {
	v := url.Values{}
	for key, value := range map[string]string{"q": q.Pattern, "cursor": q.Cursor} {
		if value != "" {
			v.Set(key, value)
		}
	}
	if q.Kept {
		v.Set("kept", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// RefList is a page of refs, by name, the live one first, then the latest that is kept.
type RefList struct {
	Repo       string     `json:"repo"`
	Generation uint64     `json:"generation"`
	Refs       []Ref      `json:"refs"`
	NextCursor string     `json:"next_cursor"` // empty on the last page
	GivenUp    int        `json:"given_up"`    // kept tips that went before their 30 days, because there were too many
	GivenUpAt  *time.Time `json:"given_up_at"` // the last of them
}

// Refs returns one page of a repo's refs, live and kept.
func (c *Client) Refs(ctx context.Context, name string, q RefQuery) (*RefList, error) {
	var l RefList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "repos/" + escapeName(name) + ":refs", query: q.Values(), out: &l})
}
