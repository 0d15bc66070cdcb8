package fsm

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func TestAdmitLetsNothingInThatAMemberCannotApply(t *testing.T) {
	envelope := func(e *command.Envelope) []byte {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	tick, err := Encode(&command.Tick{}, "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	raise, err := Encode(&command.RaiseFormat{Format: Format + 1}, "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	for name, entry := range map[string][]byte{
		"garbage":          []byte("garbage"),
		"empty":            {},
		"unknown number":   envelope(&command.Envelope{Number: 99, Version: 1}),
		"newer version":    envelope(&command.Envelope{Number: 10, Version: 9}),
		"broken payload":   envelope(&command.Envelope{Number: 10, Version: 1, Payload: []byte{0xff}}),
		"long request id":  envelope(&command.Envelope{Number: 11, Version: 1, RequestId: string(make([]byte, maxID+1))}),
		"too large":        envelope(&command.Envelope{Number: 11, Version: 1, RequestId: string(make([]byte, MaxEntry))}),
		"later format":     tick,
		"format beyond us": raise,
	} {
		if out, err := Admit(entry, 1, epoch); !errors.Is(err, refusal.EntryInvalid) && !errors.Is(err, refusal.FormatTooOld) || out != nil {
			t.Errorf("%s: admitted as %x, %v", name, out, err)
		}
	}
}

func TestAdmitStampsTheLeadersTime(t *testing.T) {
	wrong, err := Encode(&command.Tick{}, "request", epoch.Add(3*365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := Admit(wrong, 2, epoch)
	if err != nil {
		t.Fatal(err)
	}
	d, err := decode(entry)
	if err != nil || d.atMS != epoch.UnixMilli() || d.requestID != "request" {
		t.Errorf("decoded %+v, %v", d, err)
	}
}

// What Admit lets in, Apply can read, on a machine of the same format.
func FuzzAdmit(f *testing.F) {
	for _, sample := range samples {
		data, err := Encode(sample, "request", epoch)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := Admit(data, Format, epoch)
		if err != nil {
			return
		}
		if r := New().Apply(1, entry); r.Err != nil {
			t.Fatalf("admitted, and then: %v", r.Err)
		}
	})
}
