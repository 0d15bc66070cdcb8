package cli

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/membership"
)

// Where no node answers, it is looked at the ports that the directory's node had, and whether
// one runs there that does not answer.
func TestDoctorKnowsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "node.json"), `{"format":1,"id":"x","name":"kept","http":"127.0.0.1:1","peer":"127.0.0.1:2"}`)
	r := run(t, "doctor", "--data", dir, "--peer", "127.0.0.1:3", "--timeout", "1s").want(t, exitFailed)
	contains(t, "stdout", r.out, "port 127.0.0.1:1", "port 127.0.0.1:3", "start a node here")
	lock, err := membership.Lock(context.Background(), nil, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	r = run(t, "doctor", "--data", dir, "--timeout", "1s").want(t, exitFailed)
	contains(t, "stdout", r.out, "port 127.0.0.1:2", "one runs with "+dir, "look at its log")
}

// A node that is frozen takes calls and says nothing: that is what is found, in words.
func TestDoctorAtAFrozenNode(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes what nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	addr := "http://" + frozen.Addr().String()
	r := run(t, "doctor", "--addr", addr, "--timeout", "2s").want(t, exitFailed)
	contains(t, "stdout", r.out, addr+" has not answered within 1s", "ok    git") // which has time of its own
	if strings.Contains(r.out, "context") {
		t.Errorf("it says\n%s", r.out)
	}
}
