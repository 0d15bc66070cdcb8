package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

// pages answers as a forge of a kind whose every page has what page returns, and a next one up to last.
func pages(kind string, last int, page func(n int) []forgereplay.Repo) transport {
	return func(r *http.Request) (*http.Response, error) {
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		f := forgereplay.New(kind)
		f.Organisation("acme", page(n)...)
		q := r.URL.Query()
		q.Set("page", "1")
		asked := r.Clone(r.Context())
		asked.URL.RawQuery = q.Encode()
		resp, err := f.RoundTrip(asked)
		resp.Request = r
		if n < last {
			resp.Header.Set("Link", fmt.Sprintf(`<https://forge.example/sub/x?page=%d>; rel="next"`, n+1))
			resp.Header.Set("X-Next-Page", strconv.Itoa(n+1))
		} else {
			resp.Header.Set("Link", `<https://forge.example/sub/x?page=1>; rel="first"`)
		}
		resp.Header.Set("total_page", strconv.Itoa(last))
		for _, total := range []string{"X-Total", "X-Total-Count", "total_count"} {
			resp.Header.Del(total)
		}
		resp.Header.Set("ETag", fmt.Sprintf(`"%d"`, n))
		return resp, err
	}
}

// heap is what is reachable, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what is in pools goes with the second one
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A forge tells of much for each repository: little of that is kept, in the listing or in the memory of it.
func TestTextsWithoutEnd(t *testing.T) {
	for _, kind := range forge.Kinds {
		long := strings.Repeat("t", 512<<10)
		var topics []string
		for i := range 200 {
			topics = append(topics, fmt.Sprint("topic", i))
		}
		f := pages(string(kind), 8, func(n int) []forgereplay.Repo {
			r := forgereplay.Repo{ID: int64(n), Owner: "acme", Name: fmt.Sprint("r", n), Clone: "https://forge.example/acme/r.git"}
			switch n % 4 {
			case 0:
				r.Topics = append([]string{"first", long}, topics...)
			case 1:
				r.Name = long
			case 2:
				r.Owner = long
			case 3:
				r.Clone += long
			}
			return []forgereplay.Repo{r}
		})
		cfg := config(t, forgereplay.New(string(kind)))
		cfg.Transport = f
		before := heap()
		r := list(t, cfg)
		if more := heap() - before; more > 2<<20 {
			t.Errorf("%s: %d bytes are kept", kind, more)
		}
		if len(r.Repos) != 8 {
			t.Fatalf("%s: %d repos", kind, len(r.Repos))
		}
		for _, r := range r.Repos {
			switch long := r.ID%4 != 0; {
			case (len(r.Owner) > forge.MaxName || len(r.Name) > forge.MaxName || len(r.Clone) > forge.MaxURL) != long || len(r.Owner)+len(r.Name)+len(r.Clone) > 10_000:
				t.Errorf("%s: %d: names of %d and %d bytes, an address of %d", kind, r.ID, len(r.Owner), len(r.Name), len(r.Clone))
			case !long && (len(r.Topics) != 64 || r.Topics[0] != "first" || r.Topics[1] != "topic0"):
				t.Errorf("%s: %d topics: %.100q", kind, len(r.Topics), r.Topics)
			}
		}
		runtime.KeepAlive(cfg.Memory)
	}
}

// much is page n of an account with repositories of many topics, a thousand to a page: more than two megabytes are kept of it.
func much(r *http.Request, n int) *http.Response {
	var b strings.Builder
	topics := strings.TrimSuffix(strings.Repeat(`"t",`, 64), ",")
	for i := range 1000 {
		fmt.Fprintf(&b, `,{"id":%d,"name":"x","owner":{"login":"a"},"topics":[%s]}`, 1000*n+i, topics)
	}
	resp := answer(r, 200, "["+b.String()[1:]+"]")
	resp.Header.Set("Link", fmt.Sprintf(`<https://forge.example/sub/x?page=%d>; rel="next"`, n+1))
	resp.Header.Set("ETag", fmt.Sprintf(`"%d"`, n))
	return resp
}

