package node

import (
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
	"gitmirror/mirror"
)

// When upstream is asked again is known to whoever the owner tells that it cannot say how new it is,
// on other nodes too.
func TestWhenUpstreamIsAskedAgainIsPassedOn(t *testing.T) {
	err := notFresh(&mirror.NotFreshError{Why: "it is held", Again: 90 * time.Second})
	there := api.ProblemOf(err).Refusal()
	if there.Code != refusal.NotFresh || there.Error() != "it is held" || there.Again != 90*time.Second {
		t.Errorf("%+v", there)
	}
}
