package peer

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// told counts how often a process is told of a newer incarnation.
type told struct {
	greeting
	times *int
}

func (g told) Superseded() { *g.times++ }

// A call of a newer incarnation is refused as one of any other cluster, and the node learns of
// it; one of a stranger tells it nothing.
func TestACallOfANewerIncarnation(t *testing.T) {
	times := 0
	s := httptest.NewServer(Greet(func() string { return "c" }, told{times: &times}))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	for _, c := range []struct {
		cluster string
		former  []string
		times   int
	}{
		{"x", nil, 0}, {"x", []string{"y", "cc"}, 0}, {"c", []string{"b"}, 0},
		{"d", []string{"c"}, 1}, {"e", []string{"b", "c", "d"}, 1},
	} {
		times = 0
		calls := NewClient(network.Host, func() string { return c.cluster }, nil).Remembering(func() []string { return c.former })
		_, err := calls.Pulse(t.Context(), addr)
		calls.Close()
		if times != c.times || errors.Is(err, refusal.OtherCluster) != (c.cluster != "c") {
			t.Errorf("a call of %s, before %v: %v, and told %d times", c.cluster, c.former, err, times)
		}
	}
}