// What is kept of an account has a bound in bytes, which comes before that of repositories, and nothing of it is
// remembered.
func TestAnAccountThatIsTooLarge(t *testing.T) {
	last := 0
	cfg := config(t, forgereplay.New("github"))
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
		last, _ = strconv.Atoi(r.URL.Query().Get("page"))
		return much(r, last), nil
	})
	before := heap()
	if e := fails(t, cfg, client.TooLarge); !strings.Contains(e.Why, "64 MiB of names, addresses and topics") || last > 40 {
		t.Errorf("%v, after %d pages", e, last)
	}
	if more := heap() - before; more > 4<<20 {
		t.Errorf("%d bytes are kept of what failed", more)
	}
	runtime.KeepAlive(cfg.Memory)
}

// Pages that come by ever other addresses, of listings that fail each time, do not add up in the memory.
func TestWhatIsRememberedHasABound(t *testing.T) {
	const last = 20
	hops := 0
	cfg := config(t, forgereplay.New("github"))
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		switch {
		case n == last:
			return answer(r, 401, "[]"), nil
		case r.URL.Query().Get("hop") == "":
			hops++
			resp := answer(r, 307, "")
			resp.Header.Set("Location", fmt.Sprintf("https://forge.example%s&hop=%d", r.URL.RequestURI(), hops))
			return resp, nil
		}
		return much(r, n), nil
	})
	before := heap()
	for range 3 {
		fails(t, cfg, client.Auth)
	}
	if more := heap() - before; more > 66<<20 || more < 20<<20 || hops != 3*(last-1) {
		t.Errorf("%d bytes are kept, after %d hops", more, hops)
	}
	runtime.KeepAlive(cfg.Memory)
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// A page of nothing but the beginnings of repositories is refused before they are made.
func TestMoreObjectsThanAPageHas(t *testing.T) {
	for _, kind := range forge.Kinds {
		cfg := config(t, forgereplay.New(string(kind)))
		cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
			return answer(r, 200, "["+strings.Repeat("{},", 5<<20)+"{}]"), nil
		})
		if e := fails(t, cfg, client.TooLarge); !strings.Contains(e.Why, "page 1") || !strings.Contains(e.Why, "65536 objects") {
			t.Error(e)
		}
	}
}

// What is told of a repository in part is told with its page, and as far as it is known.
func TestARepositoryWithoutANameIsFound(t *testing.T) {
	for _, kind := range forge.Kinds {
		for _, tc := range []struct{ body, want string }{
			{`[null]`, "page 1 of acme has a repository without an id and an owner and a name: "},
			{`[{"id":7}]`, "page 1 of acme has a repository without an owner and a name (id 7): "},
		} {
			cfg := config(t, forgereplay.New(string(kind)))
			cfg.Transport = transport(func(r *http.Request) (*http.Response, error) { return answer(r, 200, tc.body), nil })
			if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, tc.want) {
				t.Errorf("%s: %v", kind, e)
			}
		}
	}
	f := forgereplay.New("gitea")
	cfg := config(t, f)
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
		n := r.URL.Query().Get("page")
		list := []map[string]any{{"id": "1" + n, "name": "x", "owner": map[string]string{"login": "acme"}}}
		if list[0]["id"] = 10; n == "2" {
			list[0] = map[string]any{"id": 20, "name": secret + "\x1b" + strings.Repeat("y", 5000)}
		}
		body, err := json.Marshal(list)
		resp := answer(r, 200, string(body))
		resp.Header.Set("Link", `<https://forge.example/sub/x?page=2>; rel="next"`)
		return resp, err
	})
	if e := fails(t, cfg, client.Failed); !strings.Contains(e.Why, "page 2 of acme has a repository without an owner (id 20, name (the token) yyy") || len(e.Why) > 400 {
		t.Error(e)
	}
}
