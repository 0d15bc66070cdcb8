package client_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge/client"
)

// An account has more pages than may be asked for at once: they are all read, each once, and how far it has come is told.
func TestALimitIsWaitedForWithinTheListing(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(95)...)
		f.Limit(3, 20*time.Minute)
		cfg := config(t, f)
		cfg.Patience = 2 * time.Hour
		var told []client.Progress
		cfg.Progress = func(p client.Progress) { told = append(told, p) }
		began := time.Now()
		r := list(t, cfg)
		if took := time.Since(began); len(r.Repos) != 95 || took < time.Hour || took > 2*time.Hour {
			t.Errorf("%d repos after %s", len(r.Repos), took)
		}
		refused := 0
		for _, r := range f.Requests() {
			if r.Status != http.StatusOK {
				refused++
			}
		}
		if refused > 0 || len(f.Requests()) > 16 { // one page before is looked at after each wait
			t.Errorf("%d requests, %d refused", len(f.Requests()), refused)
		}
		waits := slices.DeleteFunc(slices.Clone(told), func(p client.Progress) bool { return p.Until.IsZero() })
		if first := waits[0]; first.Pages != 3 || first.Repos != 30 || first.Until.Sub(began).Round(time.Minute) != 20*time.Minute {
			t.Errorf("it told %+v", first)
		}
		if last := told[len(told)-1]; last.Repos != 95 || !last.Until.IsZero() {
			t.Errorf("at last it told %+v", last)
		}
	})
}

// A limit that is over later than there is patience for ends the listing, and says when it is over.
func TestPatienceEnds(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(95)...)
		cfg := config(t, f)
		cfg.Patience = time.Hour
		f.Limit(3, 40*time.Minute)
		began := time.Now()
		e := fails(t, cfg, client.Limited)
		if took := time.Since(began).Round(time.Minute); took != 40*time.Minute || time.Until(e.Until).Round(time.Minute) != 40*time.Minute {
			t.Errorf("%v after %s, until %s", e, took, time.Until(e.Until))
		}
		// One that is over at once, by what it tells, and never is, is asked less and less.
		f.Limit(-1, 0)
		n := len(f.Requests())
		f.Fault(func(i int, _ *http.Request) http.HandlerFunc {
			if i == n+1 {
				return nil
			}
			return forgereplay.Answer(429, "slow down", "Retry-After", "0")
		})
		began = time.Now()
		if fails(t, cfg, client.Limited); len(f.Requests())-n > 9 || len(f.Requests())-n < 5 || time.Since(began) > time.Hour {
			t.Errorf("%d requests in %s", len(f.Requests())-n, time.Since(began))
		}
		// Before anything was read there is nothing to be kept by waiting, unless it was listed just now.
		n = len(f.Requests())
		f.Fault(func(int, *http.Request) http.HandlerFunc {
			return forgereplay.Answer(429, "slow down", "Retry-After", "600")
		})
		began = time.Now()
		if fails(t, cfg, client.Limited); len(f.Requests()) != n+1 || time.Since(began) > time.Second {
			t.Errorf("%d requests in %s", len(f.Requests())-n, time.Since(began))
		}
		cfg.Anew = true
		if fails(t, cfg, client.Limited); len(f.Requests()) < n+3 {
			t.Errorf("%d requests", len(f.Requests())-n)
		}
	})
}

