package fsm

import (
	"errors"
	"fmt"

	"gitmirror/fsm/command"
)

// Codes of refusals. They are part of the contract with clients.
const (
	CodeConflictName    = "conflict_name"
	CodeConflictURL     = "conflict_url"
	CodeConflictNode    = "conflict_node"
	CodeNotFound        = "not_found"
	CodeStaleEpoch      = "stale_epoch"
	CodeStaleGeneration = "stale_generation"
	CodeStaleRow        = "stale_row"
	CodeNotOwner        = "not_owner"
	CodeLastCopy        = "last_copy"
	CodeClusterNamed    = "cluster_named"
	CodeConflictAddress = "conflict_address"
	CodeStaleRun        = "stale_run"
	CodeFormat          = "format_too_old"
	CodeInvalid         = "invalid"
	CodeKeyReused       = "key_reused"
	CodeNotHeld         = "not_held"
	CodeStaleHold       = "stale_hold"
)

// One sentinel per refusal, for errors.Is on what AsError returns.
var (
	ErrConflictName    error = &Refused{Code: CodeConflictName}
	ErrConflictURL     error = &Refused{Code: CodeConflictURL}
	ErrConflictNode    error = &Refused{Code: CodeConflictNode}
	ErrNotFound        error = &Refused{Code: CodeNotFound}
	ErrStaleEpoch      error = &Refused{Code: CodeStaleEpoch}
	ErrStaleGeneration error = &Refused{Code: CodeStaleGeneration}
	ErrStaleRow        error = &Refused{Code: CodeStaleRow}
	ErrNotOwner        error = &Refused{Code: CodeNotOwner}
	ErrLastCopy        error = &Refused{Code: CodeLastCopy}
	ErrClusterNamed    error = &Refused{Code: CodeClusterNamed}
	ErrConflictAddress error = &Refused{Code: CodeConflictAddress}
	ErrStaleRun        error = &Refused{Code: CodeStaleRun}
	ErrFormat          error = &Refused{Code: CodeFormat}
	ErrInvalid         error = &Refused{Code: CodeInvalid}
)

// Refused is a command that was understood, and refused without a change.
type Refused struct {
	Code    string
	Message string
}

// Error is the message, or the code where there is none.
func (r *Refused) Error() string {
	if r.Message == "" {
		return r.Code
	}
	return r.Message
}

// Is matches refusals of the same code.
func (r *Refused) Is(target error) bool {
	t, ok := target.(*Refused)
	return ok && t.Code == r.Code
}

// AsError turns an outcome into an error: nil when the command was done. The
// items of a batch are not looked at; see ItemError.
func AsError(o *command.Outcome) error {
	if o.GetCode() == "" {
		return nil
	}
	return &Refused{Code: o.GetCode(), Message: o.GetMessage()}
}

// ItemError is AsError for one row of a batch.
func ItemError(i *command.Item) error {
	if i.GetCode() == "" {
		return nil
	}
	return &Refused{Code: i.GetCode(), Message: i.GetMessage()}
}

var (
	// ErrUndecodable is inside the FatalError of an entry that this binary
	// cannot read: damaged, or written by a newer release.
	ErrUndecodable = errors.New("undecodable log entry; a newer release may have written it: upgrade this node")
	// ErrOutOfOrder is inside the FatalError of an entry whose index is not
	// above the last one applied.
	ErrOutOfOrder = errors.New("log entry out of order")
	// ErrNotAdmitted says that an entry was not appended, because a member could
	// not apply it.
	ErrNotAdmitted = errors.New("the entry cannot enter the log")
	// ErrTooLarge is returned for a command that does not fit into one entry.
	ErrTooLarge = errors.New("command too large: split it")
	// ErrSnapshot is inside every error about a snapshot's content.
	ErrSnapshot = errors.New("unusable snapshot")
)

// FatalError is a committed entry that could not be applied. Nothing changed.
// A node that goes on would differ from the others, so it must stop.
type FatalError struct {
	Index  uint64
	Number uint32 // 0 when not even the envelope could be read
	Err    error
}

func (e *FatalError) Error() string {
	return fmt.Sprintf("apply entry %d (command %d): %v", e.Index, e.Number, e.Err)
}

func (e *FatalError) Unwrap() error { return e.Err }

// done is the outcome of a command without rows.
func done() *command.Outcome { return &command.Outcome{} }

func refuse(code, format string, args ...any) *command.Outcome {
	return &command.Outcome{Code: code, Message: fmt.Sprintf(format, args...)}
}

func ok(repo string) *command.Item { return &command.Item{Repo: repo} }

func refuseItem(repo, code, format string, args ...any) *command.Item {
	return &command.Item{Repo: repo, Code: code, Message: fmt.Sprintf(format, args...)}
}
