package remote_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
)

// Headers are in memory before anything of an answer is judged: they have a bound.
func TestHeadersHaveABudget(t *testing.T) {
	many := func(w http.ResponseWriter) {
		for i := range 20_000 {
			w.Header()[fmt.Sprintf("X%05d", i)] = []string{""}
		}
	}
	for name, write := range map[string]func(http.ResponseWriter){
		"many":     many,
		"one":      func(w http.ResponseWriter) { w.Header().Set("X", strings.Repeat("x", 100<<10)) },
		"location": func(w http.ResponseWriter) { w.Header().Set("Location", "/"+strings.Repeat("x", 100<<10)) },
	} {
		f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
			write(w)
			v2(branches)(w, r)
		})
		if got := fails(t, client(t, remote.Config{}), f.URL+repo, failure.Network); !strings.Contains(got.Message, "headers exceeded") {
			t.Errorf("%s: %s", name, got.Message)
		}
	}
	// What honest servers send is far from it.
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", strings.Repeat("x", 16<<10))
		v2(branches)(w, r)
	})
	check(t, client(t, remote.Config{}), f.URL+repo)
}
