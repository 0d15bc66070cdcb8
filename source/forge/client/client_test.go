package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

const secret = "glpat-CANARY"

// some are so many repositories of an account.
func some(n int) []forgereplay.Repo {
	list := make([]forgereplay.Repo, n)
	for i := range list {
		name := fmt.Sprintf("r%03d", i)
		list[i] = forgereplay.Repo{ID: int64(1000 + i), Owner: "acme", Name: name, Clone: "https://forge.example/acme/" + name + ".git"}
	}
	return list
}

func config(t testing.TB, f *forgereplay.Forge) client.Config {
	t.Helper()
	a, err := forge.Account{Kind: forge.Kind(f.Kind), Base: "https://forge.example/sub", Name: "acme"}.Admit()
	if err != nil {
		t.Fatal(err)
	}
	return client.Config{Account: a, Transport: f, Token: secret, Memory: new(client.Memory), Agent: "gitmirror/test"}
}

// each runs a test for every kind of forge, in a bubble: what waits waits for nothing.
func each(t *testing.T, test func(t *testing.T, f *forgereplay.Forge)) {
	for _, kind := range forge.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, forgereplay.New(string(kind))) })
		})
	}
}

func list(t *testing.T, cfg client.Config) *client.Result {
	t.Helper()
	r, err := client.List(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fails(t *testing.T, cfg client.Config, class client.Class) *client.Error {
	t.Helper()
	r, err := client.List(t.Context(), cfg)
	var e *client.Error
	if !errors.As(err, &e) || e.Class != class || r != nil {
		t.Fatalf("%v, %v; want an error of class %q", r, err, class)
	}
	if strings.Contains(e.Why+e.Try, secret) {
		t.Errorf("the token is told: %v", e)
	}
	return e
}

// Two repositories cannot have one id, at one time.
func TestAnIDThatIsThereTwice(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Organisation("acme", forgereplay.Repo{ID: 7, Owner: "acme", Name: "one", Clone: "https://forge.example/acme/one.git"}, forgereplay.Repo{ID: 7, Owner: "acme", Name: "two", Clone: "https://forge.example/acme/two.git"})
		if e := fails(t, config(t, f), client.Failed); !strings.Contains(e.Why, "two repositories with the id 7") {
			t.Error(e)
		}
	})
}

func TestWhatIsToldOfARepository(t *testing.T) {
	made := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Organisation("acme",
			forgereplay.Repo{ID: 7, Made: made, Owner: "acme", Name: "big", Clone: "https://forge.example/acme/big.git", KiB: 12, Archived: true, Fork: true, Wiki: true, Topics: []string{"kernel"}, Visibility: "private"},
			forgereplay.Repo{ID: 8, Owner: "acme", Name: "small", Clone: "https://forge.example/acme/small.git"})
		got := list(t, config(t, f)).Repos
		want := forge.Repo{ID: 7, Made: made.Unix(), Owner: "acme", Name: "big", Clone: "https://forge.example/acme/big.git", Archived: true, Fork: true, Wiki: true, Topics: []string{"kernel"}, Visibility: forge.Private}
		if f.Kind == "github" || f.Kind == "gitea" { // the others do not tell it
			want.Size = 12 << 10
		}
		if len(got) != 2 || fmt.Sprint(got[0]) != fmt.Sprint(want) || got[1].Visibility != forge.Public || got[1].Wiki || got[1].Archived || got[1].Fork {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		for _, r := range f.Requests() {
			if r.Token != secret || !strings.HasPrefix(r.Path, "/sub/api/v") {
				t.Errorf("asked by %+v", r)
			}
		}
	})
}

func TestAllPagesAreRead(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		for _, n := range []int{0, 1, 99, 100, 101, 250} {
			f.Organisation("acme", some(n)...)
			if got := list(t, cfg).Repos; len(got) != n || !slices.IsSortedFunc(got, func(a, b forge.Repo) int { return int(a.ID - b.ID) }) {
				t.Errorf("%d of %d", len(got), n)
			}
		}
	})
}

func TestUsersAreFoundToo(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.User("acme", some(3)...)
		if got := list(t, config(t, f)).Repos; len(got) != 3 {
			t.Errorf("%v", got)
		}
	})
}

