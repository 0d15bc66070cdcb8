package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/network"
)

// at is a node that answers at a socket in a directory, with a member's name of its own.
func at(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name+", here") // addresses are parted by commas
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := network.Host.ListenSocket(filepath.Join(dir, api.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: answersAs(name)}}
	s.Start()
	t.Cleanup(s.Close)
	return dir
}

func tcpNode(t *testing.T, name string) string {
	s := httptest.NewServer(answersAs(name))
	t.Cleanup(s.Close)
	return s.URL
}

func answersAs(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/status":
			_, _ = w.Write([]byte(`{"cluster_id":"c","verdict":"healthy","answered_by":"` + name + `","nodes":[{"name":"` + name + `","http":"http://public.` + name + `:7654"}]}`))
		case "/api/v1/nodes":
			_, _ = w.Write([]byte(`{"nodes":[{"name":"` + name + `"}]}`))
		default:
			_, _ = w.Write([]byte(`{"id":"x","name":"r","host":"` + r.Host + `"}`))
		}
	})
}

// Which node is asked: the first of --addr, $GITMIRROR_ADDR, the socket of --data, of
// $GITMIRROR_DATA and of the directory of running programs, and the default. -v says which,
// and completion asks the same.
func TestWhichNodeIsAsked(t *testing.T) {
	flag, env, data, dataEnvDir, runDir := tcpNode(t, "flag"), tcpNode(t, "env"), at(t, "data"), at(t, "dataenv"), at(t, "run")
	empty := t.TempDir()
	for _, c := range []struct {
		name      string
		args      []string
		env, data string // of the environment
		run       string
		want, by  string
	}{
		{"everything is said", []string{"--addr", flag, "--data", data}, env, dataEnvDir, runDir, "flag", flag + " (--addr)"},
		{"a socket as address", []string{"--addr", api.SocketAddr(data)}, env, dataEnvDir, runDir, "data", api.SocketAddr(data) + " (--addr)"},
		{"the environment has an address", []string{"--data", data}, env, dataEnvDir, runDir, "env", env + " ($GITMIRROR_ADDR)"},
		{"a directory is given", []string{"--data", data}, "", dataEnvDir, runDir, "data", api.SocketAddr(data) + " (--data)"},
		{"the environment has a directory", nil, "", dataEnvDir, runDir, "dataenv", api.SocketAddr(dataEnvDir) + " ($GITMIRROR_DATA)"},
		{"that of the environment has none", nil, "", empty, runDir, "run", api.SocketAddr(runDir) + " (the directory " + runDir + ")"},
		{"nothing is said", nil, "", "", runDir, "run", api.SocketAddr(runDir) + " (the directory " + runDir + ")"},
		{"nothing is there", nil, "", "", empty, "", defaultAddr + " (by default)"},
		{"a directory is given that has none", []string{"--data", empty}, "", dataEnvDir, runDir, "", api.SocketAddr(empty) + " (--data)"},
	} {
		t.Setenv(addrEnv, c.env)
		t.Setenv(dataEnv, c.data)
		do := func(args ...string) ran {
			var out, errOut strings.Builder
			p := program{Streams: Streams{In: strings.NewReader(""), Out: &out, Err: &errOut}, patience: testPatience, runDir: c.run}
			code := p.main(t.Context(), append(append([]string{"gitmirror"}, c.args...), args...))
			return ran{code, out.String(), errOut.String()}
		}
		r := do("status", "-v", "-o", "json")
		if c.want != "" {
			r.want(t, exitOK)
			contains(t, c.name, r.out, `"answered_by": "`+c.want+`"`)
			if got := strings.TrimSpace(do("node", "show", "", completionMarker).out); got != c.want {
				t.Errorf("%s: completion asks %q, want %q", c.name, got, c.want)
			}
		}
		contains(t, c.name, r.err, "Asking "+c.by+"\n")
		if quiet := do("status", "-o", "json"); strings.Contains(quiet.err, "Asking") {
			t.Errorf("%s: it says so unasked: %s", c.name, quiet.err)
		}
		passed := strings.Contains(do("status").err, "--data is not looked at")
		if want := len(c.args) > 0 && !strings.Contains(c.by, "(--data)") && strings.Contains(strings.Join(c.args, " "), "--data"); passed != want {
			t.Errorf("%s: that --data is not looked at is said: %t", c.name, passed)
		}
	}
}

func TestWhichOfSeveralHasAnswered(t *testing.T) {
	here := tcpNode(t, "n1")
	r := run(t, "status", "-v", "--addr", "127.0.0.1:1,"+here).want(t, exitOK)
	contains(t, "stderr", r.err, "Asking http://127.0.0.1:1, "+here+" (--addr)", here+" has answered")
}

// A socket is for this host: what is shown to clone from is the node's public address.
func TestASocketIsNotShownToCloneFrom(t *testing.T) {
	r := run(t, "repo", "show", "r", "--data", at(t, "n1")).want(t, exitOK)
	contains(t, "stdout", r.out, "git clone http://public.n1:7654/git/r")
}

// Why nobody answers at a socket is said.
func TestNoNodeAtASocket(t *testing.T) {
	empty, left := t.TempDir(), t.TempDir()
	path := filepath.Join(left, api.SocketName)
	l, err := network.Host.ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.Mkdir(filepath.Join(directory, api.SocketName), 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{empty: "no node runs with that directory", left: "left of a node that was killed", directory: "what is there is no socket"} {
		r := run(t, "status", "--data", dir).want(t, exitUnavailable)
		contains(t, "stderr", r.err, "Error: no gitmirror node answered at "+api.SocketAddr(dir), want, "\nTry:   ")
	}
	// One that is left is not passed over for another node.
	t.Setenv(addrEnv, "")
	t.Setenv(dataEnv, left)
	contains(t, "stderr", run(t, "status").want(t, exitUnavailable).err, "left of a node that was killed")
}

func TestAddressesThatAreNone(t *testing.T) {
	for addr, want := range map[string]string{
		"unix:api.sock": "the whole path", "unix://host/api.sock": "the whole path", "unix://": "the whole path", "ftp://h": "neither http nor https", "http://u:p@h": "more than scheme",
	} {
		contains(t, addr, run(t, "status", "--addr", addr).want(t, exitUsage).err, want)
	}
}

// What was to name a node, and names none, is no word for another one; what is no text is sent as none.
func TestWhatIsNoAddressOrNoText(t *testing.T) {
	fakeNode(t, func(int, request) any { t.Error("a node is asked"); return nil })
	for _, addr := range []string{"", ","} {
		contains(t, addr, run(t, "status", "--addr", addr).want(t, exitUsage).err, "--addr is empty")
	}
	contains(t, "stderr", run(t, "repo", "add", "http://h/\xff").want(t, exitUsage).err, "is not UTF-8")
	contains(t, "stderr", run(t, "repo", "set", "a", "--label", "a=\xff").want(t, exitUsage).err, "is not UTF-8")
}
