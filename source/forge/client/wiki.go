package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gitmirror/source/forge"
)

// wikisAtOnce is how many are looked for at once.
const wikisAtOnce = 8

// WithoutEmptyWikis leaves wikis out for which serves is not true. It calls that several times at once,
// and blocks for all of them.
func WithoutEmptyWikis(plan []forge.Planned, serves func(*forge.Planned) bool) (kept []forge.Planned) {
	var work errgroup.Group
	work.SetLimit(wikisAtOnce)
	there := make([]bool, len(plan))
	for i := range plan {
		p := &plan[i]
		if there[i] = !p.Wiki || p.Flaw != nil; !there[i] {
			work.Go(func() error { there[i] = serves(p); return nil })
		}
	}
	_ = work.Wait() // none fails
	for i := range plan {
		if there[i] {
			kept = append(kept, plan[i])
		}
	}
	return kept
}

// Serves tells whether anybody may clone a repository from an address. Forges say of most repositories
// that they have a wiki, of which there is nothing until somebody writes its first page. It blocks for
// the answer; one that does not come is a no. agent is the User-Agent.
func Serves(ctx context.Context, on http.RoundTripper, agent, clone string) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, clone+"/info/refs?service=git-upload-pack", nil)
	if err != nil {
		return false
	}
	r.Header.Set("User-Agent", agent)
	resp, err := on.RoundTrip(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-git-upload-pack-advertisement")
}