// A subgroup's path has slashes, and one request is for it and all below.
func TestGroupsBelowGroups(t *testing.T) {
	f := forgereplay.New("gitlab")
	f.Organisation("acme/tools", forgereplay.Repo{ID: 5, Owner: "acme/tools/git", Name: "x", Clone: "https://forge.example/acme/tools/git/x.git"})
	cfg := config(t, f)
	cfg.Account.Name = "acme/tools"
	got := list(t, cfg).Repos
	if len(got) != 1 || got[0].Owner != "acme/tools/git" || got[0].Below("acme/tools") != "git/x" || !strings.Contains(f.Requests()[0].Query, "include_subgroups=true") {
		t.Errorf("%+v, asked %+v", got, f.Requests())
	}
}

// What was there is read again where the forge says that it changed, and taken from memory where it
// says that it did not.
func TestPagesThatAreTheSame(t *testing.T) {
	for _, kind := range []string{"github", "gitlab"} {
		f := forgereplay.New(kind)
		f.Quota(100, time.Now().Add(time.Hour).Unix())
		cfg := config(t, f)
		repos := some(250)
		f.Organisation("acme", repos...)
		list(t, cfg)
		if r := list(t, cfg); r.Same != 3 || r.Pages != 4 || len(r.Repos) != 250 || r.Quota.Left != 96 {
			t.Errorf("%s: %d of %d pages are the same, %d repos, %+v", kind, r.Same, r.Pages, len(r.Repos), r.Quota)
		}
		repos[120].Name = "renamed"
		f.Organisation("acme", repos...)
		if r := list(t, cfg); r.Same != 3 || !slices.ContainsFunc(r.Repos, func(r forge.Repo) bool { return r.Name == "renamed" }) {
			t.Errorf("%s: %d pages are the same, %d repos", kind, r.Same, len(r.Repos))
		}
		// The last page was full, and is the same, but no more the last.
		f.Page = 50 // whatever is asked for
		f.Organisation("acme", repos[:200]...)
		list(t, cfg)
		f.Organisation("acme", repos[:201]...)
		if r := list(t, cfg); len(r.Repos) != 201 {
			t.Errorf("%s: %d repos", kind, len(r.Repos))
		}
	}
}

// What repeats counts once; what is left out between two pages is found by listing again.
func TestAnAccountThatChangesWhileItIsListed(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		repos := some(150)
		f.Organisation("acme", repos...)
		f.Fault(func(n int, r *http.Request) http.HandlerFunc {
			if n == 2 { // as if one had come before the others meanwhile
				return instead(f.Kind, append(some(1), repos...))
			}
			return nil
		})
		if got := list(t, config(t, f)).Repos; len(got) != 150 {
			t.Errorf("%d repos", len(got))
		}
	})
	for _, kind := range []string{"gitlab", "gitea", "gitee"} { // that tell how many there are
		f := forgereplay.New(kind)
		repos := some(150)
		f.Organisation("acme", repos...)
		f.Fault(func(n int, r *http.Request) http.HandlerFunc {
			if n == 2 {
				return instead(kind, repos[1:]) // one is gone: what was the 101st is on the first page now
			}
			return nil
		})
		if got := list(t, config(t, f)).Repos; len(got) != 150 {
			t.Errorf("%s: %d repos", kind, len(got))
		}
		if r := list(t, config(t, f)); r.Told != 0 {
			t.Errorf("%s: it tells of %d", kind, r.Told)
		}
		// One that shows the same twice, and tells of more, is not asked once more.
		f = forgereplay.New(kind)
		f.Organisation("acme", append(some(10), some(1)...)...)
		if r := list(t, config(t, f)); len(r.Repos) != 10 || r.Pages != looks(kind, 2) || r.Told != 11 {
			t.Errorf("%s: %d repos of %d on %d pages", kind, len(r.Repos), r.Told, r.Pages)
		}
	}
}

// looks are the pages that so many looks at an account take of which a page is shown, and more is told: Gitea says of
// one page alone nothing of others, so that the next one is asked for.
func looks(kind string, n int) int {
	if kind == "gitea" {
		return 2 * n
	}
	return n
}

// instead answers as a forge that has other repositories.
func instead(kind string, repos []forgereplay.Repo) http.HandlerFunc {
	other := forgereplay.New(kind)
	other.Organisation("acme", repos...)
	return other.ServeHTTP
}

