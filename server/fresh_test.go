package server

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"
)

// watched is what is around a server, with an owner that says how new it is.
type watched struct {
	*around
	fresh func(ctx context.Context, addr string, after time.Time) (uint64, error)
}

func (w watched) Fresh(ctx context.Context, addr, _ string, after time.Time) (uint64, error) {
	return w.fresh(ctx, addr, after)
}

func (w watched) request(t *testing.T, method, target, body, minAsOf string) *httptest.ResponseRecorder {
	t.Helper()
	s := New(Config{Self: "n3", State: w.state, Consensus: w.around, Git: w.around, Peers: w, Now: func() time.Time { return w.at }, Log: testlog.New(t)})
	r := httptest.NewRequestWithContext(t.Context(), method, "/git/r/"+target, strings.NewReader(body))
	if minAsOf != "" {
		r.Header.Set(minAsOfHeader, minAsOf)
	}
	rec := httptest.NewRecorder()
	s.git(rec, r)
	return rec
}

const lsRefs = "0014command=ls-refs\n00010000"

// Of what a request wants, the owner is told; of the requests of one clone only those that show
// refs want anything, and "now" is when the first came.
func TestTheOwnerIsAskedForWhatIsWanted(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, tt := range map[string]struct {
		method, target, body, header string
		want                         string // zero time: "now"; empty: nobody is asked
	}{
		"nothing":               {"GET", refsOf, "", "", ""},
		"now":                   {"GET", refsOf, "", "now", time.Time{}.String()},
		"a time":                {"GET", refsOf, "", "2026-03-04T05:06:07Z", at.String()},
		"seconds":               {"GET", refsOf, "", "1772600767", at.String()},
		"in the query":          {"GET", refsOf + "&min_as_of=2026-03-04T05:06:07Z", "", "", at.String()},
		"the query comes first": {"GET", refsOf + "&min_as_of=now", "", "2026-03-04T05:06:07Z", time.Time{}.String()},
		"refs of protocol 2":    {"POST", packOf, lsRefs, "2026-03-04T05:06:07Z", at.String()},
		"refs of it, and now":   {"POST", packOf, lsRefs, "now", ""},
		"a pack":                {"POST", packOf, "0000", "2026-03-04T05:06:07Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := watched{around: served(t)}
			w.at = at.Add(time.Hour)
			asked := ""
			w.catchUp = func() {}
			w.fresh = func(_ context.Context, addr string, after time.Time) (uint64, error) {
				if asked = after.UTC().String(); addr != "n1:1" {
					t.Errorf("%s is asked, which does not own it", addr)
				}
				return 1, nil
			}
			if rec := w.request(t, tt.method, tt.target, tt.body, tt.header); rec.Code != 200 || asked != tt.want {
				t.Errorf("%d %s; asked for %q, want %q", rec.Code, rec.Body, asked, tt.want)
			}
		})
	}
}

func TestATimeThatIsNoneIsRefused(t *testing.T) {
	for _, said := range []string{"yesterday", "-1", "0", "2026-13-01T00:00:00Z", "9999999999999999", "NaN", "2026-03-04T06:06:07Z"} {
		w := watched{around: served(t)}
		w.at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		w.fresh = func(context.Context, string, time.Time) (uint64, error) {
			t.Errorf("%q: the owner is asked", said)
			return 0, nil
		}
		if rec := w.request(t, "GET", refsOf, "", said); rec.Code != 400 || !strings.Contains(rec.Body.String(), minAsOfHeader) {
			t.Errorf("%q: %d %s", said, rec.Code, rec.Body)
		}
	}
}

// Protocol 2 asks for refs after info/refs: it gets none that are older than what was published then,
// by a copy here that has not followed or by a table here that has not heard of it.
func TestRefsThatFollowAreNoOlder(t *testing.T) {
	w := watched{around: served(t)}
	w.publish(2)
	w.mine = gone{1}
	w.answers = func(string, string) (int, error) { return 0, errors.New("silent") }
	w.catchUp = func() {}
	if rec := w.request(t, "POST", packOf, lsRefs, "now"); rec.Code != 503 {
		t.Errorf("an older copy: %d %s", rec.Code, rec.Body)
	}
	w = watched{around: served(t)}
	w.mine = gone{1}
	w.catchUp = func() { w.publish(2) }
	if rec := w.request(t, "POST", packOf, lsRefs, "now"); rec.Code != 200 || rec.Body.String() != "from n1:1" {
		t.Errorf("an older table: %d %s", rec.Code, rec.Body)
	}
	w.catchUp = nil
	if rec := w.request(t, "POST", packOf, lsRefs, "now"); rec.Code != 503 {
		t.Errorf("nobody leads: %d %s", rec.Code, rec.Body)
	}
}

