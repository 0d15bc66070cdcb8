package fetch_test

import (
	"fmt"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
)

const (
	honestModules = "[submodule \"x\"]\n\tpath = sub\n\turl = https://example.org/x\n"
	oddModules    = "[submodule \"x\"]\n\tpath = \"sub\r\"\n\turl = https://example.org/x\n"
)

func TestSubmodulePathsWithACarriageReturnAreRefused(t *testing.T) {
	both(t, testSubmodulePathsWithACarriageReturnAreRefused)
}

func testSubmodulePathsWithACarriageReturnAreRefused(t *testing.T, of engine) {
	for name, c := range map[string]struct {
		edit   func(*upstream.Edit)
		refuse bool
	}{
		"in the tip":      {func(e *upstream.Edit) { e.Commit("main", "a", map[string]string{".gitmodules": oddModules}) }, true},
		"spelt otherwise": {func(e *upstream.Edit) { e.Commit("main", "a", map[string]string{".GitModules": oddModules}) }, true},
		"also under another name": {func(e *upstream.Edit) {
			e.Commit("main", "a", map[string]string{".aaa": oddModules, ".gitmodules": oddModules})
		}, true},
		"in a commit before": {func(e *upstream.Edit) {
			e.Commit("main", "a", map[string]string{".gitmodules": oddModules})
			e.Commit("main", "b", map[string]string{".gitmodules": honestModules})
		}, true},
		"on a branch that was merged": {func(e *upstream.Edit) {
			e.Commit("main", "a", map[string]string{"a": "a"})
			e.Branch("side", "main")
			e.Commit("side", "b", map[string]string{".gitmodules": oddModules})
			e.Commit("side", "c", map[string]string{".gitmodules": honestModules})
			e.Commit("main", "d", map[string]string{"a": "b"}, "side")
		}, true},
		"honest": {func(e *upstream.Edit) { e.Commit("main", "a", map[string]string{".gitmodules": honestModules}) }, false},
		"lines that end as Windows's": {func(e *upstream.Edit) {
			e.Commit("main", "a", map[string]string{".gitmodules": strings.ReplaceAll(honestModules, "\n", "\r\n")})
		}, false},
		"in a url": {func(e *upstream.Edit) {
			e.Commit("main", "a", map[string]string{".gitmodules": "# a \r b\n" + honestModules})
		}, false},
		"in another file": {func(e *upstream.Edit) { e.Commit("main", "a", map[string]string{"modules": oddModules}) }, false},
		"more than any honest history has": {func(e *upstream.Edit) {
			for i := range 101 {
				e.Commit("main", "a", map[string]string{".gitmodules": fmt.Sprintf("# %d \r\n#\r#\n", i) + honestModules})
			}
		}, with(of, true, false)}, // it takes a process to look into each
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, 0, of)
			g.edit(t, c.edit)
			tip := g.tip(t, "main")
			if err := g.fetch(t, g.up.URL("x.git"), tip); !c.refuse && err != nil {
				t.Errorf("by a peer: %v", err)
			}
			g = newRig(t, 0, of)
			g.edit(t, c.edit)
			g.byWay(t, g.up.URL("x.git"))
			if !c.refuse {
				if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "main")); err != nil {
					t.Error(err)
				}
				return
			}
			if f := g.refuses(t, g.up.URL("x.git"), failure.Corrupt, g.tip(t, "main")); !strings.Contains(f.Message, "carriage return") || !strings.Contains(f.Message, ".gitmodules") {
				t.Error(f.Message)
			}
		})
	}
}