func TestAllPagesOrNothing(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Organisation("acme", some(250)...)
		cfg := config(t, f)
		// One that fails is asked for again.
		f.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n == 2 {
				return forgereplay.Answer(http.StatusBadGateway, "")
			}
			return nil
		})
		if got := list(t, cfg).Repos; len(got) != 250 {
			t.Errorf("%d repos", len(got))
		}
		f.Fault(func(_ int, r *http.Request) http.HandlerFunc {
			if strings.Contains(r.URL.RawQuery, "page=3") && !strings.Contains(r.URL.RawQuery, "page=30") {
				return forgereplay.Answer(http.StatusBadGateway, "upstream is away")
			}
			return nil
		})
		began := time.Now()
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "502") || time.Since(began) < 6*time.Second {
			t.Errorf("%v, after %s", e, time.Since(began))
		}
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		if e := fails(t, cfg, client.NotFound); !strings.Contains(e.Why, "acme") {
			t.Error(e)
		}
		f.Organisation("acme", some(3)...)
		f.WantToken("another")
		if e := fails(t, cfg, client.Auth); !strings.Contains(e.Why, "401") || !strings.Contains(e.Try, "still valid") {
			t.Error(e, e.Try)
		}
		f.WantToken("")
		// A forge that repeats the token is not repeated.
		f.Fault(func(int, *http.Request) http.HandlerFunc {
			return forgereplay.Answer(403, "what is "+secret+"\x1b[31m?\n")
		})
		if e := fails(t, cfg, client.Auth); strings.ContainsAny(e.Why, "\x1b\n") {
			t.Errorf("%q", e.Why)
		}
		f.Fault(func(int, *http.Request) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>welcome")) }
		})
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Try, "--base-url") {
			t.Error(e, e.Try)
		}
		f.Fault(func(int, *http.Request) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`[{"id":0}]`)) }
		})
		fails(t, cfg, client.Failed)
		var read blank
		cfg.Transport = transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(&read)}, nil
		})
		if e := fails(t, cfg, client.TooLarge); !strings.Contains(e.Why, "more than") || read > 17<<20 {
			t.Errorf("%v, after %d bytes", e, read)
		}
		cfg.Transport = dead{}
		fails(t, cfg, client.Failed)
	})
}

// blank never ends, and counts.
type blank int

func (b *blank) Read(p []byte) (int, error) {
	*b += blank(len(p))
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type dead struct{}

func (dead) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no way to 10.0.0.1")
}

// Limits say until when the forge is left alone, within what is sane.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Organisation("acme", some(250)...)
		cfg := config(t, f)
		after := func(want time.Duration) {
			t.Helper()
			asked := len(f.Requests())
			e := fails(t, cfg, client.Limited)
			if got := time.Until(e.Until).Round(time.Second); got != want {
				t.Errorf("left alone for %s, want %s", got, want)
			}
			if n := len(f.Requests()) - asked; n != 1 {
				t.Errorf("asked %d times", n)
			}
		}
		f.Quota(0, time.Now().Add(20*time.Minute).Unix())
		after(20 * time.Minute)
		f.Quota(1, time.Now().Add(90*time.Hour).Unix()) // the last one is made, and no more
		after(24 * time.Hour)
		f.Quota(-1, 0)
		answer := func(status int, message string, header ...string) {
			f.Fault(func(int, *http.Request) http.HandlerFunc { return forgereplay.Answer(status, message, header...) })
		}
		answer(429, "")
		after(time.Minute)
		answer(403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
		after(time.Minute)
		answer(403, "no", "Retry-After", "37")
		after(37 * time.Second)
		answer(429, "no", "Retry-After", time.Now().Add(time.Minute*3).UTC().Format(http.TimeFormat))
		after(3 * time.Minute)
		// Their clock is behind ours, or ours ahead: what counts is how long that is from then.
		wrong := time.Now().Add(-26 * time.Hour)
		date := wrong.UTC().Format(http.TimeFormat)
		answer(403, "no", "Date", date, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(wrong.Add(7*time.Minute).Unix(), 10))
		after(7 * time.Minute)
		answer(429, "no", "Date", date, "Retry-After", wrong.Add(9*time.Minute).UTC().Format(http.TimeFormat))
		after(9 * time.Minute)
		answer(429, "no", "Date", date, "Retry-After", time.Now().Add(4*time.Minute).UTC().Format(http.TimeFormat)) // an answer that a cache kept
		after(4 * time.Minute)
		answer(429, "no", "Retry-After", "10000")
		after(10_000 * time.Second)
		answer(429, "no", "Retry-After", "1000000")
		after(24 * time.Hour)
		answer(429, "no", "Retry-After", "-5")
		after(time.Second)
		answer(429, "no", "Retry-After", "99999999999999999999")
		after(time.Minute)
		answer(503, "", "Retry-After", "90")
		after(90 * time.Second)
	})
}