// What is older than is wanted is not served, by whatever node has it: not the copy here, which
// is better than none otherwise, and not one whose node has not reported the generation.
func TestWhatIsOlderIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watched{around: served(t)}
		w.publish(2)
		w.mine = gone{1}
		w.fresh = func(context.Context, string, time.Time) (uint64, error) { return 2, nil }
		w.answers = func(host, _ string) (int, error) {
			if host != "n1:1" {
				t.Errorf("%s is asked, which has generation 1", host)
			}
			return 0, errors.New("silent")
		}
		if rec := w.request(t, "GET", refsOf, "", "now"); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		w.answers = func(string, string) (int, error) { return 200, nil }
		if rec := w.request(t, "GET", refsOf, "", "now"); rec.Code != 200 || rec.Body.String() != "from n1:1" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if rec := w.request(t, "GET", refsOf, "", ""); rec.Code != 200 {
			t.Errorf("who wants nothing: %d", rec.Code)
		}
	})
}

// The table here is waited for, an owner that goes is followed by the next, and after half a
// minute, or at once where there is a reason, it is said why not.
func TestWhoWaitsIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watched{around: served(t)}
		w.mine = gone{2}
		times := 0
		w.fresh = func(context.Context, string, time.Time) (uint64, error) {
			if times++; times < 3 {
				return 0, refusal.New(refusal.OwnerMoved, "not here")
			}
			go func() { time.Sleep(time.Second); w.publish(2) }()
			return 2, nil
		}
		began := time.Now()
		if rec := w.request(t, "GET", refsOf, "", "now"); rec.Code != 200 || rec.Body.String() != "from here" || time.Since(began) < time.Second {
			t.Errorf("%d %s after %s", rec.Code, rec.Body, time.Since(began))
		}
		for name, tt := range map[string]struct {
			fresh func(context.Context) (uint64, error)
			why   string
			after time.Duration
		}{
			"upstream fails":       {func(context.Context) (uint64, error) { return 0, refusal.New(refusal.NotFresh, "it is gone") }, "it is gone", 0},
			"the owner is frozen":  {func(ctx context.Context) (uint64, error) { <-ctx.Done(); return 0, ctx.Err() }, "not checked within 30s", freshPatience},
			"the table stays back": {func(context.Context) (uint64, error) { return 7, nil }, "generation 7", freshPatience},
			"nobody owns it long":  {func(context.Context) (uint64, error) { return 0, refusal.New(refusal.OwnerMoved, "moved") }, "", freshPatience},
		} {
			w.fresh = func(ctx context.Context, _ string, _ time.Time) (uint64, error) { return tt.fresh(ctx) }
			began := time.Now()
			rec := w.request(t, "GET", refsOf, "", "now")
			if took := time.Since(began); rec.Code != 503 || !strings.Contains(rec.Body.String(), tt.why) || rec.Header().Get("Retry-After") != "5" || took < tt.after || took > tt.after+time.Second {
				t.Errorf("%s: %d %s after %s", name, rec.Code, rec.Body, took)
			}
		}
	})
}

// A client is told to come again when upstream is asked again, as far as that is known.
func TestAClientIsToldWhenToTryAgain(t *testing.T) {
	for again, want := range map[time.Duration]string{0: "5", 100 * time.Millisecond: "1", 90500 * time.Millisecond: "91", 7 * time.Hour: "900"} {
		w := watched{around: served(t)}
		w.catchUp = func() {}
		w.fresh = func(context.Context, string, time.Time) (uint64, error) {
			return 0, refusal.New(refusal.NotFresh, "its upstream is not there").After(again)
		}
		if rec := w.request(t, "GET", refsOf, "", "now"); rec.Code != 503 || rec.Header().Get("Retry-After") != want {
			t.Errorf("known for %s: %d, Retry-After %s, want %s", again, rec.Code, rec.Header().Get("Retry-After"), want)
		}
	}
}
