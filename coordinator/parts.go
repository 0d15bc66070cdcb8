package coordinator

import (
	"context"
	"errors"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// inParts commits rows, in as many commands as it takes, and returns an item for each. A call
// that is repeated with its key is cut in the same places.
func inParts[T any](ctx context.Context, rows []T, key string, commit func(ctx context.Context, rows []T, key string) (*command.Outcome, error)) ([]*command.Item, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	out, err := commit(ctx, rows, key)
	if errors.Is(err, fsm.ErrTooLarge) && len(rows) > 1 {
		half := len(rows) / 2
		first, err := inParts(ctx, rows[:half], key+"/0", commit)
		if err != nil {
			return nil, err
		}
		second, err := inParts(ctx, rows[half:], key+"/1", commit)
		return append(first, second...), err
	}
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return nil, err
	}
	if len(out.Items) != len(rows) {
		// Another leader, with another --allow-upstream, admitted others of them.
		return nil, refusal.New(refusal.KeyReused, "this request was made before, and came out otherwise").Try("see what is there with: gitmirror repo ls; then use a new key")
	}
	return out.Items, nil
}
