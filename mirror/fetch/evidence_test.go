package fetch

import (
	"os/exec"
	"testing"

	"gitmirror/mirror/git"
)

// What git says with its own exit codes is of the copy; that it could not be run,
// or was killed, is of the node.
func TestEvidenceIsWhatGitItselfSays(t *testing.T) {
	for script, says := range map[string]bool{"exit 1": true, "exit 128": true, "exit 127": false, "kill -9 $$": false} {
		failed := &git.Error{Subcommand: "verify-pack", Err: exec.Command("sh", "-c", script).Run()}
		if got := evidence(t.Context(), failed) != nil; got != says {
			t.Errorf("%s: evidence %v, want %v", script, got, says)
		}
	}
	missing := &git.Error{Subcommand: "verify-pack", Err: exec.Command("/nonexistent/git").Run()}
	if err := evidence(t.Context(), missing); err != nil {
		t.Errorf("a git that is not there: %v", err)
	}
}
