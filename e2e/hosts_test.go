package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

// elsewhere are lines of the documents that are walked by .ci/run itself.
var elsewhere = []string{"go run . demo        # three real node processes, sample upstreams, a killed leader", "go test ./...        # tests", "CGO_ENABLED=0 go build -o gitmirror ."}

// The lines that README and operations.md tell people to type work as they stand, on the
// hosts that they are for: three nodes on one host, then several hosts, of which each has
// the addresses that are written there, and reaches a github.com. Where this process may
// make no hosts, it is a failure if GITMIRROR_NAMESPACES is set.
func TestHosts(t *testing.T) {
	if why := noHosts(); why != "" {
		if os.Getenv("GITMIRROR_NAMESPACES") != "" {
			t.Fatal(why)
		}
		t.Skip(why + "; as root: just hosts")
	}
	t.Parallel()
	up := newForge(t)
	up.sample("acme/big")
	authorities := t.TempDir()
	cert := certificate(t, "github.com", time.Now().Add(time.Hour))
	if err := os.WriteFile(filepath.Join(authorities, "github.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o644); err != nil {
		t.Fatal(err)
	}
	addrs := map[string]string{"github.com": "140.82.121.3", "ci": "10.0.0.20", "desk": "10.0.0.30",
		"n1": "10.0.0.11", "n2": "10.0.0.12", "n3": "10.0.0.13", "n4": "10.0.0.14", "n5": "10.0.0.15", "m1": "10.0.0.21", "m2": "10.0.0.22", "m3": "10.0.0.23"}
	w := &walk{t: t, lan: newLAN(t, addrs, "SSL_CERT_DIR="+authorities), nodes: map[string]*daemon{}}
	target, err := url.Parse(up.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	_ = front.Listener.Close()
	front.Listener = w.lan.hosts["github.com"].listen(addrs["github.com"] + ":443")
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	front.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	front.StartTLS()
	t.Cleanup(front.Close)

	if err := os.Symlink(binary, filepath.Join(w.lan.hosts["desk"].home, "gitmirror")); err != nil { // which go build makes there
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil { // it is run as another user, too
		t.Fatal(err)
	}
	w.document("../README.md")
	w.document("../docs/operations.md")
	if len(w.walked) < 15 {
		t.Errorf("only these lines were walked: the documents are written otherwise\n%s", strings.Join(w.walked, "\n"))
	}
	w.beside()
}

// walk is a reader who types what the documents say.
type walk struct {
	t       *testing.T
	lan     *lan
	nodes   map[string]*daemon // by host, and on the desk by name
	waiting []string           // nodes that serve when all that they expect are there
	walked  []string
}

var prompt = regexp.MustCompile(`^(\w+)\$ (.+)$`)
var gone = regexp.MustCompile(`^\((\w+) is gone\)$`)

// document walks each line of each block. One without a prompt is for a desk, where all is on
// one machine.
func (w *walk) document(path string) {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "\n```") {
		if i%2 == 0 {
			continue // prose
		}
		for lines := bufio.NewScanner(strings.NewReader(block)); lines.Scan(); {
			line := lines.Text()
			if line == "" || slices.Contains(elsewhere, line) {
				continue
			}
			w.walked = append(w.walked, line)
			if m := gone.FindStringSubmatch(line); m != nil {
				w.gone(m[1])
			} else if m := prompt.FindStringSubmatch(line); m != nil {
				w.line(m[1], m[2])
			} else {
				w.line("desk", line)
			}
		}
	}
}

func (w *walk) line(on, line string) {
	w.t.Helper()
	h := w.lan.hosts[on]
	if h == nil {
		w.t.Fatalf("there is no host %q for %s", on, line)
	}
	if strings.HasPrefix(line, "./gitmirror demo --samples ") {
		d := h.begin(line)
		d.says(w.t, d.out, "until you press Ctrl-C")
		return
	}
	if !strings.HasPrefix(strings.TrimPrefix(line, "./"), "gitmirror start ") {
		w.t.Logf("%s$ %s\n%s", on, line, h.must(line))
		return
	}
	name := on
	for i := 2; w.nodes[name] != nil; i++ {
		name = on + strings.Repeat("'", i-1)
	}
	w.nodes[name] = h.begin(line)
	if w.waiting = append(w.waiting, name); strings.Contains(line, "--bootstrap-expect 3") && len(w.waiting) < 3 {
		return
	}
	for _, name := range w.waiting {
		w.t.Logf("%s$ %s\n%s", name, line, w.nodes[name].says(w.t, w.nodes[name].out, "--join"))
	}
	w.waiting = nil
}

// gone takes a host's node away for good, and returns when the others know.
func (w *walk) gone(on string) {
	w.t.Helper()
	w.nodes[on].kill()
	testlog.EventuallyIn(w.t, time.Minute, on+" to be down", func() bool {
		code, said := w.lan.hosts["n1"].run("gitmirror node show " + on + " -o json")
		return code == 0 && strings.Contains(said, `"state": "down"`)
	})
}

// beside is what the documents say in prose.
func (w *walk) beside() {
	w.t.Helper()
	n1, n4, n5, ci := w.lan.hosts["n1"], w.lan.hosts["n4"], w.lan.hosts["n5"], w.lan.hosts["ci"]
	const join = "10.0.0.11:7655"
	for _, c := range []struct {
		on   *host
		line string
		code int
		says []string
	}{
		// Who writes.
		{ci, "gitmirror repo rm github.com/acme/big --yes --addr http://10.0.0.11:7654", 4, []string{"takes no writes", "--data"}},
		{n1, "gitmirror repo rm github.com/acme/big --yes --addr http://10.0.0.11:7654", 4, []string{"takes no writes"}},
		{n1, "gitmirror status -v", 0, []string{"Asking http://127.0.0.1:7654 (by default)"}},
		{n1, "gitmirror status -v --data /var/lib/gitmirror", 0, []string{"Asking unix:///var/lib/gitmirror/api.sock (--data)"}},
		{n1, "gitmirror repo show github.com/acme/big --data /var/lib/gitmirror", 0, []string{"git clone http://10.0.0.11:7654/git/github.com/acme/big"}},
		{n1, "stat -c %a /var/lib/gitmirror/api.sock", 0, []string{"600"}},
		{n1, "chmod 755 /var/lib/gitmirror && nsenter --setuid 65534 gitmirror status --data /var/lib/gitmirror", 7, []string{"for the user that runs the node", "sudo -u"}},
		{n1, "nsenter --setuid 65534 gitmirror status", 0, nil},
		// Who joins, and where.
		{n5, "gitmirror start --join 10.0.0.11", 2, []string{"--join " + join}},
		{n5, "gitmirror start --join http://10.0.0.11:7654", 2, []string{"--join " + join}},
		{n5, "gitmirror start --join " + join, 2, []string{"loopback", "--peer HOST:7655 --insecure-peers --http HOST:7654"}},
		{n5, "gitmirror start --peer 10.0.0.15:7655 --insecure-peers --join 10.0.0.11:7654", 2, []string{"port of the API", "--join " + join}},
		{n5, "gitmirror start --peer 10.0.0.15:7655 --insecure-peers --advertise localhost:7655 --join n1:7655", 2, []string{"loopback", "--peer HOST:7655"}},
		{n5, "gitmirror start --http 10.0.0.15:7655 --peer 10.0.0.15:7655 --insecure-peers", 2, []string{"--http 10.0.0.15:7654 --peer 10.0.0.15:7655"}},
	} {
		code, said := c.on.run(c.line)
		for _, s := range c.says {
			if !strings.Contains(said, s) {
				code = -1
			}
		}
		if code != c.code {
			w.t.Errorf("%s$ %s\nends with %d, want %d and %q:\n%s", c.on.name, c.line, code, c.code, c.says, said)
		}
	}

	// A node that was killed leaves its socket: the next run of it replaces that.
	w.nodes["n1"].kill()
	if code, said := n1.run("gitmirror status --data /var/lib/gitmirror"); code != 7 || !strings.Contains(said, "left of a node that was killed") {
		w.t.Errorf("while n1 is dead: %d\n%s", code, said)
	}
	n1.must("mkdir /run/gitmirror")
	d := n1.begin("gitmirror start --name n1 --data /var/lib/gitmirror --http 10.0.0.11:7654 --peer 10.0.0.11:7655 --insecure-peers")
	printed := d.says(w.t, d.out, "--join")
	n1.must("gitmirror repo sync github.com/acme/big --data /var/lib/gitmirror")
	if said := n1.must("gitmirror status -v"); !strings.Contains(said, "Asking unix:///run/gitmirror/api.sock") {
		w.t.Errorf("with /run/gitmirror:\n%s", said)
	}

	// The line that it prints is one by which another joins.
	line := regexp.MustCompile(`gitmirror start .*--join.*`).FindString(printed)
	next := n5.begin(strings.ReplaceAll(line, "HOST", "10.0.0.15"))
	next.says(w.t, next.out, "--join "+"10.0.0.15:7655")
	if said := ci.must("gitmirror node ls --addr http://10.0.0.15:7654"); !strings.Contains(said, "http://10.0.0.15:7654") {
		w.t.Errorf("%s has led to\n%s", line, said)
	}

	// One that was founded at loopback says to whom its line is of use; a reachable --http
	// whose loopback is taken goes on.
	n4.must("mkdir /run/gitmirror && chown 65534 /run/gitmirror")
	busy := n4.begin("gitmirror start --name busy --data b --http 127.0.0.1:7654 --peer 127.0.0.1:7655")
	if said := busy.says(w.t, busy.out, "--join"); strings.Contains(said, "/run/gitmirror") {
		w.t.Errorf("with another user's /run/gitmirror it says\n%s", said)
	}
	alone := n4.begin("gitmirror start --name alone --data a --http 10.0.0.14:7654 --peer 127.0.0.1:7755")
	if said := alone.says(w.t, alone.out, "--join"); !strings.Contains(said, "Other hosts do not reach 127.0.0.1:7755") {
		w.t.Errorf("it says\n%s", said)
	}
	alone.says(w.t, alone.err, "no loopback address beside --http")
	if at := slices.Sorted(maps.Keys(w.nodes)); len(at) < 7 {
		w.t.Errorf("only these nodes were started: %v", at)
	}
}
