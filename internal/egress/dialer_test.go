package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gitmirror/internal/network"

	"github.com/google/go-cmp/cmp"
)

// world is a resolver and a network that note what is asked of them.
type world struct {
	names  map[string][]string
	hangs  []string // addresses that never answer
	refuse []string
	dialed []string
}

func (w *world) dialer(p *Policy) *Dialer {
	d := NewDialer(p, network.Host)
	d.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		addrs, ok := w.names[host]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var list []netip.Addr
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}
	d.dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		w.dialed = append(w.dialed, address)
		host, _, _ := net.SplitHostPort(address)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case slices.Contains(w.hangs, host):
			<-ctx.Done()
			return nil, ctx.Err()
		case slices.Contains(w.refuse, host):
			return nil, errors.New("refused")
		}
		c, _ := net.Pipe()
		return c, nil
	}
	return d
}

func TestDialer(t *testing.T) {
	names := map[string][]string{
		"public.example":  {"8.8.8.8", "2606:4700::1111"},
		"private.example": {"10.0.0.1"},
		"mixed.example":   {"8.8.8.8", "127.0.0.1"},
		"mixed6.example":  {"8.8.8.8", "::1"},
		"mapped.example":  {"::ffff:127.0.0.1"},
		"public6.example": {"::ffff:8.8.4.4"},
		"nothing.example": {},
		"2130706433":      {"127.0.0.1"}, // as some resolvers read it
	}
	for _, tc := range []struct {
		address string
		denied  bool
		dialed  []string
	}{
		{"public.example:443", false, []string{"8.8.8.8:443"}},
		{"public6.example:443", false, []string{"8.8.4.4:443"}},
		{"8.8.8.8:80", false, []string{"8.8.8.8:80"}},
		{"[2606:4700::1111]:80", false, []string{"[2606:4700::1111]:80"}},
		{"private.example:443", true, nil},
		{"mixed.example:443", true, nil},
		{"mixed6.example:443", true, nil},
		{"mapped.example:443", true, nil},
		{"2130706433:80", true, nil},
		{"127.0.0.1:80", true, nil},
		{"[::ffff:127.0.0.1]:80", true, nil},
		{"[fe80::1%lo]:80", true, nil},
	} {
		w := &world{names: names}
		conn, err := w.dialer(policy(t)).DialContext(t.Context(), "tcp", tc.address)
		if errors.Is(err, ErrDenied) != tc.denied || !tc.denied && (err != nil || conn == nil) {
			t.Errorf("%s: %v, want denied: %v", tc.address, err, tc.denied)
		}
		if d := cmp.Diff(tc.dialed, w.dialed); d != "" {
			t.Errorf("%s: dialled\n%s", tc.address, d)
		}
	}
	for _, address := range []string{"unknown.example:443", "nothing.example:443", ":443", "noport"} {
		w := &world{names: names}
		if _, err := w.dialer(policy(t)).DialContext(t.Context(), "tcp", address); err == nil || len(w.dialed) > 0 {
			t.Errorf("%s: %v, dialled %v", address, err, w.dialed)
		}
	}
}

// A name is checked each time it is dialled: what it led to before counts for
// nothing.
func TestReboundNameIsDenied(t *testing.T) {
	w := &world{names: map[string][]string{"rebind.example": {"8.8.8.8"}}}
	d := w.dialer(policy(t))
	if _, err := d.DialContext(t.Context(), "tcp", "rebind.example:80"); err != nil {
		t.Fatal(err)
	}
	w.names["rebind.example"] = []string{"169.254.169.254"}
	if _, err := d.DialContext(t.Context(), "tcp", "rebind.example:80"); !errors.Is(err, ErrDenied) {
		t.Errorf("after rebinding: %v", err)
	}
}

func TestNextAddressIsTried(t *testing.T) {
	w := &world{names: map[string][]string{"many.example": {"8.8.8.1", "8.8.8.2", "8.8.8.3"}}, refuse: []string{"8.8.8.1"}, hangs: []string{"8.8.8.2"}}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	conn, err := w.dialer(policy(t)).DialContext(ctx, "tcp", "many.example:1")
	if err != nil || conn == nil || len(w.dialed) != 3 {
		t.Errorf("%v after dialling %v", err, w.dialed)
	}
}
