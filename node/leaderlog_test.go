package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The first loss of a leader is told at once, as who leads then. While it goes on, lines become
// rare, and say how often; that there is none for long is told in any case.
func TestLeadersAreToldAndNoFlood(t *testing.T) {
	for name, c := range map[string]struct {
		seen []string // "SECOND LEADER", - for nobody
		want []string // what lines have, in order
	}{
		"a start, and a failover": {[]string{"0 n1", "100 -", "101 n2"},
			[]string{"there is a leader leader=n1", "the leader is lost", "there is a leader leader=n2"}},
		"a transfer":               {[]string{"0 n1", "100 n2"}, []string{"leader=n1", "there is a leader leader=n2"}},
		"the same leads again":     {[]string{"0 n1", "100 -", "101 n1"}, []string{"leader=n1", "is lost", "there is a leader leader=n1"}},
		"now and then":             {[]string{"0 n1", "100 -", "101 n2", "400 -", "401 n3"}, []string{"n1", "is lost", "n2", "is lost", "n3"}},
		"again within a minute":    {[]string{"0 n1", "100 -", "101 n2", "120 -", "121 n3"}, []string{"n1", "is lost", "n2", "there is a leader leader=n3"}},
		"and then for good":        {[]string{"0 n1", "100 -", "101 n2", "120 -"}, []string{"n1", "is lost", "n2", "is lost", "again and again: times=1 within=1m0s leader= "}},
		"others one after another": {[]string{"0 n1", "100 n2", "105 n3", "110 n1", "115 n2"}, []string{"n1", "n2", "again and again: times=3 within=1m0s leader=n2"}},
	} {
		var b bytes.Buffer
		l := leaderLog{log: slog.New(slog.NewTextHandler(&b, nil)), name: func(id string) string { return id }}
		play(&l, c.seen, time.Hour)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		ok := len(lines) == len(c.want)
		for i := 0; ok && i < len(lines); i++ {
			plain := strings.ReplaceAll(strings.ReplaceAll(lines[i], `too little processor time, or a slow disk or network?" `, ""), `"`, "")
			ok = strings.Contains(plain, c.want[i])
		}
		if !ok {
			t.Errorf("%s: %s\nwant %q", name, b.String(), c.want)
		}
	}
	var b bytes.Buffer
	l := leaderLog{log: slog.New(slog.NewTextHandler(&b, nil)), name: func(id string) string { return id }}
	var seen []string
	for i := range 114 { // each 20 seconds for 38 minutes
		at := (time.Duration(20*i) * time.Second).String()
		seen = append(seen, at+" n"+string(rune('1'+i%3)), (time.Duration(20*i)*time.Second+19*time.Second).String()+" -")
	}
	play(&l, seen, 38*time.Minute)
	if n := strings.Count(b.String(), "\n"); n < 5 || n > 12 {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}

// play has a log see what happens at some times, and be called when it wants to, until the end.
func play(l *leaderLog, seen []string, end time.Duration) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now, id := began, ""
	var again time.Time
	until := func(at time.Time) {
		for !again.IsZero() && !again.After(at) {
			if now = again; now.After(at) {
				return
			}
			again = l.see(now, id, "", 1)
		}
	}
	for _, what := range seen {
		when, leader, _ := strings.Cut(what, " ")
		if !strings.HasSuffix(when, "s") {
			when += "s"
		}
		after, err := time.ParseDuration(when)
		if err != nil {
			panic(err)
		}
		until(began.Add(after))
		if id = leader; id == "-" {
			id = ""
		}
		now = began.Add(after)
		again = l.see(now, id, "", 1)
	}
	until(began.Add(end))
}
