package cluster

import (
	"errors"
	"fmt"
)

var (
	// ErrNotLeader says that nothing was done, because this node does not
	// lead. The error is a *NotLeaderError, which may name the leader.
	ErrNotLeader = errors.New("this node is not the leader")

	// ErrUnknown says that an entry was handed over and that its fate is not
	// known: it may be committed, now or later, or lost. Retry it only if
	// applying it twice is harmless, or read the state first.
	ErrUnknown = errors.New("outcome unknown, the entry may or may not be committed")

	// ErrBusy says that nothing was done, because the leader did not take
	// the entry in time.
	ErrBusy = errors.New("the leader is too busy to take the entry")

	// ErrClosed is returned by calls on a cluster that has been shut down.
	ErrClosed = errors.New("this node has left the cluster")

	// ErrPortBusy says that something else listens on the address. The
	// error is a *PortBusyError.
	ErrPortBusy = errors.New("address in use")

	// ErrLocked says that another process holds the raft directory.
	ErrLocked = errors.New("the raft store is held by another process")

	// ErrLogLost says that the log this node has kept is not there any more.
	// The error is a *LogLostError.
	ErrLogLost = errors.New("this node's log is lost")

	// ErrNotCaughtUp refuses to give a vote to a server that is not known
	// to hold nearly all of the log.
	ErrNotCaughtUp = errors.New("the server has not caught up with the log")

	// ErrNotServer says that an id is not part of the raft configuration.
	ErrNotServer = errors.New("not a server of this cluster")

	// ErrDiskHung is sent on Fatal when the raft directory stops answering.
	ErrDiskHung = errors.New("the disk of the raft directory does not answer")

	// ErrTermOver is the cause of the context of WhileLeader when this node
	// lost leadership.
	ErrTermOver = errors.New("the term of leadership is over")
)

// NotLeaderError is ErrNotLeader with a hint: who leads, as far as this node
// knows. Both fields are empty when there is no leader.
type NotLeaderError struct {
	LeaderID   string
	LeaderAddr string
}

func (e *NotLeaderError) Error() string {
	if e.LeaderAddr == "" {
		return ErrNotLeader.Error() + ", and knows of none"
	}
	return fmt.Sprintf("%v; the leader is at %s", ErrNotLeader, e.LeaderAddr)
}

// Is matches ErrNotLeader.
func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }

// PortBusyError is ErrPortBusy with the address that could not be bound.
type PortBusyError struct {
	Network string // tcp or udp
	Addr    string
	Err     error
}

func (e *PortBusyError) Error() string {
	return fmt.Sprintf("bind %s %s: %v: stop the other process or choose another port", e.Network, e.Addr, ErrPortBusy)
}

// Is matches ErrPortBusy.
func (e *PortBusyError) Is(target error) bool { return target == ErrPortBusy }

// Unwrap is the error of the operating system.
func (e *PortBusyError) Unwrap() error { return e.Err }

// LogLostError is ErrLogLost with the file that should hold the log.
type LogLostError struct {
	Path   string
	Reason string // completes "the log at Path"
}

func (e *LogLostError) Error() string {
	return fmt.Sprintf("the raft log at %s %s: this node might vote against what it has acknowledged", e.Path, e.Reason)
}

// Is matches ErrLogLost.
func (e *LogLostError) Is(target error) bool { return target == ErrLogLost }