// A forge that always knows another page comes to an end.
func TestPagesThatBringNothingNew(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		f.Organisation("acme", some(100)...)
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			return endless(f, r, page)
		})
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "nothing new") || len(f.Requests()) > 10 {
			t.Errorf("%v, after %d requests", e, len(f.Requests()))
		}
	})
}

// The token is for the forge's own address.
func TestTheTokenGoesNowhereElse(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Organisation("acme", some(3)...)
		for _, to := range []string{"https://elsewhere.example/api", "http://forge.example/sub/api", "https://forge.example:444/", "https://" + secret + ".example/"} {
			elsewhere := 0
			cfg := config(t, f)
			cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "forge.example" || r.URL.Scheme != "https" {
					elsewhere++
				}
				return f.RoundTrip(r)
			})
			f.Fault(func(int, *http.Request) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusMovedPermanently) }
			})
			if e := fails(t, cfg, client.Failed); elsewhere > 0 || !strings.Contains(e.Why, "leads to") || !strings.Contains(e.Try, "--base-url") {
				t.Errorf("%v %q, %d requests elsewhere", e, e.Try, elsewhere)
			}
		}
		// An organisation that was renamed is found at the same forge.
		hops := 0
		f.Fault(func(n int, r *http.Request) http.HandlerFunc {
			if hops++; hops == 1 {
				return func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, "https://forge.example"+strings.Replace(r.URL.RequestURI(), "old", "acme", 1), http.StatusMovedPermanently)
				}
			}
			return nil
		})
		cfg := config(t, f)
		cfg.Account.Name = "old"
		if got := list(t, cfg).Repos; len(got) != 3 {
			t.Errorf("%v", got)
		}
	})
}

type transport func(r *http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// A forge that never ends, or never answers, does not hold a listing for ever.
func TestBounds(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "in time") || time.Since(began) > 5*time.Minute {
			t.Errorf("%v, after %s", e, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := client.List(ctx, cfg); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// Each page is slow.
		f.Organisation("acme", some(5000)...)
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Second)
			return f.RoundTrip(r)
		})
		began = time.Now()
		if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "within 30m") || time.Since(began) > 31*time.Minute {
			t.Errorf("%v, after %s", e, time.Since(began))
		}
	})
}

// endless answers as if there was always another page.
func endless(f *forgereplay.Forge, r *http.Request, page int) (*http.Response, error) {
	q := r.URL.Query()
	q.Set("page", "1")
	r.URL.RawQuery = q.Encode()
	resp, err := f.RoundTrip(r)
	resp.Header.Set("Link", fmt.Sprintf(`<https://forge.example/sub/x?page=%d>; rel="next"`, page+1))
	resp.Header.Set("X-Next-Page", strconv.Itoa(page+1))
	resp.Header.Set("total_page", "99999")
	return resp, err
}

func TestOneThatServesNothing(t *testing.T) {
	on := func(status int, kind string) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") != "" {
				t.Error("a token is given")
			}
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: http.NoBody}, nil
		})
	}
	for want, tr := range map[bool][]http.RoundTripper{
		true:  {on(200, "application/x-git-upload-pack-advertisement")},
		false: {on(200, "text/html"), on(404, ""), on(302, "application/x-git-upload-pack-advertisement"), dead{}},
	} {
		for i, tr := range tr {
			if got := client.Serves(t.Context(), tr, "gitmirror/test", "https://forge.example/a/b.wiki.git"); got != want {
				t.Errorf("%d: %v", i, got)
			}
		}
	}
}

// A listing has an end, however much there is.
func TestTooMuch(t *testing.T) {
	f := forgereplay.New("gitea")
	cfg := config(t, f)
	last, each := int64(0), 5000
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
		var b strings.Builder
		b.WriteByte('[')
		for i := range each {
			last++
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"id":%d,"name":"x","owner":{"login":"a"}}`, last)
		}
		b.WriteByte(']')
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		h := http.Header{"Link": {fmt.Sprintf(`<https://forge.example/sub/x?page=%d>; rel="next"`, page+1)}, "Content-Type": {"application/json"}}
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(b.String())), Request: r}, nil
	})
	if e := fails(t, cfg, client.TooMany); !strings.Contains(e.Why, "100000 repositories") || last > 110_000 {
		t.Errorf("%v, after %d", e, last)
	}
	each, last = 1, 0
	if e := fails(t, cfg, client.TooMany); !strings.Contains(e.Why, "10000 pages") || last > 10_001 {
		t.Errorf("%v, after %d", e, last)
	}
	each, last = 0, 0
	asked := 0
	on := cfg.Transport
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) { asked++; return on.RoundTrip(r) })
	if r := list(t, cfg); len(r.Repos) != 0 || asked != 2 || r.Told != 1 { // a page of nothing is the last one, and tells of more
		t.Errorf("%d repos, asked %d times", len(r.Repos), asked)
	}
}

