package mirror_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// An upstream that fails every second request, git's own among them, is followed.
func TestAnUpstreamThatStumblesIsFollowed(t *testing.T) {
	up, _, n := mirrored(t)
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		stumbles := asked.Add(1)%2 == 1
		if stumbles {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return stumbles
	})
	for generation := uint64(2); generation < 5; generation++ {
		gittest.Edit(t, r, func(e *upstream.Edit) {
			e.Commit("main", "more", map[string]string{"pushed": string(rune('a' + generation))})
		})
		arrives(t, n, "repox", generation)
	}
}
