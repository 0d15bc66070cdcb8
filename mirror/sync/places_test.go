package sync

import (
	"fmt"
	"slices"
	"testing"
)

// Whoever waits at a peer is tried once for each time that it has said so, however often it
// said so before that.
func TestWhoWaitsAtAPeerIsTriedInTurn(t *testing.T) {
	var kicked []string
	p := newPlaces(1, 1, func(id string) bool { kicked = append(kicked, id); return id != "gone" })
	for _, waits := range [][]string{{"a", "gone", "a", "b", "a"}, {"a"}, nil} {
		at, _ := p.take("peer")
		if _, free := p.take("peer"); free {
			t.Fatal("two at once")
		}
		for _, id := range waits {
			p.await("peer", id)
		}
		p.leave("peer", at)
	}
	if want := []string{"a", "gone", "b", "a"}; !slices.Equal(kicked, want) || len(p.peers) > 0 {
		t.Errorf("tried %q, want %q; kept %d", kicked, want, len(p.peers))
	}
}

// BenchmarkAwait is of a node that has joined: all its rows wait at a peer, and each is tried
// again and again.
func BenchmarkAwait(b *testing.B) {
	p := newPlaces(1, 1, func(string) bool { return true })
	p.take("peer")
	ids := make([]string, 100_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("01HZZZZZZZZZZZZZZZZZ%06d", i)
		p.await("peer", ids[i])
	}
	for i := 0; b.Loop(); i++ {
		p.await("peer", ids[(i*7919)%len(ids)])
	}
}
