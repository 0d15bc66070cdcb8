package fsm

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

func TestUndecodableEntryIsFatalAndChangesNothing(t *testing.T) {
	envelope := func(e *command.Envelope) []byte {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		number uint32
		data   []byte
	}{
		"empty":           {0, nil},
		"no envelope":     {0, []byte("garbage")},
		"unknown number":  {999, envelope(&command.Envelope{Number: 999, Version: 1})},
		"newer version":   {11, envelope(&command.Envelope{Number: 11, Version: 2})},
		"no version":      {11, envelope(&command.Envelope{Number: 11})},
		"damaged payload": {11, envelope(&command.Envelope{Number: 11, Version: 1, Payload: []byte{0xff}})},
		"no UTF-8":        {11, envelope(&command.Envelope{Number: 11, Version: 1, Payload: []byte{0x0a, 1, 0xff}})},
	} {
		t.Run(name, func(t *testing.T) {
			m := published1(t)
			before := m.snapshot()
			result := m.state.Apply(m.index+1, c.data)
			var fatal *FatalError
			if !errors.As(result.Err, &fatal) || !errors.Is(result.Err, ErrUndecodable) || result.Outcome != nil {
				t.Fatalf("result %+v", result)
			}
			if fatal.Index != m.index+1 || fatal.Number != c.number {
				t.Errorf("fatal error %+v, want number %d", fatal, c.number)
			}
			if !bytes.Equal(m.snapshot(), before) {
				t.Error("the state changed")
			}
		})
	}
}

func TestEntryOutOfOrderIsFatal(t *testing.T) {
	m := published1(t)
	data, err := Encode(publish("one", 2), "", m.now)
	if err != nil {
		t.Fatal(err)
	}
	if result := m.state.Apply(m.index, data); !errors.Is(result.Err, ErrOutOfOrder) {
		t.Errorf("result %+v", result)
	}
}

func TestEncodeRefuses(t *testing.T) {
	if _, err := Encode(&command.Item{}, "", epoch); err == nil {
		t.Error("a message that is no command was encoded")
	}
	if _, err := Encode(&command.RemoveRepos{Ids: []string{string(make([]byte, MaxEntry))}}, "", epoch); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if _, err := Encode(&command.RemoveNode{}, string(make([]byte, maxID+1)), epoch); err == nil {
		t.Error("a long request id was encoded")
	}
}

func TestWait(t *testing.T) {
	m := cluster(t)
	if err := m.state.Wait(t.Context(), m.index); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := m.state.Wait(ctx, m.index+1); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	waited := make(chan error)
	want := m.index + 2
	go func() { waited <- m.state.Wait(t.Context(), want) }()
	m.ok(putNode("d"))
	m.ok(putNode("e"))
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// TestReadersSeeWholeEntries is for the race detector.
func TestReadersSeeWholeEntries(t *testing.T) {
	m := cluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				changed := m.state.Changed()
				v, n := m.state.View(), 0
				v.Repos("", func(r *Repo) bool { n += 1 + len(r.Copies) - 2; return true })
				if n != v.Len()+v.RemovedLen() {
					t.Errorf("%d rows in a view of %d", n, v.Len())
				}
				if err := m.state.Capture().Persist(&bytes.Buffer{}); err != nil {
					t.Error(err)
				}
				v.Events(0)
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		})
	}
	for i := range 200 {
		id := string(rune('A'+i%26)) + string(rune('a'+i/26))
		m.request(id, addRepos(newRepo(id)))
		m.ok(publish(id, 1))
	}
	cancel()
	readers.Wait()
}

func TestDigest(t *testing.T) {
	d := Digest(digest(0xab))
	back, err := ParseDigest(d.String())
	if err != nil || back != d || d.IsZero() || !(Digest{}).IsZero() {
		t.Errorf("%v %v", back, err)
	}
	for _, bad := range []string{"", "ab", d.String() + "00", "zz" + d.String()[2:]} {
		if _, err := ParseDigest(bad); err == nil {
			t.Errorf("%q was parsed", bad)
		}
	}
}
