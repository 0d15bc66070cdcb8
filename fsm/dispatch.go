package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// commands is every command of the log. A number is never reused: a retired
// one stays here as a comment. A new field that changes what a command means
// raises its version, so that older releases stop instead of differing.
//
// A command that a later cluster format brought is marked with since: members
// of an earlier one could not apply it.
var commands = map[uint32]kind{
	1:  kindOf("found-cluster", 1, (*State).foundCluster),
	2:  kindOf("put-node", 1, (*State).putNode),
	3:  kindOf("set-node-state", 1, (*State).setNodeState),
	4:  kindOf("remove-node", 1, (*State).removeNode),
	5:  kindOf("raise-format", 1, (*State).raiseFormat),
	6:  kindOf("tick", 1, (*State).tick).since(2),
	7:  kindOf("set-node-drain", 1, (*State).setNodeDrain).since(formatDrain),
	8:  kindOf("recover-cluster", 1, (*State).recoverCluster).since(formatRecovery),
	10: kindOf("add-repos", 1, (*State).addRepos),
	11: kindOf("remove-repos", 1, (*State).removeRepos),
	12: kindOf("publish", 1, (*State).publish),
	13: kindOf("report", 1, (*State).report),
	14: kindOf("place", 1, (*State).place),
	15: kindOf("assign-owners", 1, (*State).assignOwners),
	20: kindOf("set-policy", 1, (*State).setPolicy).since(formatLimits),
	21: kindOf("change-repos", 1, (*State).changeRepos).since(formatChanges),
	22: kindOf("restore-repos", 1, (*State).restoreRepos).since(formatTrash),
	30: kindOf("put-source", 1, (*State).addSource).since(formatSources),
	31: kindOf("set-source", 1, (*State).setSource).since(formatSources),
	32: kindOf("remove-source", 1, (*State).removeSource).since(formatSources),
	33: kindOf("listing", 1, (*State).applyListing).since(formatSources),
	34: kindOf("approve-source", 1, (*State).approveSource).since(formatSources),
	35: kindOf("own-source", 1, (*State).ownSource).since(formatForges),
	36: kindOf("put-credentials", 1, (*State).putCredentials).since(formatForges),
	16: kindOf("approve", 1, (*State).approve).since(formatHolds),
	17: kindOf("pin", 1, (*State).pin).since(formatHolds),
}

// kind is one kind of command: how to read it, and what it does.
type kind struct {
	name    string
	version uint32 // the newest that this release understands
	format  uint32 // the cluster format that brought it
	message proto.Message
	decode  func(payload []byte) (applier, error)
}

// applier is a command that has been read.
type applier func(*State, entry) *command.Outcome

func kindOf[M any, P interface {
	*M
	proto.Message
}](name string, version uint32, apply func(*State, entry, P) *command.Outcome) kind {
	return kind{
		name:    name,
		version: version,
		format:  1,
		message: P(new(M)),
		decode: func(payload []byte) (applier, error) {
			msg := P(new(M))
			if err := proto.Unmarshal(payload, msg); err != nil {
				return nil, err
			}
			return func(s *State, e entry) *command.Outcome { return apply(s, e, msg) }, nil
		},
	}
}

func (k kind) since(format uint32) kind {
	k.format = format
	return k
}

// decoded is an entry that can be applied.
type decoded struct {
	number    uint32
	requestID string
	atMS      int64
	payload   []byte
	apply     applier
}

// decode reads an entry. On an error the result holds what could be read.
func decode(data []byte) (decoded, error) {
	var env command.Envelope
	if err := proto.Unmarshal(data, &env); err != nil {
		return decoded{}, fmt.Errorf("%w (envelope: %v)", ErrUndecodable, err)
	}
	d := decoded{number: env.GetNumber(), requestID: env.GetRequestId(), atMS: env.GetAtUnixMs(), payload: env.GetPayload()}
	k, known := commands[env.GetNumber()]
	if !known || k.format > Format {
		return d, fmt.Errorf("%w (unknown number)", ErrUndecodable)
	}
	if v := env.GetVersion(); v == 0 || v > k.version {
		return d, fmt.Errorf("%w (%s in version %d, this release reads 1 to %d)", ErrUndecodable, k.name, v, k.version)
	}
	var err error
	if d.apply, err = k.decode(env.GetPayload()); err != nil {
		return d, fmt.Errorf("%w (%s: %v)", ErrUndecodable, k.name, err)
	}
	return d, nil
}

// batch answers for each row of a command for itself.
func batch[T any](rows []T, each func(T) *command.Item) *command.Outcome {
	if len(rows) > MaxItems {
		return refuse(refusal.Invalid, "%d rows, more than %d", len(rows), MaxItems)
	}
	items := make([]*command.Item, len(rows))
	for i, row := range rows {
		items[i] = each(row)
	}
	return &command.Outcome{Items: items}
}
