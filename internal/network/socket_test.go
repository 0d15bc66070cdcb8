package network

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A socket is for its owner from its first moment, at a path of any length, and is gone
// when it is closed.
func TestSockets(t *testing.T) {
	t.Cleanup(func(old int) func() { return func() { syscall.Umask(old) } }(syscall.Umask(0)))
	deep := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), deep} {
		path := filepath.Join(dir, "api.sock")
		l, err := Host.ListenSocket(path)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(path), err)
		}
		if is, err := os.Lstat(path); err != nil || is.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%d bytes: %v, %v, want a socket of mode 0600", len(path), is, err)
		}
		if _, err := Host.ListenSocket(path); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%d bytes, again: %v", len(path), err)
		}
		arrived := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				err = c.Close()
			}
			arrived <- err
		}()
		c, err := Host.DialContext(t.Context(), "unix", path)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(path), err)
		}
		_ = c.Close()
		if err := <-arrived; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%d bytes: it is left behind: %v", len(path), err)
		}
		if _, err := Host.DialContext(t.Context(), "unix", path); !NotDialled(err) {
			t.Errorf("nobody listens: %v", err)
		}
		// Whoever has the name then is not removed by a second Close.
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
	for _, path := range []string{"api.sock", "@abstract", ""} {
		if _, err := Host.ListenSocket(path); err == nil {
			t.Errorf("%q was listened at", path)
		}
		if _, err := Host.DialContext(context.Background(), "unix", path); !NotDialled(err) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for at, want := range map[string]bool{
		"127.0.0.1:7655": true, "127.9.9.9:1": true, "[::1]:7655": true, "localhost:7655": true, "[::ffff:127.0.0.1]:1": true,
		"10.0.0.11:7655": false, "0.0.0.0:7655": false, "[::]:1": false, ":7655": false, "n1.example:7655": false, "127.0.0.1": false, "": false,
	} {
		if Loopback(at) != want {
			t.Errorf("Loopback(%q) = %t", at, !want)
		}
	}
}
