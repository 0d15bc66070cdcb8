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
	Total int       `json:"total"` // how many match, on whatever page
	// NextCursor is empty on the last page.
	NextCursor string `json:"next_cursor"`
}

// TrashQuery is which of what was removed is listed.
type TrashQuery struct {
	Pattern string
	Cursor  string
	Limit   int // 0: the node's own, which is 100
}

// Trash returns one page of what was removed.
func (c *Client) Trash(ctx context.Context, q TrashQuery) (*TrashList, error) {
	v := url.Values{}
	if q.Pattern != "" {
		v.Set("q", q.Pattern)
	}
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
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
