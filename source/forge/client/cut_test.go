package client_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge/client"
)

// totals are the headers that tell how many repositories there are.
var totals = []string{"X-Total", "X-Total-Count", "total_count"}

// pageOf is the page that is asked for.
func pageOf(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	return n
}

// body answers page n so, and the others as the forge does.
func body(n, status int, says string) func(int, *http.Request) http.HandlerFunc {
	return func(_ int, r *http.Request) http.HandlerFunc {
		if pageOf(r) != n {
			return nil
		}
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(says))
		}
	}
}

// tagged gives what a forge answers the ETag of its body, and answers 304 to whoever has it, with none of these headers.
func tagged(f *forgereplay.Forge, less ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		asked := r.Clone(r.Context())
		asked.Header.Del("If-None-Match")
		resp, err := f.RoundTrip(asked)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		resp.Request = r
		if resp.Header.Get("ETag") == "" {
			var b strings.Builder
			if err := resp.Write(&b); err != nil {
				return nil, err
			}
			_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
			resp.Header.Set("ETag", strconv.Quote(strconv.Itoa(len(text))+text[:min(len(text), 100)]))
			header := resp.Header
			resp = answer(r, http.StatusOK, text)
			resp.Header = header
		}
		if r.Header.Get("If-None-Match") == resp.Header.Get("ETag") {
			header := resp.Header
			resp = answer(r, http.StatusNotModified, "")
			resp.Header = header
			for _, name := range less {
				resp.Header.Del(name)
			}
		}
		return resp, nil
	}
}

// A forge tells of a page, and that has nothing: the listing is no whole one, whatever is told of it again.
func TestAPageThatIsToldOfHasNothing(t *testing.T) {
	for name, through := range map[string]func(f *forgereplay.Forge) transport{
		"all is read":               func(f *forgereplay.Forge) transport { return stripped(f, append(totals, "ETag")...) },
		"pages before are the same": func(f *forgereplay.Forge) transport { return tagged(f, totals...) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *forgereplay.Forge) {
				f.Page = 10
				repos := some(44)
				f.Organisation("acme", repos...)
				cfg := config(t, f)
				cfg.Transport = through(f)
				if r := list(t, cfg); len(r.Repos) != 44 || r.Told != 0 {
					t.Fatalf("%d repos of %d", len(r.Repos), r.Told)
				}
				f.Fault(body(5, http.StatusOK, "[]"))
				if r := list(t, cfg); len(r.Repos) != 40 || r.Told <= 40 {
					t.Errorf("%d repos of %d", len(r.Repos), r.Told)
				}
				// It has nothing for once, or in the first look.
				left := 1
				f.Fault(func(n int, r *http.Request) http.HandlerFunc {
					if pageOf(r) == 5 {
						if left--; left >= 0 {
							return body(5, http.StatusOK, "[]")(n, r)
						}
					}
					return nil
				})
				if r := list(t, cfg); len(r.Repos) != 44 || r.Told != 0 {
					t.Errorf("for once: %d repos of %d", len(r.Repos), r.Told)
				}
				// What is really gone is gone, although what is before it is the same.
				f.Fault(nil)
				f.Organisation("acme", repos[:40]...)
				if r := list(t, cfg); len(r.Repos) != 40 || r.Told != 0 {
					t.Errorf("gone: %d repos of %d", len(r.Repos), r.Told)
				}
			})
		})
	}
}

// A page has nothing, and tells of the next one itself.
func TestAPageOfNothingTellsOfTheNext(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		cfg.Transport = pages(f.Kind, 3, func(n int) []forgereplay.Repo { return some(n - 1) })
		if r := list(t, cfg); len(r.Repos) != 0 || r.Told != 1 {
			t.Errorf("%d repos of %d", len(r.Repos), r.Told)
		}
	})
}

// The last page goes while a limit is waited for: the page before does not tell of it any more.
func TestALimitIsWaitedForBeforeAPageThatGoes(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		repos := some(31)
		f.Organisation("acme", repos...)
		cfg := config(t, f)
		cfg.Patience = time.Hour
		cfg.Transport = stripped(f, totals...)
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n == 4 {
				return forgereplay.Answer(429, "slow down", "Retry-After", "600")
			}
			return nil
		})
		cfg.Progress = func(p client.Progress) {
			if !p.Until.IsZero() {
				f.Organisation("acme", repos[:30]...)
			}
		}
		if r := list(t, cfg); len(r.Repos) != 30 || r.Told != 0 || len(f.Requests()) != 6 {
			t.Errorf("%d repos of %d, %d requests", len(r.Repos), r.Told, len(f.Requests()))
		}
	})
}

// How many there are counts also where it is told with pages that are the same, and where it was, and no page tells of it by now.
func TestTotalsOfPagesThatAreTheSame(t *testing.T) {
	for _, kind := range []string{"gitlab", "gitea", "gitee"} {
		for name, less := range map[string][]string{"told": nil, "remembered": totals} {
			f := forgereplay.New(kind)
			f.Page = 10
			f.Organisation("acme", some(44)...)
			cfg := config(t, f)
			links := []string{"Link", "X-Next-Page", "total_page"} // nothing tells of page 5
			on := tagged(f, less...)
			cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
				resp, err := on(r)
				for _, name := range links {
					resp.Header.Del(name)
				}
				return resp, err
			})
			if r := list(t, cfg); len(r.Repos) != 44 {
				t.Fatalf("%s: %d repos", kind, len(r.Repos))
			}
			f.Fault(body(5, http.StatusOK, "[]"))
			if r := list(t, cfg); len(r.Repos) != 40 || r.Told != 44 || r.Same != 4 {
				t.Errorf("%s, %s: %d repos of %d, %d pages the same", kind, name, len(r.Repos), r.Told, r.Same)
			}
			f.Fault(nil)
			f.Organisation("acme", some(40)...)
			if r := list(t, cfg); len(r.Repos) != 40 || r.Told != 0 {
				t.Errorf("%s, %s: %d repos of %d", kind, name, len(r.Repos), r.Told)
			}
			// More have come, which is told with pages that are the same, and what they are on has nothing.
			f.Organisation("acme", some(44)...)
			f.Fault(body(5, http.StatusOK, "[]"))
			if r := list(t, cfg); name == "told" && (len(r.Repos) != 40 || r.Told != 44) {
				t.Errorf("%s: %d repos of %d", kind, len(r.Repos), r.Told)
			}
		}
	}
}

