package cluster

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A line that says the same may be logged again after repeatInterval, and while it goes on,
// after twice as long each time, to rarestRepeat: a node may be down for days.
const (
	repeatInterval = 10 * time.Second
	rarestRepeat   = 64 * repeatInterval
)

// Nothing that gossip complains of is worth more than a warning.
const (
	raftCeiling   = slog.LevelError
	gossipCeiling = slog.LevelWarn
)

// bridge carries the logs of raft and memberlist to slog. What they call
// information is our debug. A warning that repeats itself is logged at once,
// and then less and less often, with the number of times it was left out. Nodes have their
// names.
type bridge struct {
	log     *slog.Logger
	ceiling slog.Level // nothing is logged above it
	quota   *quota
	quiet   *atomic.Bool           // set once we are closing: what breaks then is no news
	name    func(id string) string // of a node, empty where it is not known; may be nil
}

func newBridge(log *slog.Logger, ceiling slog.Level, quiet *atomic.Bool, name func(id string) string) *bridge {
	return &bridge{log: log, ceiling: ceiling, quota: newQuota(repeatInterval), quiet: quiet, name: name}
}

// named is text with the names of nodes for their ids.
func (b *bridge) named(text string) string {
	if b.name == nil {
		return text
	}
	return nodeID.ReplaceAllStringFunc(text, func(id string) string { return cmp.Or(b.name(id), id) })
}

// nodeID is what ids of nodes look like.
var nodeID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (b *bridge) emit(level slog.Level, key, msg string, args ...any) {
	if level < slog.LevelWarn || b.quiet.Load() {
		level = slog.LevelDebug
	}
	level = min(level, b.ceiling)
	if !b.log.Enabled(context.Background(), level) {
		return
	}
	if level >= slog.LevelWarn {
		repeated, ok := b.quota.take(key)
		if !ok {
			return
		}
		if repeated > 0 {
			args = append(args, "repeated", repeated)
		}
	}
	b.log.Log(context.Background(), level, msg, args...)
}

// hclog is the logger for raft.
func (b *bridge) hclog() hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Debug, Output: io.Discard})
	logger.RegisterSink(b)
	return logger
}

// raftKeys are raft's names for what we call otherwise.
var raftKeys = map[string]string{
	"error": "err", "peer": "node", "server-id": "node", "target": "node", "duration": "took", "time": "took",
}

// routine is what raft warns of whenever a node is new or behind.
var routine = map[string]bool{
	"failed to get previous log":                                 true,
	"appendEntries rejected, sending older logs":                 true,
	"no known peers, aborting election":                          true,
	"heartbeat timeout reached, starting election":               true,
	"Election timeout reached, restarting election":              true,
	"rejecting pre-vote request since we have a leader":          true,
	"rejecting vote request since we have a leader":              true,
	"rejecting pre-vote request since our last index is greater": true,
	"rejecting vote request since our last index is greater":     true,
}

// reassurance is how gossip begins to warn that others have taken this node for dead, which
// whoever starts again hears.
const reassurance = "Refuting a "

// Accept implements hclog.SinkAdapter.
func (b *bridge) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch {
	case routine[msg]:
	case level >= hclog.Error:
		to = slog.LevelError
	case level == hclog.Warn:
		to = slog.LevelWarn
	}
	// One line per message and peer: the other values differ each time. That another node does
	// not answer is no failure of this one.
	key := msg
	attrs := make([]any, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		name, value := attribute(args[i], args[i+1])
		if name == "node" || name == "addr" {
			key += fmt.Sprint(" ", value)
			to = min(to, slog.LevelWarn)
		}
		if s, ok := value.(string); ok {
			value = b.named(s)
		}
		if value == raft.ErrNothingNewToSnapshot {
			to = slog.LevelDebug
		}
		attrs = append(attrs, name, value)
	}
	b.emit(to, key, "raft: "+msg, attrs...)
}

// attribute gives one of raft's attributes our name and a readable value.
func attribute(key, value any) (string, any) {
	name := fmt.Sprint(key)
	if ours, ok := raftKeys[name]; ok {
		name = ours
	}
	switch v := value.(type) {
	case raft.Server:
		return name, string(v.ID)
	case raft.ServerID:
		return name, string(v)
	case raft.ServerAddress:
		if name == "node" {
			name = "addr"
		}
		return name, string(v)
	case hclog.Format:
		if len(v) > 0 {
			return name, fmt.Sprintf(fmt.Sprint(v[0]), v[1:]...)
		}
	}
	return name, value
}

// stdlog is the logger for memberlist, which writes lines such as
// "[WARN] memberlist: Refuting a suspect message (from: x)".
func (b *bridge) stdlog() *log.Logger { return log.New(b, "", 0) }

// Write implements io.Writer for stdlog.
func (b *bridge) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	level := slog.LevelDebug
	if tag, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(tag, "[") {
		text = rest
		switch tag {
		case "[ERR", "[ERROR":
			level = slog.LevelError
		case "[WARN":
			level = slog.LevelWarn
		}
	}
	msg := strings.TrimPrefix(text, "memberlist: ")
	if strings.HasPrefix(msg, reassurance) {
		level = slog.LevelDebug
	}
	b.emit(level, withoutDigits(msg), "gossip: "+b.named(msg))
	return len(line), nil
}

// withoutDigits makes lines equal that differ in ports and times only.
func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// quota lets one event per key and interval through, and counts the others. The interval
// doubles while they go on, to rarestRepeat.
type quota struct {
	interval time.Duration

	mu   sync.Mutex
	seen map[string]*sightings
}

type sightings struct {
	last     time.Time
	interval time.Duration
	skipped  int
}

// quotaKeys bounds what strangers can make us remember.
const quotaKeys = 1024

func newQuota(interval time.Duration) *quota {
	return &quota{interval: interval, seen: make(map[string]*sightings)}
}

// take says whether the event may pass, and how many did not since the last.
func (q *quota) take(key string) (skipped int, ok bool) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.seen[key]
	if s == nil {
		if len(q.seen) >= quotaKeys {
			clear(q.seen)
		}
		q.seen[key] = &sightings{last: now, interval: q.interval}
		return 0, true
	}
	quiet := now.Sub(s.last)
	if quiet < s.interval {
		s.skipped++
		return 0, false
	}
	skipped = s.skipped
	next := min(2*s.interval, max(rarestRepeat, q.interval))
	if quiet >= 2*s.interval {
		next = q.interval // it had ended
	}
	*s = sightings{last: now, interval: next}
	return skipped, true
}
