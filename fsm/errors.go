package fsm

import (
	"errors"
	"fmt"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// AsError turns an outcome into a *refusal.Error: nil when the command was done. The
// items of a batch are not looked at; see ItemError.
func AsError(o *command.Outcome) error {
	return asError(o.GetCode(), o.GetMessage(), "")
}

// ItemError is AsError for one row of a batch.
func ItemError(i *command.Item) error {
	return asError(i.GetCode(), i.GetMessage(), i.GetExisting())
}

func asError(code, message, existing string) error {
	if code == "" {
		return nil
	}
	e := refusal.New(refusal.Code(code), "%s", message)
	e.Existing = existing
	return e
}

var (
	// ErrUndecodable is inside the FatalError of an entry that this binary
	// cannot read: damaged, or written by a newer release.
	ErrUndecodable = errors.New("undecodable log entry; a newer release may have written it: upgrade this node")
	// ErrOutOfOrder is inside the FatalError of an entry whose index is not
	// above the last one applied.
	ErrOutOfOrder = errors.New("log entry out of order")
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

func refuse(code refusal.Code, format string, args ...any) *command.Outcome {
	return &command.Outcome{Code: string(code), Message: fmt.Sprintf(format, args...)}
}

func ok(repo string) *command.Item { return &command.Item{Repo: repo} }

func refuseItem(repo string, code refusal.Code, format string, args ...any) *command.Item {
	return &command.Item{Repo: repo, Code: string(code), Message: fmt.Sprintf(format, args...)}
}
