package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ran is what a command line came to.
type ran struct {
	code     int
	out, err string
}

const testPatience = 500 * time.Millisecond

// run runs a command line that has little patience with absent leaders.
func run(t *testing.T, args ...string) ran { return runWith(t, "", args...) }

func runWith(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	return runFor(t.Context(), stdin, args...)
}

func runFor(ctx context.Context, stdin string, args ...string) ran {
	return runPatiently(ctx, testPatience, stdin, args...)
}

// runPatiently runs one that is so patient with absent leaders.
func runPatiently(ctx context.Context, patience time.Duration, stdin string, args ...string) ran {
	var out, errOut bytes.Buffer
	p := program{Streams: Streams{In: strings.NewReader(stdin), Out: &out, Err: &errOut}, patience: patience, every: time.Millisecond}
	code := p.main(ctx, append([]string{"gitmirror"}, args...))
	return ran{code, out.String(), errOut.String()}
}

func (r ran) want(t *testing.T, code int) ran {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.err)
	}
	return r
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, text)
		}
	}
}

// request is what a fake node was asked.
type request struct {
	line string // "POST /api/v1/repos?limit=5"
	key  string
	body string
}

// fake is a node that answers what a test says.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []request
}

// fakeNode answers each request by what answer returns: a *api.Problem, nil for
// 204, or a body.
func fakeNode(t *testing.T, answer func(n int, r request) any) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rq := request{line: r.Method + " " + r.URL.RequestURI(), key: r.Header.Get("Idempotency-Key"), body: string(body)}
		f.mu.Lock()
		f.asked = append(f.asked, rq)
		n := len(f.asked)
		f.mu.Unlock()
		switch a := answer(n, rq).(type) {
		case nil:
			w.WriteHeader(http.StatusNoContent)
		case *api.Problem:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(a.Status)
			_ = json.NewEncoder(w).Encode(a)
		default:
			_ = json.NewEncoder(w).Encode(a)
		}
	}))
	t.Cleanup(f.Close)
	t.Setenv(addrEnv, f.URL)
	return f
}

func (f *fake) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.asked...)
}

// commands are all commands that do something, by path.
func commands() map[string]*urfave.Command {
	found := map[string]*urfave.Command{}
	var walk func(path string, list []*urfave.Command)
	walk = func(path string, list []*urfave.Command) {
		for _, c := range list {
			if len(c.Subcommands) > 0 {
				walk(path+c.Name+" ", c.Subcommands)
			} else {
				found[path+c.Name] = c
			}
		}
	}
	walk("", program{}.app().Commands)
	return found
}

// arguments are lawful ones for a command.
func arguments(path string) []string {
	return map[string][]string{
		"repo add": {"https://example.org/a/b"}, "repo show": {"a/b"}, "repo url": {"a/b"}, "repo set": {"a/b", "--max-size", "1GiB"}, "repo rm": {"a/b"}, "repo pause": {"a/b"}, "repo resume": {"a/b"}, "repo sync": {"a/b"}, "repo verify": {"a/b"}, "repo gc": {"a/b"}, "repo import": {"-"},
		"repo refs": {"a/b"}, "repo approve": {"a/b"}, "repo restore": {"a/b", "main", "--yes"},
		"node show": {"n1"}, "node rm": {"n1"}, "node drain": {"n1"}, "node undrain": {"n1"}, "completion": {"bash"}, "trash restore": {"a/b"},
		"import":     {"github", "acme"},
		"source add": {"index", "https://example.org/a/b"}, "source show": {"a"}, "source set": {"a", "--ref", "main"}, "source sync": {"a"}, "source pause": {"a"}, "source resume": {"a"}, "source approve": {"a"}, "source rm": {"a", "--yes"},
	}[path]
}
