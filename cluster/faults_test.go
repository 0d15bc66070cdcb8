package cluster_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/disk"
)

// faulty is a disk on which f says what becomes of an operation, by its name.
func faulty(f func(op string) error) *disk.Disk {
	return disk.New(func(op disk.Op) error { return f(op.Name) })
}

// An error of the disk ends the node at once, whatever raft was doing.
func TestAnErrorOfTheStoreIsFatal(t *testing.T) {
	for _, op := range []string{"append", "set", "read", "delete", "snapshot create", "snapshot write", "snapshot close"} {
		t.Run(op, func(t *testing.T) {
			var broken atomic.Bool
			first := true
			g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) {
				c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 1
				if first {
					c.Disk = faulty(func(at string) error {
						if broken.Load() && at == op {
							return syscall.EIO
						}
						return nil
					})
				}
				first = false
			}})
			n := g.Leader()
			if op == "set" {
				// A vote, or a term: only a new election writes them.
				second := g.Start(false)
				g.Add(second)
				g.Promote(second)
				broken.Store(true)
				_ = n.TransferLeadership(deadline(t))
			}
			broken.Store(true)
			ctx, cancel := context.WithTimeout(deadline(t), 10*time.Second)
			defer cancel()
			for ctx.Err() == nil {
				once, stop := context.WithTimeout(ctx, 200*time.Millisecond)
				_, _, _ = n.Apply(once, []byte("one"))
				stop()
				select {
				case err := <-n.Fatal():
					if !errors.Is(err, cluster.ErrStoreFailed) || !errors.Is(err, syscall.EIO) || strings.Contains(err.Error(), "\n") {
						t.Errorf("the node ends with %v, want one line about its store", err)
					}
					return
				default:
				}
			}
			t.Error("the node goes on")
		})
	}
}

// A log that hangs, on a disk whose other files can be written, is a disk that
// hangs.
func TestAWriteThatHangsIsFatal(t *testing.T) {
	for _, op := range []string{"append", "set", "delete"} {
		t.Run(op, func(t *testing.T) {
			var hung atomic.Bool
			released := make(chan struct{})
			first := true
			g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) {
				c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 1
				if first {
					c.DiskTimeout, c.DiskPatience = time.Second, 2*time.Second
					c.Replaceable = func() bool { return true }
					c.Disk = faulty(func(at string) error {
						if hung.Load() && at == op {
							<-released
						}
						return nil
					})
				}
				first = false
			}})
			t.Cleanup(func() { close(released) })
			n := g.Leader()
			if op == "set" { // see TestAnErrorOfTheStoreIsFatal
				second := g.Start(false)
				g.Add(second)
				g.Promote(second)
				hung.Store(true)
				_ = n.TransferLeadership(deadline(t))
			}
			hung.Store(true)
			ctx, cancel := context.WithTimeout(deadline(t), 20*time.Second)
			defer cancel()
			for ctx.Err() == nil {
				once, stop := context.WithTimeout(ctx, 200*time.Millisecond)
				_, _, _ = n.Apply(once, []byte("one"))
				stop()
				select {
				case err := <-n.Fatal():
					if !errors.Is(err, cluster.ErrDiskHung) || !strings.Contains(err.Error(), "("+op+")") {
						t.Errorf("the node ends with %v, want a hang that names the write", err)
					}
					return
				default:
				}
			}
			t.Error("the node goes on")
		})
	}
}

func TestTooManyOpenFilesIsNoErrorOfTheStore(t *testing.T) {
	var tried atomic.Int32
	g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) {
		c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 1
		c.Disk = faulty(func(at string) error {
			if at == "snapshot create" && tried.Add(1) < 3 {
				return syscall.EMFILE
			}
			return nil
		})
	}})
	n := g.Leader()
	for tried.Load() < 3 {
		if _, _, err := n.Apply(deadline(t), []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-n.Fatal():
		t.Errorf("the node ends with %v", err)
	default:
	}
}
