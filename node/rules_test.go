package node

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/coordinator"
	"gitmirror/internal/advice"
	"gitmirror/mirror"
	"gitmirror/mirror/maintain"
)

// Who waits for work on a copy knows by these words that it waits in vain.
func TestWhatWorkWaitsFor(t *testing.T) {
	if got := upkeepOf(mirror.Upkeep{Waits: maintain.ForRoom}).WaitsFor; got != api.ForRoom {
		t.Errorf("%q", got)
	}
}

// A stop that hangs ends all the same, and says why.
func TestAStopThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		all, err := ended(make(chan error))
		var e *advice.Error
		if all || !errors.As(err, &e) || !strings.Contains(e.Message, "a disk may hang") || time.Since(began) != closeBound {
			t.Errorf("%v, %v after %s", all, err, time.Since(began))
		}
		closed := make(chan error, 1)
		closed <- errors.New("why")
		if all, err := ended(closed); !all || err == nil || err.Error() != "why" {
			t.Errorf("%v, %v", all, err)
		}
	})
}

// What keeps a node from its work for the cluster is shown: the leader's failures, a
// disk that hangs, a doubt about the table.
func TestTroublesAreShown(t *testing.T) {
	since := time.Unix(1e9, 0)
	if list := troubles(nil, time.Time{}, "", time.Time{}); len(list) > 0 {
		t.Errorf("none, and %v are shown", list)
	}
	list := troubles([]coordinator.Trouble{{Step: "voters", Subject: "n2", Message: "no", Since: since}}, since.Add(1), "it differs", since.Add(2))
	if len(list) != 3 || list[0].Step != "voters" || list[0].Subject != "n2" || !strings.Contains(list[1].Message, "disk does not answer") || !list[1].Since.Equal(since.Add(1)) || list[2].Message != "it differs" {
		t.Errorf("%+v", list)
	}
}
