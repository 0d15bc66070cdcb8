package remote_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
)

// paced is an answer in protocol 0 that comes as a test says, in the time of its bubble.
type paced struct {
	rest *bytes.Reader
	pace func(at time.Duration) (wait time.Duration, bytes int) // what comes next, and when
	at   time.Duration
	left int // of what has come
}

func (p *paced) Read(b []byte) (int, error) {
	if p.left == 0 {
		wait, n := p.pace(p.at)
		time.Sleep(wait)
		p.at, p.left = p.at+wait, n
	}
	n, err := p.rest.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

func (p *paced) Close() error { return nil }

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {advertisement}}, Body: p, Request: r}, nil
}

// of is an advertisement with about that many bytes.
func of(size int) []byte {
	var b bytes.Buffer
	b.WriteString(gittest.Packets(service, "0000", oidA+" HEAD\x00agent=git\n"))
	for i := 0; b.Len() < size; i++ {
		b.WriteString(gittest.Packets(fmt.Sprintf("%s refs/heads/%0100d\n", oidA, i)))
	}
	b.WriteString("0000")
	return b.Bytes()
}

// steady brings that many bytes a second, in four parts.
func steady(rate int) func(time.Duration) (time.Duration, int) {
	return func(time.Duration) (time.Duration, int) { return time.Second / 4, rate / 4 }
}

// until follows one pace until then, and another from then on.
func until(then time.Duration, first, second func(time.Duration) (time.Duration, int)) func(time.Duration) (time.Duration, int) {
	return func(at time.Duration) (time.Duration, int) {
		if at < then {
			return first(at)
		}
		return second(at)
	}
}

// pausing brings at a pace, but for a pause in each minute, behind which more comes at once.
func pausing(pause time.Duration, more int, pace func(time.Duration) (time.Duration, int)) func(time.Duration) (time.Duration, int) {
	last := time.Duration(0)
	return func(at time.Duration) (time.Duration, int) {
		if at-last >= time.Minute {
			last = at + pause
			return pause, more
		}
		return pace(at)
	}
}

const atOnce = 1 << 30

// After a minute an answer comes with 16 KiB a second, and one that has been fast for long
// is no exception. It may pause, as long as any may, and bring the rest behind that.
func TestSlowAnswersEnd(t *testing.T) {
	const kib = 1 << 10
	for name, c := range map[string]struct {
		size int
		pace func(time.Duration) (time.Duration, int)
		slow bool
		from time.Duration // since when it is too slow
	}{
		"fast":               {4 << 20, steady(100 * kib), false, 0},
		"not quite too slow": {4 << 20, steady(17 * kib), false, 0},
		"too slow":           {4 << 20, steady(15 * kib), true, time.Minute},
		"much too slow":      {4 << 20, steady(kib), true, time.Minute},
		"in bursts, and too slow": {6 << 20, until(time.Minute, steady(60*kib), func(at time.Duration) (time.Duration, int) {
			return []time.Duration{time.Second, 5 * time.Second, time.Second / 2, 7 * time.Second, 2 * time.Second}[int(at/time.Second)%5], 32 * kib
		}), true, time.Minute},
		"slow for less than a minute":        {50 * 8 * kib, steady(8 * kib), false, 0},
		"slow for the first minute":          {4 << 20, until(59*time.Second, steady(kib), steady(100*kib)), false, 0},
		"fast, then slow":                    {32 << 20, until(70*time.Second, steady(400*kib), steady(8*kib)), true, 70 * time.Second},
		"fast, and slow for half a minute":   {4 << 20, until(70*time.Second, steady(30*kib), until(100*time.Second, steady(8*kib), steady(60*kib))), false, 0},
		"fast, a pause, and the rest":        {5 << 20, until(63*time.Second, steady(40*kib), pausing(17*time.Second, atOnce, steady(40*kib))), false, 0},
		"a pause in each minute":             {9 << 20, pausing(28*time.Second, 0, steady(40*kib)), false, 0},
		"a pause, and all of it behind that": {6 << 20, pausing(28*time.Second, 500*kib, steady(17*kib)), false, 0},
		"pauses, and little behind them":     {6 << 20, until(time.Minute, steady(60*kib), func(time.Duration) (time.Duration, int) { return 28 * time.Second, 64 * kib }), true, time.Minute},
		"pauses, and a little between them":  {9 << 20, until(time.Minute, steady(60*kib), pausing(28*time.Second, 0, steady(8*kib))), true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := remote.New(remote.Config{Transport: &paced{rest: bytes.NewReader(of(c.size)), pace: c.pace}})
				began := time.Now()
				advert, answer, err := show(t.Context(), all, "http://h/x.git")
				took := time.Since(began)
				if !c.slow {
					if err != nil || len(advert.Refs) == 0 {
						t.Fatalf("after %s: %v", took, err)
					}
					answer.Close()
					return
				}
				if err == nil {
					t.Fatalf("it did not fail, within %s", took)
				}
				if f := failure.Of(err); f.Class != failure.Timeout || !strings.Contains(f.Message, "too slowly") {
					t.Fatalf("after %s: %v", took, err)
				}
				if took < c.from+15*time.Second || took > c.from+90*time.Second {
					t.Errorf("it ended after %s, and was too slow since %s", took, c.from)
				}
			})
		})
	}
}
