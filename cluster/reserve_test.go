package cluster

import (
	"os"
	"testing"

	"gitmirror/internal/testlog"
)

func TestReserveIsGivenUpInNeedAndTakenAgain(t *testing.T) {
	r := newReserve(nil, t.TempDir(), testlog.New(t))
	r.size = 1 << 20
	var free uint64
	r.free = func() (uint64, error) { return free, nil }
	held := func() bool { _, err := os.Stat(r.path); return err == nil }
	for _, c := range []struct {
		free uint64
		want bool
	}{{1 << 30, true}, {1 << 20, true}, {1 << 17, false}, {1 << 20, false}, {1 << 30, true}} {
		free = c.free
		r.look()
		if held() != c.want {
			t.Errorf("with %d bytes free it is held: %v, want %v", c.free, held(), c.want)
		}
	}
	if info, err := os.Stat(r.path); err != nil || info.Size() != r.size {
		t.Errorf("%v, %v: want it to take its size", info, err)
	}
}
