package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Trashed is a repo that was removed and can be restored.
type Trashed struct {
	Name       string    `json:"name"`
	ID         string    `json:"id"`
	Aliases    []string  `json:"aliases"` // other names that it had
	URLs       []string  `json:"urls"`
	RemovedAt  time.Time `json:"removed_at"`
	Until      time.Time `json:"until"`      // when it can be restored no more
	Generation uint64    `json:"generation"` // the last that was published; 0: it was not cloned yet
	Nodes      []string  `json:"nodes"`      // that had copies, and are members still
}

// TrashList is the answer to GET /api/v1/trash: the last removed first.
type TrashList struct {
	Trash []Trashed `json:"trash"`
	Total int       `json:"total"` // how many match, of which these are the first
}

// Trash lists what was removed: as many as limit, all that may be listed for 0.
func (c *Client) Trash(ctx context.Context, pattern string, limit int) (*TrashList, error) {
	v := url.Values{}
	if pattern != "" {
		v.Set("q", pattern)
	}
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	var l TrashList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "trash", query: v, out: &l})
}

// Trashed returns the last repo that was removed and had that name, or URL.
func (c *Client) Trashed(ctx context.Context, name string) (*Trashed, error) {
	var t Trashed
	return &t, c.do(ctx, call{method: http.MethodGet, path: "trash/" + escapeName(name), out: &t})
}

// RestoreRemoved brings it back into the table, from its copies.
func (c *Client) RestoreRemoved(ctx context.Context, name, key string) (*Repo, error) {
	var r Repo
	return &r, c.do(ctx, call{method: http.MethodPost, path: "trash/" + escapeName(name) + ":restore", key: key, out: &r})
}