// Whatever comes and goes while a limit is waited for: what was there all the time is in the listing, once.
func TestAnAccountThatChangesWhileALimitIsWaitedFor(t *testing.T) {
	for what, change := range map[string]func([]forgereplay.Repo) []forgereplay.Repo{
		"first ones go":        func(r []forgereplay.Repo) []forgereplay.Repo { return r[3:] },
		"two pages go":         func(r []forgereplay.Repo) []forgereplay.Repo { return r[22:] },
		"some come before":     func(r []forgereplay.Repo) []forgereplay.Repo { return append(others(3), r...) },
		"pages come before":    func(r []forgereplay.Repo) []forgereplay.Repo { return append(others(45), r...) },
		"one goes, one comes":  func(r []forgereplay.Repo) []forgereplay.Repo { return append(others(1), r[1:]...) },
		"last ones go":         func(r []forgereplay.Repo) []forgereplay.Repo { return r[:len(r)-5] },
		"all behind that went": func(r []forgereplay.Repo) []forgereplay.Repo { return r[:12] },
	} {
		t.Run(what, func(t *testing.T) {
			each(t, func(t *testing.T, f *forgereplay.Forge) {
				f.Page = 10
				repos := some(75)
				f.Organisation("acme", repos...)
				f.Limit(4, 30*time.Minute)
				cfg := config(t, f)
				cfg.Patience = 8 * time.Hour
				changed := false
				var rest []forgereplay.Repo
				cfg.Progress = func(p client.Progress) {
					if !p.Until.IsZero() && !changed {
						changed = true
						rest = change(slices.Clone(repos))
						f.Organisation("acme", rest...)
					}
				}
				ids := map[int64]int{}
				for _, r := range list(t, cfg).Repos {
					ids[r.ID]++
				}
				if n := len(f.Requests()); what == "last ones go" && n > 11 { // it is not listed again for these
					t.Errorf("%d requests", n)
				}
				for _, r := range rest {
					if n := ids[r.ID]; n != 1 && r.ID >= 1000 {
						t.Errorf("%s is there %d times", r.Name, n)
					}
				}
			})
		})
	}
}

// others are so many repositories that stand before all of some.
func others(n int) []forgereplay.Repo {
	list := some(n)
	for i := range list {
		list[i].ID, list[i].Name = int64(1+i), "a"+list[i].Name
	}
	return list
}

// Every other page fails at first.
func TestAForgeThatFailsNowAndThen(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(50)...)
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n%2 == 1 {
				return forgereplay.Answer(http.StatusBadGateway, "")
			}
			return nil
		})
		began := time.Now()
		if r := list(t, config(t, f)); len(r.Repos) != 50 || len(f.Requests()) > 14 || time.Since(began) > 10*time.Second {
			t.Errorf("%d repos, %d requests, after %s", len(r.Repos), len(f.Requests()), time.Since(began))
		}
	})
}

// What went wrong is told as what it is.
func TestWhatWentWrong(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		f.Page = 10
		f.Organisation("acme", some(25)...)
		f.Fault(func(_ int, r *http.Request) http.HandlerFunc {
			if strings.Contains(r.URL.RawQuery, "page=2") {
				return forgereplay.Answer(http.StatusNotFound, "Not Found")
			}
			return nil
		})
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "page 2 is not there (404") {
			t.Error(e)
		}
		f.Fault(nil)
		// It begins to answer, and does not end.
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &stalls{done: r.Context().Done(), err: r.Context().Err}}, nil
		})
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "in time") || strings.Contains(e.Why, "understood") || e.Try != "" {
			t.Errorf("%v %q", e, e.Try)
		}
	})
}

// stalls begins, and then tells nothing more.
type stalls struct {
	done  <-chan struct{}
	err   func() error
	begun bool
}

func (s *stalls) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		return copy(p, "["), nil
	}
	<-s.done
	return 0, s.err()
}

func (*stalls) Close() error { return nil }

// A size below nothing is none.
func TestSizesBelowNothing(t *testing.T) {
	for _, kind := range []string{"github", "gitea"} {
		f := forgereplay.New(kind)
		f.Organisation("acme", forgereplay.Repo{ID: 1, Owner: "acme", Name: "x", Clone: "https://forge.example/acme/x.git", KiB: -1})
		if got := list(t, config(t, f)).Repos; got[0].Size != 0 {
			t.Errorf("%s: %+v", kind, got[0])
		}
	}
}

