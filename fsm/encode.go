package fsm

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"gitmirror/fsm/command"
)

// numbers leads from a message to the number of its command.
var numbers = func() map[protoreflect.FullName]uint32 {
	m := make(map[protoreflect.FullName]uint32, len(commands))
	for number, k := range commands {
		m[k.message.ProtoReflect().Descriptor().FullName()] = number
	}
	return m
}()

// Encode makes a log entry of a command. A retry must carry the request id of
// the first attempt; an empty one is not remembered.
func Encode(msg proto.Message, requestID string, at time.Time) ([]byte, error) {
	name := msg.ProtoReflect().Descriptor().FullName()
	number, known := numbers[name]
	if !known {
		return nil, fmt.Errorf("encode %s: not a command", name)
	}
	if err := between("request id", requestID, 0, maxID); err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	deterministic := proto.MarshalOptions{Deterministic: true}
	payload, err := deterministic.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	data, err := deterministic.Marshal(&command.Envelope{
		Number:    number,
		Version:   commands[number].version,
		RequestId: requestID,
		AtUnixMs:  at.UnixMilli(),
		Payload:   payload,
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("encode %s: %d bytes, more than %d: %w", name, len(data), MaxEntry, ErrTooLarge)
	}
	return data, nil
}
