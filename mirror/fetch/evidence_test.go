package fetch

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"gitmirror/mirror/git"
)

// What git says with its own exit codes is of the copy; that it could not be run,
// or was killed, is of the node.
func TestEvidenceIsWhatGitItselfSays(t *testing.T) {
	for script, says := range map[string]bool{"exit 1": true, "exit 128": true, "exit 127": false, "kill -9 $$": false,
		"echo 'fatal: Out of memory, malloc failed (tried to allocate 5 bytes)' >&2; exit 128":  false,
		"echo 'fatal: unable to create thread: Resource temporarily unavailable' >&2; exit 128": false} {
		var stderr strings.Builder
		cmd := exec.Command("sh", "-c", script)
		cmd.Stderr = &stderr
		failed := &git.Error{Subcommand: "verify-pack", Err: cmd.Run(), Stderr: stderr.String()}
		if got := !errors.Is(evidence(t.Context(), failed), ErrInconclusive); got != says {
			t.Errorf("%s: evidence %v, want %v", script, got, says)
		}
	}
	missing := &git.Error{Subcommand: "verify-pack", Err: exec.Command("/nonexistent/git").Run()}
	if err := evidence(t.Context(), missing); !errors.Is(err, ErrInconclusive) {
		t.Errorf("a git that is not there: %v", err)
	}
}
