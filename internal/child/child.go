// Package child starts processes that do not outlive this one, even where it is killed.
package child

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// Spawner starts every child on one operating system thread, which lives as long as the
// Spawner: the kernel kills a child when the *thread* that forked it ends (Pdeathsig), and
// Go ends threads at will unless one is locked. It is safe for concurrent use.
type Spawner struct {
	starts chan func()
	closed chan struct{}
	once   sync.Once
}

// ErrClosed is the answer of a Spawner that was closed.
var ErrClosed = errors.New("no more children are started")

// New returns a Spawner.
func New() *Spawner {
	s := &Spawner{starts: make(chan func()), closed: make(chan struct{})}
	go s.serve()
	return s
}

// serve runs on a thread that ends with it. The process's first thread does not end when
// the goroutine does that was locked to it: it is held until another goroutine has
// another.
func (s *Spawner) serve() {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() {
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			s.work()
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	s.work()
}

func (s *Spawner) work() {
	for {
		select {
		case start := <-s.starts:
			start()
		case <-s.closed:
			return // the thread ends, and with it whoever is left
		}
	}
}

// Start starts cmd in a process group of its own: signals of a terminal are for us alone,
// and the child's own children can be killed with it.
func (s *Spawner) Start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err := make(chan error, 1)
	select {
	case s.starts <- func() { err <- cmd.Start() }:
		return <-err
	case <-s.closed:
		return ErrClosed
	}
}

// Close ends the children that are left.
func (s *Spawner) Close() { s.once.Do(func() { close(s.closed) }) }
