package doctor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/cli/doctor"
)

// found is the check of that name.
func found(t *testing.T, list []doctor.Check, name string) doctor.Check {
	t.Helper()
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Errorf("nothing is said of %s: %+v", name, list)
	return doctor.Check{}
}

// Each thing that can be wrong is said with what to do, and holds up nothing else.
func TestWhatIsWrongIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ahead := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	}))
	defer ahead.Close()
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	data := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	status := &api.Status{Verdict: api.Degraded, AnsweredBy: "n1", Nodes: []api.Node{
		{Name: "n1", Peer: "127.0.0.1:1", HTTP: "http://127.0.0.1:1"},
		{Name: "n2", Peer: addr(well), HTTP: ahead.URL},
		{Name: "n3", Peer: addr(gone), HTTP: well.URL},
		{Name: "n4", Peer: addr(well), HTTP: gone.URL},
		{Name: "n5", State: "left", Peer: addr(gone), HTTP: gone.URL},
	}}
	in := func(h doctor.Host) []doctor.Check { return h.Examine(context.Background()) }
	cluster := in(doctor.Host{Status: status, Upstreams: []string{"127.0.0.1", "nosuch.invalid"}, Listens: []string{taken.Addr().String()}})
	for _, c := range []struct {
		list              []doctor.Check
		name, state, says string
	}{
		{in(doctor.Host{Git: func(context.Context) (string, error) { return "", errors.New("too old") }}), "git", doctor.Warn, "too old"},
		{in(doctor.Host{Git: func(context.Context) (string, error) { return "2.39", nil }}), "git", doctor.OK, "2.39"},
		{in(doctor.Host{Data: filepath.Join(file, "no")}), "data directory", doctor.Fail, "not a directory"},
		{in(doctor.Host{Data: filepath.Join(t.TempDir(), "no")}), "data directory", doctor.Warn, "is not there"},
		{in(doctor.Host{Data: file}), "data directory", doctor.Fail, "no directory"},
		{in(doctor.Host{Data: t.TempDir()}), "disk", "", "durable after"},
		{in(doctor.Host{Data: t.TempDir()}), "free space", "", " %"},
		{in(doctor.Host{Listens: []string{taken.Addr().String()}}), "port " + taken.Addr().String(), doctor.Fail, "something else"},
		{in(doctor.Host{Listens: []string{"192.0.2.1:1"}}), "port 192.0.2.1:1", doctor.Fail, "192.0.2.1"},
		{in(doctor.Host{Listens: []string{addr(gone)}}), "port " + addr(gone), doctor.OK, "free"},
		{in(doctor.Host{Unheard: errors.New("nobody there")}), "node", doctor.Fail, "nobody there"},
		{in(doctor.Host{Unheard: errors.New("no answer"), Held: true, Data: data}), "node", doctor.Fail, "one runs with " + data},
		{in(doctor.Host{Listens: []string{taken.Addr().String()}, Held: true, Data: data}), "port " + taken.Addr().String(), doctor.OK, "taken, as by the node"},
		{in(doctor.Host{Status: &api.Status{Verdict: api.Healthy, AnsweredBy: "n1"}}), "node", doctor.OK, "healthy"},
		{cluster, "node", doctor.Warn, "degraded"},
		{cluster, "peer n2", doctor.OK, "reached"},
		{cluster, "clock of n2", doctor.Fail, "ahead"},
		{cluster, "clock of n3", doctor.OK, "as here"},
		{cluster, "peer n3", doctor.Fail, "refused"},
		{cluster, "http n3", doctor.OK, "answers"},
		{cluster, "http n4", doctor.Warn, "refused"},
		{cluster, "upstream nosuch.invalid", doctor.Fail, "nosuch.invalid"},
	} {
		is := found(t, c.list, c.name)
		if c.state != "" && is.State != c.state || !strings.Contains(is.Detail, c.says) || (is.State == doctor.OK) != (is.Try == "") {
			t.Errorf("%+v, want %s: %s", is, c.state, c.says)
		}
	}
	for _, c := range cluster {
		if strings.Contains(c.Name, "n1") || strings.Contains(c.Name, "n5") || strings.HasPrefix(c.Name, "port") {
			t.Errorf("it is looked whether we reach ourselves, who has left, or the ports of the node that answers: %+v", c)
		}
	}
	if w := doctor.Worst(cluster); w != doctor.Fail {
		t.Errorf("the worst is %s", w)
	}
	in(doctor.Host{Data: data})
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A public address that is of its own host alone is not asked from another.
func TestALoopbackAddressOfAnotherHost(t *testing.T) {
	status := &api.Status{AnsweredBy: "n1", Nodes: []api.Node{{Name: "n2", Peer: "nosuch.invalid:7655", HTTP: "http://127.0.0.1:1"}}}
	for _, c := range (doctor.Host{Status: status}).Examine(context.Background()) {
		if c.Name == "http n2" && c.State != doctor.OK {
			t.Errorf("%+v", c)
		}
	}
}

// A disk is well, low, or too full to fetch to.
func TestRoom(t *testing.T) {
	for free, state := range map[uint64]string{100: doctor.OK, 10: doctor.OK, 9: doctor.Warn, 5: doctor.Warn, 4: doctor.Fail, 0: doctor.Fail} {
		if is := doctor.Room(free, 100); is.State != state || (is.Try == "") != (state == doctor.OK) {
			t.Errorf("%d %% free: %+v, want %s", free, is, state)
		}
	}
}

// A peer that takes connections and says nothing is waited for, not for ever, and said to be silent.
func TestAFrozenPeer(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel answers for it
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	at := frozen.Addr().String()
	status := &api.Status{AnsweredBy: "n1", Nodes: []api.Node{{Name: "n2", Peer: at, HTTP: "http://" + at}}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	list := doctor.Host{Status: status}.Examine(ctx)
	if is := found(t, list, "http n2"); is.State == doctor.OK || is.Try == "" || strings.Contains(is.Detail, "context") {
		t.Errorf("%+v", is)
	}
	if ctx.Err() != nil {
		t.Error("it was waited for until nobody waits any more")
	}
}
