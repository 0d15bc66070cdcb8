package cluster

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
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
		b := newBridge(testLogger(log), raftCeiling, new(atomic.Bool), nil)
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

// What goes on is told less and less often, and as at first when it begins anew.
func TestRepetitionsGetRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, began := newQuota(repeatInterval), time.Now()
		var passed []time.Duration
		for time.Since(began) < time.Hour {
			if _, ok := q.take("a"); ok {
				passed = append(passed, time.Since(began)/time.Second)
			}
			time.Sleep(time.Second)
		}
		if want := []time.Duration{0, 10, 30, 70, 150, 310, 630, 1270, 1910, 2550, 3190}; !slices.Equal(passed, want) {
			t.Errorf("passed after %d s, want %d", passed, want)
		}
		time.Sleep(2 * rarestRepeat)
		q.take("a")
		time.Sleep(repeatInterval)
		if _, ok := q.take("a"); !ok {
			t.Error("what begins anew is as rare as what went on for an hour")
		}
	})
}

// Nodes have their names, and one that does not answer is no error of this one.
func TestBridgeNamesNodes(t *testing.T) {
	const id, other = "825beac8-7d35-4470-b5cb-ffcd97793781", "925beac8-7d35-4470-b5cb-ffcd97793781"
	log := new(logBuffer)
	b := newBridge(testLogger(log), raftCeiling, new(atomic.Bool), func(x string) string { return map[string]string{id: "n2"}[x] })
	hc := b.hclog()
	hc.Error("failed to appendEntries to", "peer", raft.Server{ID: id, Address: "h:1"}, "error", "reset by "+id)
	hc.Error("failed to make requestVote RPC", "target", raft.ServerID(other), "error", "refused")
	hc.Error("failed to take snapshot", "error", "disk full")
	b.stdlog().Printf("[WARN] memberlist: Refuting a suspect message (from: %s)", id)
	b.stdlog().Printf("[INFO] memberlist: Suspect %s has failed", id)
	b.stdlog().Printf("[WARN] memberlist: Was able to connect to %s over TCP but UDP probes failed", id)
	wantLines(t, log, 4, `level=WARN msg="raft: failed to appendEntries to" node=n2 err="reset by n2"`, `level=WARN msg="raft: failed to make requestVote RPC" node=`+other,
		`level=ERROR msg="raft: failed to take snapshot" err="disk full"`, `level=WARN msg="gossip: Was able to connect to n2 over TCP`)
}

func TestBridgeReadsMemberlistsLines(t *testing.T) {
	log := new(logBuffer)
	gossip := newBridge(testLogger(log), gossipCeiling, new(atomic.Bool), nil).stdlog()
	for _, port := range []string{"1", "22", "333"} {
		gossip.Printf("[ERR] memberlist: discarding packet: from=127.0.0.1:%s", port)
	}
	gossip.Printf("[DEBUG] memberlist: Stream connection")
	wantLines(t, log, 1, "level=WARN", `msg="gossip: discarding packet: from=127.0.0.1:1"`)
}
