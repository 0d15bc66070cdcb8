package cluster

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func testLogger(to *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }

// wantLines counts what was logged, and looks for fragments in it.
func wantLines(t *testing.T, log *logBuffer, lines int, fragments ...string) {
	t.Helper()
	text := log.String()
	if got := strings.Count(text, "\n"); got != lines {
		t.Errorf("%d lines, want %d:\n%s", got, lines, text)
	}
	for _, fragment := range fragments {
		if !strings.Contains(text, fragment) {
			t.Errorf("no %q in:\n%s", fragment, text)
		}
	}
}

func TestBridgeHoldsRepetitionsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		b := newBridge(testLogger(log), raftCeiling, new(atomic.Bool))
		hc := b.hclog()
		for range 50 {
			hc.Warn("failed to heartbeat to", "peer", "a", "error", "refused")
			hc.Warn("failed to heartbeat to", "peer", "b", "error", "refused")
			hc.Info("nothing new")
		}
		wantLines(t, log, 2)
		time.Sleep(repeatInterval)
		hc.Warn("failed to heartbeat to", "peer", "a", "error", "refused")
		wantLines(t, log, 3, "repeated=49", "node=a", "err=refused", "raft: failed to heartbeat to")

		hc.Error("disk on fire", "error", "hot")
		wantLines(t, log, 4, "level=ERROR")

		b.quiet.Store(true)
		hc.Error("failed to accept connection")
		wantLines(t, log, 4)
	})
}

func TestBridgeReadsMemberlistsLines(t *testing.T) {
	log := new(logBuffer)
	gossip := newBridge(testLogger(log), gossipCeiling, new(atomic.Bool)).stdlog()
	for _, port := range []string{"1", "22", "333"} {
		gossip.Printf("[ERR] memberlist: discarding packet: from=127.0.0.1:%s", port)
	}
	gossip.Printf("[DEBUG] memberlist: Stream connection")
	wantLines(t, log, 1, "level=WARN", `msg="gossip: discarding packet: from=127.0.0.1:1"`)
}
