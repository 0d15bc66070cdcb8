// Package git starts git as a child process: without a shell, in an
// environment that this package alone decides, in a process group that ends
// when its context does, and with this process.
//
// It knows no repository: callers name the directory and the arguments.
package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gitmirror/internal/child"
)

// MinVersion is the oldest git that is known to work: it has protocol 2 with
// exact wants, fetch --stdin, core.fsync and GIT_CONFIG_COUNT, and since 2.37 readers
// stumble no more over a multi-pack-index with bitmaps that is replaced while they read.
var MinVersion = [2]int{2, 37}

// ErrMissing and ErrTooOld say why a node cannot work with the git it found.
var (
	ErrMissing = errors.New("git was not found")
	ErrTooOld  = errors.New("git is too old")
)

// Runner starts git children.
type Runner struct {
	bin     string
	version string
	home    string
	exec    string // what git may start besides itself
	lock    *os.File
	memory  int64
	spawner *child.Spawner
}

// Config says how a Runner starts its children.
type Config struct {
	Home string // an empty directory, made if missing: what git takes for its home; Home.programs is made beside it
	// Memory is how many bytes one child may have for itself; default 2 GiB.
	Memory int64
	Lock   *os.File // inherited by every child, so that a lock on it outlives us as long as they do; may be nil
}

// DefaultMemory is what a child may have for itself where nothing else is said.
const DefaultMemory = 2 << 30

// New finds git on PATH and checks its version.
func New(ctx context.Context, cfg Config) (_ *Runner, err error) {
	bin, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%w on PATH: install git %d.%d or newer", ErrMissing, MinVersion[0], MinVersion[1])
	}
	home, err := filepath.Abs(cfg.Home)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	r := &Runner{bin: bin, home: home, lock: cfg.Lock, memory: cmp.Or(cfg.Memory, DefaultMemory), spawner: child.New()}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	out, err := r.Command(ctx, home, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("run %s version: %w", bin, err)
	}
	if err := r.confine(ctx); err != nil {
		return nil, err
	}
	r.version = strings.TrimPrefix(strings.TrimSpace(string(out)), "git version ")
	if !atLeast(r.version, MinVersion) {
		return nil, fmt.Errorf("%w: %s is %s, need %d.%d or newer", ErrTooOld, bin, r.version, MinVersion[0], MinVersion[1])
	}
	return r, nil
}

// Version is what git says of itself, "2.39.5".
func (r *Runner) Version() string { return r.version }

// Memory is how many bytes one child may have for itself.
func (r *Runner) Memory() int64 { return r.memory }

// Close ends the Runner: children must have ended, and starting another is an
// error.
func (r *Runner) Close() { r.spawner.Close() }

func atLeast(version string, want [2]int) bool {
	parts := strings.SplitN(version, ".", 3)
	for i, w := range want {
		if i >= len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false
		}
		if n != w {
			return n > w
		}
	}
	return true
}

// Cmd is a git child. Its embedded exec.Cmd may be given streams and more
// environment before it starts.
type Cmd struct {
	*exec.Cmd
	runner *Runner
	trace  *trace
	gentle bool
}

// Setting is one line of git configuration for one child.
type Setting struct{ Key, Value string }

// Command prepares git to run in dir with args. The child's whole process
// group is killed when ctx ends.
func (r *Runner) Command(ctx context.Context, dir string, args ...string) *Cmd {
	return r.CommandWith(ctx, dir, nil, args...)
}

// CommandWith is Command with further settings, which go through the
// environment: nothing of them shows in the argument list.
func (r *Runner) CommandWith(ctx context.Context, dir string, settings []Setting, args ...string) *Cmd {
	cmd := exec.CommandContext(ctx, r.bin, args...)
	cmd.Dir = dir
	cmd.Env = r.Environ(settings...)
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = 5 * time.Second
	if r.lock != nil {
		cmd.ExtraFiles = []*os.File{r.lock}
	}
	return &Cmd{Cmd: cmd, runner: r}
}

// Start starts the child. It does not outlive this process.
func (c *Cmd) Start() error {
	err := c.start()
	if c.trace != nil {
		c.trace.begin(err)
	}
	return err
}

func (c *Cmd) start() error {
	if c.Stdin != nil {
		in := hold(c.Stdin)
		defer in.release()
		c.Stdin = in
	}
	if err := c.runner.spawner.Start(c.Cmd); errors.Is(err, child.ErrClosed) {
		return fmt.Errorf("run git: %w: this node is stopping", err)
	} else if err != nil {
		return err
	}
	if err := limitMemory(c.Process, c.runner.memory); err != nil {
		_ = c.Cancel()
		return errors.Join(err, c.Cmd.Wait())
	}
	if c.gentle {
		stepBack(c.Process)
	}
	return nil
}

// Gently has the child, and each of its own, get processor and disk only where nobody else
// wants them. It is called before Start.
func (c *Cmd) Gently() *Cmd {
	c.gentle = true
	return c
}

// Wait waits for a child that was started.
func (c *Cmd) Wait() error {
	err := c.Cmd.Wait()
	if c.trace != nil {
		c.trace.end()
	}
	return err
}

// Run starts the child and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the child and returns what it printed. On failure the error is
// an *Error with the end of its standard error.
func (c *Cmd) Output() ([]byte, error) {
	var out strings.Builder
	c.Stdout = &out
	err := c.RunCaptured()
	return []byte(out.String()), err
}

// RunCaptured runs the child; on failure the error is an *Error with the end
// of its standard error.
func (c *Cmd) RunCaptured() error {
	tail := &Tail{}
	c.Stderr = tail
	if err := c.Run(); err != nil {
		return c.Failed(err, tail)
	}
	return nil
}

// Failed wraps the error of a child with what it said.
func (c *Cmd) Failed(err error, stderr *Tail) error {
	return &Error{Subcommand: c.Args[1], Stderr: stderr.String(), Err: err}
}

// Error is a failed git child.
type Error struct {
	Subcommand string
	Stderr     string // the end of it, without control characters
	Err        error
}

func (e *Error) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("git %s: %v", e.Subcommand, e.Err)
	}
	return fmt.Sprintf("git %s: %s (%v)", e.Subcommand, e.Stderr, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