// An account that is another each time it is listed is told so.
func TestAnAccountThatNeverAddsUp(t *testing.T) {
	for _, kind := range []string{"gitlab", "gitea", "gitee"} {
		f := forgereplay.New(kind)
		f.Fault(func(n int, r *http.Request) http.HandlerFunc {
			repos := some(10 + n)
			return instead(kind, append(repos, repos[0])) // one of them twice
		})
		if e := fails(t, config(t, f), client.Changing); !strings.Contains(e.Why, "changed") || len(f.Requests()) != looks(kind, 3) {
			t.Errorf("%s: %v, after %d requests", kind, e, len(f.Requests()))
		}
	}
}

// A listing that was cut off forgets nothing of the one before, and what it read itself is known the next time.
func TestWhatIsRememberedOfAListingThatWasCutOff(t *testing.T) {
	f := forgereplay.New("github")
	f.Page = 10
	f.Organisation("acme", some(50)...)
	cfg := config(t, f)
	list(t, cfg)
	n := len(f.Requests())
	f.Fault(func(i int, _ *http.Request) http.HandlerFunc {
		if i > n+2 {
			return forgereplay.Answer(http.StatusUnauthorized, "no")
		}
		return nil
	})
	fails(t, cfg, client.Auth)
	f.Fault(nil)
	if r := list(t, cfg); r.Same != 5 {
		t.Errorf("%d pages are known", r.Same)
	}
}

// What is the same as nothing is no page.
func TestTheSameAsNothing(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		f.Fault(func(int, *http.Request) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }
		})
		if e := fails(t, config(t, f), client.Failed); !strings.Contains(e.Why, "304") {
			t.Error(e)
		}
	})
}

// Of an answer that refuses so much is read as people read.
func TestARefusalWithoutEnd(t *testing.T) {
	each(t, func(t *testing.T, f *forgereplay.Forge) {
		cfg := config(t, f)
		var read blank
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 401, Request: r, Header: http.Header{}, Body: io.NopCloser(io.LimitReader(&read, 64<<20))}, nil
		})
		if fails(t, cfg, client.Auth); read > 1<<20 {
			t.Errorf("%d bytes are read", read)
		}
	})
}

// stripped takes headers off what a forge answers, as some proxies do.
func stripped(f *forgereplay.Forge, names ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := f.RoundTrip(r)
		for _, name := range names {
			resp.Header.Del(name)
		}
		return resp, err
	}
}

// Where nothing says whether there is another page, it is asked for.
func TestPagesThatTellOfNoNext(t *testing.T) {
	links := []string{"Link", "X-Next-Page", "total_page"}
	for name, names := range map[string][]string{
		"no links":                  links,
		"no links nor totals":       append(links, "X-Total", "X-Total-Pages", "X-Total-Count", "total_count"),
		"no links, totals or ETags": append(links, "X-Total", "X-Total-Pages", "X-Total-Count", "total_count", "ETag"),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *forgereplay.Forge) {
				cfg := config(t, f)
				cfg.Transport = stripped(f, names...)
				for _, n := range []int{0, 1, 99, 100, 101, 103, 200, 250} {
					f.Organisation("acme", some(n)...)
					asked := len(f.Requests())
					if r := list(t, cfg); len(r.Repos) != n {
						t.Errorf("%d of %d", len(r.Repos), n)
					}
					if asked = len(f.Requests()) - asked; asked > n/100+2 {
						t.Errorf("%d requests for %d", asked, n)
					}
				}
			})
		})
	}
	// Those who run a Gitea say how much is on a page.
	for _, names := range [][]string{{"Link"}, {"Link", "X-Total-Count"}} {
		f := forgereplay.New("gitea")
		f.Page = 50
		cfg := config(t, f)
		cfg.Transport = stripped(f, names...)
		f.Organisation("acme", some(103)...)
		if r := list(t, cfg); len(r.Repos) != 103 {
			t.Errorf("without %v: %d repos", names, len(r.Repos))
		}
	}
}
