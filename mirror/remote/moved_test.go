package remote_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
)

// handled is a transport to a handler, in the time of a test's bubble.
type handled struct{ http.HandlerFunc }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// moving is an upstream whose /x.git leads to another path, and notes what it is asked.
type moving struct {
	code  int
	to    string
	asked []string
}

func (m *moving) serve(w http.ResponseWriter, r *http.Request) {
	m.asked = append(m.asked, r.Method+" "+r.URL.Path)
	switch {
	case r.URL.Path != "/x.git/info/refs":
		v2(branches)(w, r)
	case m.code >= 400:
		w.WriteHeader(m.code)
	default:
		http.Redirect(w, r, m.to+"/info/refs?"+r.URL.RawQuery, m.code)
	}
}

// Where a temporary redirect leads is asked by each check; where a permanent one does, once
// an hour, and when a person wants to know.
func TestHowLongARedirectIsFollowedUnasked(t *testing.T) {
	for code, temporary := range map[int]bool{301: false, 302: true, 303: true, 307: true, 308: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &moving{code: code, to: "/a.git"}
				c := remote.New(remote.Config{Transport: handled{m.serve}})
				toA, toB := []string{"GET /x.git/info/refs", "GET /a.git/info/refs", "POST /a.git/git-upload-pack"}, []string{"GET /x.git/info/refs", "GET /b.git/info/refs", "POST /b.git/git-upload-pack"}
				asks := func(when string, want ...string) {
					t.Helper()
					m.asked = nil
					check(t, c, "http://h/x.git")
					if !slices.Equal(m.asked, want) {
						t.Errorf("%s: asked %v", when, m.asked)
					}
				}
				asks("at first", toA...)
				m.to = "/b.git"
				if temporary {
					asks("then", toB...)
				} else {
					asks("then", toA[2])
					time.Sleep(59 * time.Minute)
					asks("within an hour", toA[2])
					time.Sleep(time.Minute)
					asks("after an hour", toB...)
					m.to = "/a.git"
					c.Forget("http://h/x.git")
					asks("when a person wants to know", toA...)
					time.Sleep(time.Hour)
				}
				m.code = http.StatusNotFound
				fails(t, c, "http://h/x.git", failure.NotFound)
			})
		})
	}
}

// Of several redirects one that is temporary is enough.
func TestARedirectIsAsTemporaryAsItsLeast(t *testing.T) {
	for _, codes := range [][2]int{{301, 302}, {302, 301}} {
		var asked int
		f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/x.git/info/refs":
				asked++
				http.Redirect(w, r, "/y.git/info/refs?"+r.URL.RawQuery, codes[0])
			case "/y.git/info/refs":
				http.Redirect(w, r, repo+"/info/refs?"+r.URL.RawQuery, codes[1])
			default:
				v2(branches)(w, r)
			}
		})
		c := client(t, remote.Config{})
		for range 3 {
			check(t, c, f.URL+"/x.git")
		}
		if asked != 3 {
			t.Errorf("%v: asked %d times", codes, asked)
		}
	}
}

// What an upstream says of where it is: only for good, only what is another address, and only
// one that a repository may have.
func TestWhereAnUpstreamHasMoved(t *testing.T) {
	const git = "/info/refs?service=git-upload-pack"
	type hop struct {
		code int
		to   string
	}
	for name, c := range map[string]struct {
		hops []hop // from http://h/x.git
		want string
	}{
		"nowhere":                         {nil, ""},
		"for good":                        {[]hop{{301, "http://h/y.git" + git}}, "http://h/y.git"},
		"for good, by the newer code":     {[]hop{{308, "http://h/y" + git}}, "http://h/y"},
		"to another host":                 {[]hop{{301, "https://Other:443/y.git" + git}}, "https://other/y.git"},
		"for a while":                     {[]hop{{302, "http://h/y.git" + git}}, ""},
		"for a while, by the newer code":  {[]hop{{307, "http://h/y.git" + git}}, ""},
		"in two steps":                    {[]hop{{301, "http://h/y.git" + git}, {308, "http://h/z.git" + git}}, "http://h/z.git"},
		"for good, and on for a while":    {[]hop{{301, "http://h/y.git" + git}, {302, "http://h/z.git" + git}}, "http://h/y.git"},
		"for a while, and on for good":    {[]hop{{302, "http://h/y.git" + git}, {301, "http://h/z.git" + git}}, ""},
		"to the same in another spelling": {[]hop{{301, "http://h/X" + git}}, ""},
		"to the same, but secure":         {[]hop{{301, "https://h/x.git" + git}}, "https://h/x.git"},
		"with a secret behind it":         {[]hop{{301, "http://h/y.git/info/refs?service=git-upload-pack&token=CANARY#CANARY"}}, "http://h/y.git"},
		"to what git cannot be sent to":   {[]hop{{301, "http://h/y?service=git-upload-pack"}}, ""},
		"to another in disguise":          {[]hop{{301, "http://h/a%2Fb" + git}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := 0
			c2 := remote.New(remote.Config{Transport: handled{func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && at < len(c.hops) {
					at++
					http.Redirect(w, r, c.hops[at-1].to, c.hops[at-1].code)
					return
				}
				v2(branches)(w, r)
			}}})
			for _, when := range []string{"at first", "as it was learned"} {
				r := c2.Open("http://h/x.git")
				if r.Moved() != "" {
					t.Error("it is known before anything was asked")
				}
				answer, err := r.LsRefs(t.Context(), prefixes)
				if err != nil {
					t.Fatal(err)
				}
				answer.Close()
				if got := r.Moved(); got != c.want {
					t.Errorf("%s: moved to %q, want %q", when, got, c.want)
				}
				at = 0 // what is temporary is asked for again
			}
		})
	}
}
