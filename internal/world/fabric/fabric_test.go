package fabric_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"gitmirror/internal/world/fabric"
)

// two are connected hosts.
func two(t *testing.T, f *fabric.Fabric) (a, b *fabric.Host, ours, theirs net.Conn) {
	t.Helper()
	a, b = f.Host("10.0.0.1"), f.Host("10.0.0.2", "b.example")
	l, err := b.Listen("10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = a.DialContext(context.Background(), "tcp", "b.example:80"); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if ours.RemoteAddr().String() != "10.0.0.2:80" || theirs.RemoteAddr().String() != ours.LocalAddr().String() {
		t.Errorf("%v to %v, seen as %v", ours.LocalAddr(), ours.RemoteAddr(), theirs.RemoteAddr())
	}
	return a, b, ours, theirs
}

// Connections are what users of package net expect.
func TestConnectionsAreThoseOfNet(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		_, _, ours, theirs := two(t, fabric.New(1))
		return ours, theirs, func() { ours.Close(); theirs.Close() }, nil
	})
}

func TestWeather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fabric.New(1)
		a, b, ours, theirs := two(t, f)
		f.Set(a, b, fabric.Weather{Delay: 30 * time.Millisecond})
		began := time.Now()
		_, _ = ours.Write([]byte("slow"))
		buf := make([]byte, 10)
		if n, err := theirs.Read(buf); err != nil || string(buf[:n]) != "slow" || time.Since(began) != 30*time.Millisecond {
			t.Errorf("%q, %v after %s", buf[:n], err, time.Since(began))
		}
		// What is sent over a cut link waits, and arrives when it is mended; the other
		// direction goes on.
		f.Set(a, b, fabric.Weather{Cut: true})
		_, _ = ours.Write([]byte("late"))
		_, _ = theirs.Write([]byte("back"))
		if n, err := ours.Read(buf); err != nil || string(buf[:n]) != "back" {
			t.Errorf("the other way: %q, %v", buf[:n], err)
		}
		_ = theirs.SetReadDeadline(time.Now().Add(time.Hour))
		if n, err := theirs.Read(buf); n != 0 || !errors.Is(err, context.DeadlineExceeded) && err == nil {
			t.Errorf("through a cut link came %q, %v", buf[:n], err)
		}
		_ = theirs.SetReadDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.DialContext(ctx, "tcp", "10.0.0.2:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a dial through a cut link: %v", err)
		}
		// Through a wall nothing new goes but what the other side began.
		f.Set(a, b, fabric.Weather{Walled: true})
		if _, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial through a wall: %v", err)
		}
		if n, err := theirs.Read(buf); err != nil || string(buf[:n]) != "late" {
			t.Errorf("when it is mended: %q, %v", buf[:n], err)
		}
		ours.Close()
		if _, err := theirs.Read(buf); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	})
}

// What breaks, breaks at both ends.
func TestBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fabric.New(1)
		a, b, ours, theirs := two(t, f)
		_, _ = ours.Write([]byte("lost"))
		f.Reset(a, b)
		buf := make([]byte, 10)
		for name, c := range map[string]net.Conn{"ours": ours, "theirs": theirs} {
			if n, err := c.Read(buf); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %q, %v", name, buf[:n], err)
			}
		}
		again, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		b.Crash()
		if _, err := again.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after a crash: %v", err)
		}
		if _, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial after a crash: %v", err)
		}
		if _, err := b.Listen("10.0.0.2:80"); err != nil {
			t.Errorf("the port after a crash: %v", err)
		}
	})
}

// A socket is for its own host, and goes with its processes.
func TestSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fabric.New(1)
		a, b := f.Host("10.0.0.1"), f.Host("10.0.0.2")
		l, err := a.ListenSocket("/data/api.sock")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.ListenSocket("/data/api.sock"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("twice: %v", err)
		}
		if _, err := b.DialContext(t.Context(), "unix", "/data/api.sock"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("from another host: %v", err)
		}
		ours, err := a.DialContext(t.Context(), "unix", "/data/api.sock")
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = ours.Write([]byte("hello"))
		buf := make([]byte, 10)
		if n, err := theirs.Read(buf); string(buf[:n]) != "hello" {
			t.Errorf("%q, %v", buf[:n], err)
		}
		a.Crash()
		if _, err := theirs.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after a crash: %v", err)
		}
		if _, err := a.DialContext(t.Context(), "unix", "/data/api.sock"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial after a crash: %v", err)
		}
		if l, err = a.ListenSocket("/data/api.sock"); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := a.ListenSocket("/data/api.sock"); err != nil {
			t.Errorf("after it was closed: %v", err)
		}
	})
}

func TestPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fabric.New(1)
		a, b := f.Host("10.0.0.1"), f.Host("10.0.0.2")
		from, err := a.ListenPacket("10.0.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		to, err := b.ListenPacket("10.0.0.2:0")
		if err != nil {
			t.Fatal(err)
		}
		came := func(n int) (got int) {
			for range n {
				_, _ = from.WriteTo([]byte("x"), to.LocalAddr())
			}
			_ = to.SetReadDeadline(time.Now().Add(time.Minute))
			for buf := make([]byte, 10); ; got++ {
				if _, _, err := to.ReadFrom(buf); err != nil {
					return got
				}
			}
		}
		if got := came(500); got != 500 {
			t.Errorf("%d of 500 packets arrived", got)
		}
		f.Set(a, b, fabric.Weather{Loss: 0.5, Jitter: time.Second})
		if got := came(500); got < 200 || got > 300 {
			t.Errorf("%d of 500 packets arrived, half of which are lost", got)
		}
		f.Set(a, b, fabric.Weather{Cut: true})
		if got := came(500); got != 0 {
			t.Errorf("%d packets came through a cut link", got)
		}
	})
}

// A connection that is held keeps what was sent over it, also of who gave up, while another
// between the same hosts goes on.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fabric.New(1)
		a, b, ours, theirs := two(t, f)
		f.Hold(a, b)
		if !f.Held(a, b) || !f.Held(b, a) {
			t.Error("nothing is held")
		}
		_, _ = ours.Write([]byte("late"))
		_ = ours.Close()
		buf := make([]byte, 10)
		_ = theirs.SetReadDeadline(time.Now().Add(time.Hour))
		if n, err := theirs.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("of what is held came %q, %v", buf[:n], err)
		}
		_ = theirs.SetReadDeadline(time.Time{})
		l, err := b.Listen("10.0.0.2:81")
		if err != nil {
			t.Fatal(err)
		}
		another, err := a.DialContext(t.Context(), "tcp", "10.0.0.2:81")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = another.Write([]byte("new"))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "new" {
			t.Errorf("of another connection came %q, %v", buf[:n], err)
		}
		f.Release(a, b)
		if n, err := theirs.Read(buf); err != nil || string(buf[:n]) != "late" {
			t.Errorf("what was held: %q, %v", buf[:n], err)
		}
		if _, err := theirs.Read(buf); err != io.EOF {
			t.Errorf("and its end: %v", err)
		}
		if f.Held(a, b) {
			t.Error("it is still held")
		}
	})
}
