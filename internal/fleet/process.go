package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is one process of a node, which ends with the Spawner at the latest. It is safe
// for concurrent use. What there is not, a nil Process, does not run and is not ended.
type Process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Exited is closed when the process has ended, and State is how.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State is how the process ended; nil before.
func (p *Process) State() *os.ProcessState {
	if p.Running() {
		return nil
	}
	return p.cmd.ProcessState
}

// Pid is the process's, also when it has ended.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal, which a process that has ended does not miss.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.name, err)
	}
	return nil
}

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	if p.Running() {
		_ = p.Signal(syscall.SIGKILL)
		<-p.exited
	}
}

// Stop has the process end in good order, and returns what there is to be said against how
// it did. One that takes longer is killed.
func (p *Process) Stop(within time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil || p == nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("%s did not end on SIGTERM within %s", p.name, within)
	}
	if !p.State().Success() {
		return fmt.Errorf("%s ended on SIGTERM with %s", p.name, p.State())
	}
	return nil
}
