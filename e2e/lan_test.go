package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lan is hosts that share a network and nothing else: each is a network, mount and UTS
// namespace, with a loopback device, a /var/lib and a /run of its own.
type lan struct {
	t     *testing.T
	dir   string
	env   []string
	hosts map[string]*host
}

// host is one machine, held by a process that does nothing.
type host struct {
	of   *lan
	name string
	pid  string
	home string // where its commands run
}

// noHosts is why hosts cannot be made here, empty where they can.
func noHosts() string {
	if os.Geteuid() != 0 {
		return "hosts are network namespaces, which root alone makes"
	}
	for _, tool := range []string{"ip", "unshare", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "hosts are network namespaces, which are made with " + tool + ": install iproute2 and util-linux"
		}
	}
	if out, err := exec.Command("unshare", "--net", "--mount", "--uts", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("hosts are network namespaces, which cannot be made here: %s", out)
	}
	return ""
}

// newLAN makes a switch, and hosts by name that are connected to it, at these addresses.
func newLAN(t *testing.T, addrs map[string]string, env ...string) *lan {
	t.Helper()
	l := &lan{t: t, dir: t.TempDir(), env: env, hosts: map[string]*host{}}
	var names strings.Builder
	names.WriteString("127.0.0.1 localhost\n")
	for name, at := range addrs {
		fmt.Fprintf(&names, "%s %s\n", at, name)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "hosts"), []byte(names.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	hub := l.boot("switch")
	hub.must("ip link add hub type bridge")
	hub.must("ip link set hub up")
	for name, at := range addrs {
		h, port := l.boot(name), "p"+strconv.Itoa(len(l.hosts))
		hub.must(fmt.Sprintf("ip link add %s type veth peer name eth0 netns %s", port, h.pid))
		hub.must(fmt.Sprintf("ip link set %s master hub up", port))
		h.must("ip link set eth0 up")
		h.must("ip addr add " + at + "/32 dev eth0")
		h.must("ip route add default dev eth0 src " + at)
	}
	return l
}

func (l *lan) boot(name string) *host {
	l.t.Helper()
	h := &host{of: l, name: name, home: filepath.Join(l.dir, name)}
	if err := os.Mkdir(h.home, 0o755); err != nil {
		l.t.Fatal(err)
	}
	hold := exec.Command("unshare", "--net", "--mount", "--uts", "--propagation", "private", "sh", "-ec",
		`mount -t tmpfs none /var/lib; mount -t tmpfs none /run; mount --bind "$1" /etc/hosts; hostname "$2"; ip link set lo up; echo up; exec cat`, "sh", filepath.Join(l.dir, "hosts"), name)
	hold.Stderr = os.Stderr
	in, err := hold.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := hold.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := spawner.Start(hold); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = in.Close(); _ = hold.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		l.t.Fatalf("the host %s did not come up: %q, %v", name, line, err)
	}
	h.pid = strconv.Itoa(hold.Process.Pid)
	l.hosts[name] = h
	return h
}

// command is a line of shell on the host.
func (h *host) command(line string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--target", h.pid, "--net", "--mount", "--uts", "sh", "-c", "cd "+h.home+" && "+line)
	cmd.Env = append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + h.home}, h.of.env...)
	return cmd
}

// run runs a line and returns how it ended, and what it said.
func (h *host) run(line string) (code int, said string) {
	h.of.t.Helper()
	cmd := h.command(line)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.of.t.Fatalf("%s$ %s: %v", h.name, line, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (h *host) must(line string) string {
	h.of.t.Helper()
	code, said := h.run(line)
	if code != 0 {
		h.of.t.Fatalf("%s$ %s\nends with %d:\n%s", h.name, line, code, said)
	}
	return said
}

// daemon is a line that goes on on a host.
type daemon struct {
	*exec.Cmd
	exited chan struct{}
	out    *lines
	err    *lines
}

// lines is what a process writes, as it does.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // something has come
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// begin runs a line until the test ends, or it does.
func (h *host) begin(line string) *daemon {
	h.of.t.Helper()
	d := &daemon{Cmd: h.command("exec " + line), exited: make(chan struct{}), out: &lines{more: make(chan struct{}, 1)}, err: &lines{more: make(chan struct{}, 1)}}
	d.Stdout, d.Stderr = d.out, io.Writer(d.err)
	if err := spawner.Start(d.Cmd); err != nil {
		h.of.t.Fatal(err)
	}
	go func() { _ = d.Wait(); close(d.exited) }()
	h.of.t.Cleanup(d.kill)
	return d
}

func (d *daemon) kill() {
	_ = d.Process.Kill()
	<-d.exited
}

// says waits until the process has said that, and returns what it has said.
func (d *daemon) says(t *testing.T, in *lines, words string) string {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for !strings.Contains(in.String(), words) {
		select {
		case <-in.more:
		case <-d.exited:
			if !strings.Contains(in.String(), words) {
				t.Fatalf("%v has ended without saying %q:\n%s%s", d.Args, words, d.out, d.err)
			}
		case <-late.C:
			t.Fatalf("%v has not said %q:\n%s%s", d.Args, words, d.out, d.err)
		}
	}
	return in.String()
}

// listen listens at an address of the host, from this process.
func (h *host) listen(address string) net.Listener {
	h.of.t.Helper()
	there, err := os.Open("/proc/" + h.pid + "/ns/net")
	if err != nil {
		h.of.t.Fatal(err)
	}
	defer there.Close()
	type opened struct {
		l   net.Listener
		err error
	}
	result := make(chan opened)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends in that namespace
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- opened{nil, err}
			return
		}
		l, err := net.Listen("tcp", address)
		result <- opened{l, err}
	}()
	o := <-result
	if o.err != nil {
		h.of.t.Fatalf("listen on %s at %s: %v", h.name, address, o.err)
	}
	return o.l
}