// A page is a list, and nothing but that.
func TestAPageThatIsNoList(t *testing.T) {
	for says, status := range map[string]int{"": 200, "null": 200, " ": 200, "[] junk": 200, "[][]": 200, "{}": 200, "[{": 200, "[]": 203, "[] ": 206} {
		t.Run(strconv.Itoa(status)+says, func(t *testing.T) {
			each(t, func(t *testing.T, f *forgereplay.Forge) {
				f.Page = 10
				f.Organisation("acme", some(44)...)
				f.Fault(body(5, status, says))
				e := fails(t, config(t, f), client.Failed)
				if status == 200 && (!strings.Contains(e.Why, "not understood") || !strings.Contains(e.Try, "--base-url")) || status != 200 && !strings.Contains(e.Why, "answers "+strconv.Itoa(status)) {
					t.Errorf("%v %q", e, e.Try)
				}
			})
		})
	}
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Fault(body(1, http.StatusNoContent, ""))
		if e := fails(t, config(t, f), client.Failed); !strings.Contains(e.Why, "answers 204") {
			t.Error(e)
		}
		f.Fault(body(1, http.StatusOK, "null"))
		if e := fails(t, config(t, f), client.Failed); !strings.Contains(e.Why, "it is no list") {
			t.Error(e)
		}
		// Blanks around it are nothing.
		f.Fault(body(1, http.StatusOK, "\r\n [] \n"))
		if r := list(t, config(t, f)); len(r.Repos) != 0 {
			t.Error(r)
		}
	})
}

// GitLab tells of a next page in two ways, of which a proxy may take one away.
func TestLinksOfGitLabAlone(t *testing.T) {
	f := forgereplay.New("gitlab")
	f.Page = 10
	f.Organisation("acme", some(44)...)
	cfg := config(t, f)
	cfg.Transport = stripped(f, append(slices.Clone(totals), "X-Next-Page")...)
	if r := list(t, cfg); len(r.Repos) != 44 || r.Pages != 5 {
		t.Errorf("%d repos on %d pages", len(r.Repos), r.Pages)
	}
}

// A link to a next page that is not understood is one all the same: what is behind it is asked for by its number.
func TestALinkThatIsNotUnderstood(t *testing.T) {
	for _, link := range []string{
		`<::::>; rel="next"`, `<https://forge.example/sub/x?after=Y3Vyc29y>; rel="next"`, `<https://forge.example/sub/x>; REL="Next"`,
		`<https://forge.example/sub/x?page=9>; rel="next last"`, `<https://forge.example/sub/x?page=9>; rel="last"`, `<https://forge.example/sub/x?page=x>; title="a"; rel=next`,
	} {
		t.Run(link, func(t *testing.T) {
			each(t, func(t *testing.T, f *forgereplay.Forge) {
				f.Page = 10
				f.Organisation("acme", some(44)...)
				cfg := config(t, f)
				on := stripped(f, append([]string{"Link", "X-Next-Page", "X-Total-Pages", "total_page"}, totals...)...)
				cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
					resp, err := on(r)
					if pageOf(r) < 5 {
						resp.Header.Set("Link", link)
					} else {
						resp.Header.Set("Link", `<https://forge.example/sub/x?page=1>; rel="first"`)
					}
					return resp, err
				})
				if r := list(t, cfg); len(r.Repos) != 44 || r.Told != 0 {
					t.Errorf("%d repos of %d", len(r.Repos), r.Told)
				}
			})
		})
	}
}

// What stands in between shows one page whatever is asked for, beside how many there are: it is asked for little, and what it does not
// show may be there.
func TestOnePageForAll(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Page = 10
		f.Organisation("acme", some(30)...)
		cfg := config(t, f)
		asked := 0
		on := stripped(f, "Link", "X-Next-Page", "X-Total-Pages", "total_page")
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			asked++
			first, q := r.Clone(r.Context()), r.URL.Query()
			q.Set("page", "1")
			first.URL.RawQuery = q.Encode()
			resp, err := on(first)
			resp.Header.Set("X-Total-Count", "30")
			return resp, err
		})
		if r := list(t, cfg); len(r.Repos) != 10 || r.Told != 30 || asked > 6 {
			t.Errorf("%d repos of %d, asked for %d times", len(r.Repos), r.Told, asked)
		}
	})
}

// Who is sent in a circle goes around it once.
func TestRedirectsInACircle(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		asked := 0
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			asked++
			resp := answer(r, http.StatusMovedPermanently, "")
			resp.Header.Set("Location", r.URL.String())
			return resp, nil
		})
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "answers 301") || asked != 3 {
			t.Errorf("%v, asked for %d times", e, asked)
		}
		// Or further and further.
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			asked++
			resp := answer(r, http.StatusMovedPermanently, "")
			resp.Header.Set("Location", "https://forge.example/sub/"+strconv.Itoa(asked))
			return resp, nil
		})
		if asked = 0; !strings.Contains(fails(t, cfg, client.Failed).Why, "answers 301") || asked != 3*6 {
			t.Errorf("asked for %d times", asked)
		}
	})
}
