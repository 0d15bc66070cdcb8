package detect_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitmirror/internal/spool"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var prefixes = []string{"refs/heads/", "refs/tags/"}

// packets is an answer with these lines.
func packets(lines ...string) string {
	var b strings.Builder
	w := wire.NewWriter(&b)
	for _, l := range lines {
		w.Line("%s", l)
	}
	w.Flush()
	return b.String()
}

// branches is an answer that shows n branches at one object.
func branches(n int, oid string) string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("%s refs/heads/branch-%d\n", oid, i))
	}
	return packets(lines...)
}

// client asks a server in this process, which repeats what shown holds. Large answers have
// room for one, of some three megabytes.
func client(t testing.TB, shown *atomic.Value) (c *detect.Client, url string) {
	caps := packets("version 2\n", "ls-refs=unborn\n")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, body := "result", shown.Load().(string)
		if r.Method == http.MethodGet {
			kind, body = "advertisement", caps
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-"+kind)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = strings.NewReader(body).WriteTo(w)
	}))
	t.Cleanup(s.Close)
	tr := remote.NewTransport((&net.Dialer{}).DialContext)
	t.Cleanup(tr.CloseIdleConnections)
	budget := spool.New(spool.Config{Dir: t.TempDir(), Memory: 1 << 20, InAll: 4 << 20, Total: 8 << 20, Share: 8 << 20, Free: 1 << 20, Weight: 2, Wait: 50 * time.Millisecond, Reuse: true, Class: "answers"})
	return detect.New(remote.New(remote.Config{Transport: tr, Answers: budget})), s.URL
}

var oidA, oidB = strings.Repeat("a", 40), strings.Repeat("b", 40)

func TestWhatIsUnchangedIsNotParsed(t *testing.T) {
	var shown atomic.Value
	shown.Store(branches(1, oidA))
	c, url := client(t, &shown)
	first, err := c.Check(t.Context(), url, prefixes, 0)
	if err != nil || first.Unchanged || len(first.Advert.Refs) != 1 || first.Fingerprint == 0 {
		t.Fatalf("the first check: %+v, %v", first, err)
	}
	for range 3 {
		res, err := c.Check(t.Context(), url, prefixes, first.Fingerprint)
		if err != nil || !res.Unchanged || res.Advert != nil || res.Fingerprint != first.Fingerprint || res.Remote == nil {
			t.Errorf("unchanged: %+v, %v", res, err)
		}
	}
	shown.Store(branches(1, oidB))
	res, err := c.Check(t.Context(), url, prefixes, first.Fingerprint)
	if err != nil || res.Unchanged || res.Advert.Refs[0].OID != oidB || res.Fingerprint == first.Fingerprint {
		t.Errorf("a moved branch: %+v, %v", res, err)
	}
}

// What a check has taken of the budget of answers it gives back: at once where nothing is
// made of the answer, else when that is released.
func TestTheBudgetIsGivenBack(t *testing.T) {
	var shown atomic.Value
	shown.Store(branches(50_000, oidA))
	c, url := client(t, &shown)
	first, err := c.Check(t.Context(), url, prefixes, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(t.Context(), url, prefixes, 0); err == nil || failure.Of(err).Class != failure.OutOfMemory {
		t.Errorf("there is room for another: %v", err)
	}
	first.Release()
	for range 3 {
		if res, err := c.Check(t.Context(), url, prefixes, first.Fingerprint); err != nil || !res.Unchanged {
			t.Errorf("unchanged: %v", err)
		}
	}
	shown.Store(branches(50_000, "no id"))
	for range 3 {
		_, err := c.Check(t.Context(), url, prefixes, 0)
		if f := (*failure.Error)(nil); !errors.As(err, &f) || f.Class != failure.Protocol {
			t.Errorf("not an answer: %v", err)
		}
	}
	shown.Store(branches(50_000, oidB))
	if res, err := c.Check(t.Context(), url, prefixes, 0); err != nil || len(res.Advert.Refs) != 50_000 {
		t.Errorf("behind all of them: %v", err)
	}
}
