package remote_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
)

// showing answers checks with n refs whose names have that many bytes, and waits before
// the end until it is let go on.
func showing(n, bytes int, wait <-chan struct{}) http.HandlerFunc {
	var refs strings.Builder
	for i := range n {
		name := fmt.Sprintf("refs/heads/%08d", i)
		line := oidA + " " + name + strings.Repeat("/x", max(bytes-len(name), 0)/2) + "\n"
		fmt.Fprintf(&refs, "%04x%s", len(line)+4, line)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", advertisement)
			_, _ = io.WriteString(w, capsV2)
			return
		}
		w.Header().Set("Content-Type", result)
		_, _ = io.WriteString(w, refs.String())
		_ = http.NewResponseController(w).Flush()
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, "0000")
	}
}

// A host whose answers are large has its share of the budget; what does not fit fails
// with its own reason, and others go on, small answers in any case.
func TestLargeAnswersShareABudget(t *testing.T) {
	wait := make(chan struct{})
	large := startForge(t, showing(20_000, 130, wait)) // 3.6 MB, which count for seven
	budget := spool.Config{Dir: t.TempDir(), Memory: 64 << 10, InAll: 1 << 20, Total: 24 << 20, Share: 16 << 20, Free: 64 << 10, Weight: 2, Wait: 300 * time.Millisecond, Reuse: true, Class: "answers of upstreams"}
	c := client(t, remote.Config{Answers: spool.New(budget)})
	results := make(chan error, 3)
	for i := range 3 {
		go func() {
			advert, answer, err := show(context.Background(), c, large.URL+fmt.Sprintf("/%d.git", i))
			if err == nil {
				defer answer.Close()
				if len(advert.Refs) != 20_000 {
					err = fmt.Errorf("%d refs", len(advert.Refs))
				}
			}
			results <- err
		}()
	}
	f := failure.Of(<-results)
	if f.Class != failure.OutOfMemory || !strings.Contains(f.Message, "16 MiB from one address") {
		t.Errorf("%s: %s", f.Class, f.Message)
	}
	small := startForge(t, showing(100, 20, nil))
	advert, _, err := show(t.Context(), c, small.URL+repo)
	if err != nil || len(advert.Refs) != 100 {
		t.Errorf("a small answer: %v", err)
	}
	close(wait)
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("one that has its place: %v", err)
		}
	}
}

// Answers are on the disk, and what is made of them is made one by one.
func TestLargeAnswersTakeLittleMemory(t *testing.T) {
	f := startForge(t, showing(20_000, 600, nil)) // 13 MB
	c := client(t, remote.Config{Answers: remote.NewPool(nil, t.TempDir(), nil)})
	var highest uint64
	stop, watched, measured := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			highest = max(highest, m.HeapInuse)
			select {
			case <-stop:
				return
			case measured <- struct{}{}:
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	var checks sync.WaitGroup
	for i := range 8 {
		checks.Go(func() {
			advert, answer, err := show(context.Background(), c, fmt.Sprintf("%s/%d.git", f.URL, i))
			if err != nil {
				if failure.Of(err).Class != failure.OutOfMemory {
					t.Error(err)
				}
				return
			}
			<-measured
			<-measured // once more, while it is held
			runtime.KeepAlive(advert)
			answer.Close()
		})
	}
	checks.Wait()
	close(stop)
	<-watched
	if highest > 300<<20 {
		t.Errorf("%d MiB of memory for eight answers of 13 MB", highest>>20)
	}
	t.Logf("%d MiB", highest>>20)
}

// A server that packs its answer unasked is refused: a mebibyte makes a gibibyte.
func TestPackedAnswersAreRefused(t *testing.T) {
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("%q was asked for", got)
		}
		w.Header().Set("Content-Type", advertisement)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, capsV2)
		_ = z.Close()
	})
	if got := fails(t, client(t, remote.Config{}), f.URL+repo, failure.Protocol); !strings.Contains(got.Message, "gzip") {
		t.Errorf("message %q", got.Message)
	}
}

// Names that no ref may have cost next to nothing, and are told as what they are.
func TestEndlessNames(t *testing.T) {
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", advertisement)
			_, _ = io.WriteString(w, capsV2)
			return
		}
		w.Header().Set("Content-Type", result)
		_, _ = io.WriteString(w, gittest.Packets(oidA+" refs/heads/"+strings.Repeat("x", 60_000)+"\n", oidA+" refs/heads/main\n", "0000"))
	})
	advert, _, err := show(t.Context(), client(t, remote.Config{}), f.URL+repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range advert.Refs {
		if len(r.Name) > 1000 {
			t.Errorf("a name of %d bytes is kept", len(r.Name))
		}
		if r.Name != "refs/heads/main" && !strings.Contains(r.Name, "..") {
			t.Errorf("what is left of it is a lawful name: %s", r.Name)
		}
	}
	many := startForge(t, showing(35_000, 1000, nil))
	if got := fails(t, client(t, remote.Config{}), many.URL+repo, failure.Refused); !strings.Contains(got.Message, "too many refs") {
		t.Errorf("message %q", got.Message)
	}
}