// The time that a listing may take is the forge's: what is waited for its limit is no part of it, and what comes after is.
func TestWhatIsWaitedForIsNoPartOfTheListing(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(45)...)
		f.Limit(2, 50*time.Minute)
		cfg := config(t, f)
		cfg.Patience = 8 * time.Hour
		slow := 0 * time.Second
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			time.Sleep(slow)
			return f.RoundTrip(r)
		})
		if r := list(t, cfg); len(r.Repos) != 45 {
			t.Errorf("%d repos", len(r.Repos))
		}
		slow = 50 * time.Second
		f.Limit(3, 200*time.Second)
		f.Organisation("acme", some(490)...)
		began := time.Now()
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "within 30m") || time.Since(began) > time.Hour {
			t.Errorf("%v after %s", e, time.Since(began))
		}
	})
}

// missesNone wants a listing to have what was there all the time.
func missesNone(t *testing.T, r *client.Result, there []forgereplay.Repo) {
	t.Helper()
	got := map[int64]bool{}
	for _, r := range r.Repos {
		got[r.ID] = true
	}
	for _, r := range there {
		if !got[r.ID] {
			t.Errorf("%s is missed", r.Name)
		}
	}
}

// A forge limits looking back too, and what is there all the time is on no page that is read but one: it is in the listing.
func TestALimitIsWaitedForWhileItIsLookedBack(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 2
		repos := some(8)
		f.Organisation("acme", repos...)
		cfg := config(t, f)
		cfg.Patience = 8 * time.Hour
		limited := map[int]bool{3: true, 5: true} // the third page; the second one, when it is looked back at
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if limited[n] {
				return forgereplay.Answer(429, "slow down", "Retry-After", "600")
			}
			return nil
		})
		waits := 0
		cfg.Progress = func(p client.Progress) {
			if p.Until.IsZero() {
				return
			}
			if waits++; waits == 2 {
				f.Organisation("acme", repos[1:]...)
			}
		}
		missesNone(t, list(t, cfg), repos[1:])
		if waits != 2 {
			t.Errorf("it waited %d times", waits)
		}
	})
}

// A forge that limits every other request is listed once it told the same twice.
func TestALimitAtEveryOtherRequest(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 2
		repos := some(8)
		f.Organisation("acme", repos...)
		cfg := config(t, f)
		cfg.Patience = time.Hour
		waits := 0 // for the third page, and for the second one when it is looked back at
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n%2 == 0 {
				return forgereplay.Answer(429, "slow down", "Retry-After", "1")
			}
			return nil
		})
		cfg.Progress = func(p client.Progress) {
			if p.Until.IsZero() || p.Repos != 4 {
				return
			}
			if waits++; waits == 6 { // it is looked back for the last time
				f.Organisation("acme", repos[1:]...)
			}
		}
		missesNone(t, list(t, cfg), repos[1:])
	})
}

// A limit that is there again and again is waited for an hour at most, each time, unless the forge says more.
func TestAWaitIsAnHourAtMost(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(15)...)
		cfg := config(t, f)
		cfg.Patience = 60 * time.Hour
		var asked []time.Time
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n == 1 {
				return nil
			}
			asked = append(asked, time.Now())
			return forgereplay.Answer(429, "slow down", "Retry-After", "0")
		})
		fails(t, cfg, client.Limited)
		hours := 0
		for i := 1; i < len(asked); i++ {
			wait := asked[i].Sub(asked[i-1]).Round(time.Second)
			if wait > time.Hour || i > 8 && wait < time.Hour {
				t.Errorf("wait %d takes %s", i, wait)
			}
			if wait == time.Hour {
				hours++
			}
		}
		if hours < 50 {
			t.Errorf("it waited %d times for an hour, of %d", hours, len(asked))
		}
	})
}

// Why a page is asked for once more is told as soon as it is known, and forgotten when it has come.
func TestWhatIsAskedForInVainIsTold(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(15)...)
		cfg := config(t, f)
		var told []client.Progress
		cfg.Progress = func(p client.Progress) { told = append(told, p) }
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n == 2 || n == 3 {
				return forgereplay.Answer(502, "oh")
			}
			return nil
		})
		list(t, cfg)
		var troubles []string
		for _, p := range told {
			troubles = append(troubles, p.Trouble)
		}
		if troubles = slices.Compact(troubles); len(troubles) != 3 || !strings.Contains(troubles[1], "answers 502") || troubles[2] != "" {
			t.Errorf("%q", troubles)
		}
	})
}
