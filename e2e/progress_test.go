package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"gitmirror/api"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// sluice is a way to a forge by which packs come only as far as they are let.
type sluice struct {
	*httptest.Server
	mu   sync.Mutex
	more sync.Cond
	left int64 // bytes that may come; below 0 all of them
	done bool
}

func newSluice(t *testing.T, f *forge) *sluice {
	t.Helper()
	to, err := url.Parse(f.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	s := &sluice{}
	s.more.L = &s.mu
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodPost {
			r.Body = &sluiced{ReadCloser: r.Body, by: s}
		}
		return nil
	}
	s.Server = httptest.NewServer(proxy)
	t.Cleanup(func() { s.let(-1); s.CloseClientConnections(); s.Close() })
	return s
}

// let has so many bytes more come; -1: all.
func (s *sluice) let(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left += n; n < 0 {
		s.done = true
	}
	s.more.Broadcast()
}

type sluiced struct {
	io.ReadCloser
	by *sluice
}

func (b *sluiced) Read(p []byte) (int, error) {
	s := b.by
	s.mu.Lock()
	for s.left <= 0 && !s.done {
		s.more.Wait()
	}
	most := int64(len(p))
	if !s.done {
		most = min(most, s.left)
	}
	s.mu.Unlock()
	n, err := b.ReadCloser.Read(p[:most])
	s.mu.Lock()
	s.left -= int64(n)
	s.mu.Unlock()
	return n, err
}

// terminal is one that a command writes to.
type terminal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (tt *terminal) String() string { tt.mu.Lock(); defer tt.mu.Unlock(); return tt.all.String() }

func (tt *terminal) Write(p []byte) (int, error) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.all.Write(p)
}

// onTerminal starts the binary with its standard error on a terminal that wide, or where width
// is 0 on a pipe. wait returns its exit code.
func onTerminal(t *testing.T, width int, env []string, args ...string) (out *terminal, wait func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	out = &terminal{}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), "TERM=xterm"), env...)
	if width == 0 {
		cmd.Stderr = out
	} else {
		master, slave := openTerminal(t, width)
		cmd.Stderr = slave
		go func() { _, _ = io.Copy(out, master) }()
		t.Cleanup(func() { _ = master.Close() })
		defer slave.Close()
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return out, func() int { _ = cmd.Wait(); return cmd.ProcessState.ExitCode() }
}

func openTerminal(t *testing.T, width int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

var drawnPercent = regexp.MustCompile(`Cloning +(\d+)% [█▏▎▍▌▋▊▉ ]+ +[0-9.]+ [KM]iB  [0-9.]+ [KM]?i?B/s  objects [0-9,]+/[0-9,]+`)

// drawn are the percentages that a terminal has shown.
func drawn(screen *terminal) (percents []int) {
	for _, m := range drawnPercent.FindAllStringSubmatch(screen.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		percents = append(percents, n)
	}
	return percents
}

// A clone of a slow upstream is watched while it comes: at any node, by who waits for it at a
// terminal, at a dumb one, and by the lists. What is shown goes forward.
func TestALongCloneIsWatched(t *testing.T) {
	t.Parallel()
	f, c := newForge(t), newCluster(t, 3)
	f.sample("big.git")
	random := rand.NewChaCha8([32]byte{})
	for i := range 8 {
		f.edit("big.git", func(e *upstream.Edit) {
			for j := range 10 {
				noise := make([]byte, 20_000)
				_, _ = random.Read(noise)
				e.Commit("main", fmt.Sprint(i, j), map[string]string{fmt.Sprint("f", i, j): fmt.Sprintf("%x", noise)})
			}
		})
	}
	slow := newSluice(t, f)
	slow.let(20_000) // what is asked of it before the pack
	asked := c.nodes[1].HTTP
	screen, ended := onTerminal(t, 100, nil, "repo", "add", slow.URL+"/big.git", "--name", "big", "--replicas", "3", "--wait", "--addr", asked)
	dumb, dumbEnded := onTerminal(t, 100, []string{"TERM=dumb"}, "repo", "add", slow.URL+"/big.git", "--name", "big", "--replicas", "3", "--wait", "--addr", c.nodes[2].HTTP)

	last, came := 0, int64(0)
	for _, at := range []int{25, 50, 75} {
		var p *api.Progress
		c.nodes[0].await("big", fmt.Sprintf("%d%% cloned", at), func(r *api.Repo) bool {
			p = nil
			for _, copy := range r.Copies {
				if copy.Node == r.Owner {
					p = copy.Progress
				}
			}
			if p == nil || p.Phase != api.PhaseReceiving || p.Percent == nil {
				slow.let(2_000)
				return false
			}
			if *p.Percent < last {
				t.Errorf("%d%% after %d%%", *p.Percent, last)
			}
			last = *p.Percent
			switch {
			case *p.Percent >= at:
			case p.Bytes > came: // what was let come is there
				came = p.Bytes
				slow.let(30_000)
			default: // git tells of bytes when more come, and twice a second at most: what came last may be untold
				slow.let(2_000)
			}
			return *p.Percent >= at
		})
		if p.Upstream != strings.TrimPrefix(slow.URL, "http://") || p.Peer != "" || p.Bytes == 0 || p.AllObjects == nil || p.Objects == 0 || p.Objects > *p.AllObjects {
			t.Errorf("at %d%%: %+v", at, p)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("on the terminal: %q", screen)
			}
		})
		testlog.Eventually(t, "the bar to be there", func() bool { seen := drawn(screen); return len(seen) > 0 && seen[len(seen)-1] >= at })
	}
	for _, args := range [][]string{{"repo", "show", "big"}, {"repo", "ls", "-o", "wide"}} {
		out, err := exec.Command(binary, append(args, "--addr", asked)...).Output()
		if err != nil || !regexp.MustCompile(`(?m)\d+%  [0-9.]+ [KM]iB  .*/s  objects \d+/\d+`).Match(out) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}

	slow.let(-1)
	if code := ended(); code != 0 {
		t.Errorf("the wait ended with %d", code)
	}
	if code := dumbEnded(); code != 0 || strings.ContainsAny(dumb.String(), "\x1b█") || strings.Contains(strings.ReplaceAll(dumb.String(), "\r\n", ""), "\r") {
		t.Errorf("on a dumb terminal, ended with %d: %q", code, dumb)
	}
	if percents := drawn(screen); !slices.IsSorted(percents) || slices.Min(percents) == slices.Max(percents) {
		t.Errorf("the bar went %v", percents)
	}
	for line := range strings.FieldsFuncSeq(screen.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if n := len([]rune(strings.TrimSuffix(line, "\x1b[K"))); n >= 100 {
			t.Errorf("a line of %d on a terminal of 100: %q", n, line)
		}
	}
	c.nodes[0].await("big", "done", func(r *api.Repo) bool {
		return r.State == "ready" && !slices.ContainsFunc(r.Copies, func(c api.Copy) bool { return c.Progress != nil })
	})
}
