package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/internal/network"
)

// enoughDescriptors is below what a busy node needs: clients, peers and git children share
// the limit.
const enoughDescriptors = 4096

func (h Host) descriptors(context.Context) []Check {
	const name = "open files"
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return []Check{warn(name, "ulimit -n", "the limit cannot be read: %v", err)}
	}
	if limit.Max < enoughDescriptors {
		return []Check{warn(name, fmt.Sprintf("raise it: LimitNOFILE=65536 in the unit, or ulimit -n %d", enoughDescriptors), "%d at most", limit.Max)}
	}
	return []Check{ok(name, "%d at most", limit.Max)}
}

const (
	syncs    = 5
	slowSync = 50 * time.Millisecond  // of which a write to the log takes one or two
	hungSync = 500 * time.Millisecond // a leader with such a disk is deposed now and then
	lowShare = 10                     // percent of the disk: below it no new copies are made by default
)

// disk looks at the data directory, and measures how long a small file takes until it is
// durable there: each write to the log waits for that.
func (h Host) disk(ctx context.Context) []Check {
	if h.Data == "" {
		return nil
	}
	info, err := os.Stat(h.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Check{warn("data directory", "it is made by the first start; or name the node's with --data", "%s is not there", h.Data)}
	case err != nil:
		return []Check{fail("data directory", "mend its permissions, or run this as the user of the node", "%v", err)}
	case !info.IsDir():
		return []Check{fail("data directory", "name the node's with --data", "%s is no directory", h.Data)}
	}
	return append(h.space(), h.durable(ctx))
}

func (h Host) space() []Check {
	const name = "free space"
	var s syscall.Statfs_t
	if err := syscall.Statfs(h.Data, &s); err != nil || s.Blocks == 0 {
		return []Check{warn(name, "df "+h.Data, "it cannot be told: %v", err)}
	}
	return []Check{room(s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize))}
}

// room is what is to be said of a disk with so many bytes free of all.
func room(free, all uint64) Check {
	const name = "free space"
	said := fmt.Sprintf("%s of %s, %d %%", humanize.IBytes(free), humanize.IBytes(all), free*100/all)
	switch share := free * 100 / all; {
	case share < lowShare/2:
		return fail(name, "make room: nothing is fetched below --min-free/2", "%s", said)
	case share < lowShare:
		return warn(name, "make room: no new copies are made below --min-free", "%s", said)
	}
	return ok(name, "%s", said)
}

func (h Host) durable(ctx context.Context) Check {
	const name = "disk"
	took := make([]time.Duration, 0, syncs)
	done := make(chan error, 1)
	go func() { done <- h.sync(func(d time.Duration) { took = append(took, d) }) }()
	select {
	case err := <-done:
		switch {
		case errors.Is(err, fs.ErrPermission):
			return fail(name, "run this as the user of the node, or mend the permissions of "+h.Data, "%v", err)
		case err != nil:
			return fail(name, "mend the disk of "+h.Data, "%v", err)
		}
	case <-ctx.Done():
		return fail(name, "the disk hangs: look at the kernel's log", "a small file was not durable within %s", 2*bound)
	}
	slices.Sort(took)
	said := fmt.Sprintf("a small file is durable after %s (median of %d), %s at most", took[len(took)/2].Round(100*time.Microsecond), len(took), took[len(took)-1].Round(100*time.Microsecond))
	switch worst := took[len(took)/2]; {
	case worst >= hungSync:
		return fail(name, "put --data on a faster disk: each write waits for it", "%s", said)
	case worst >= slowSync:
		return warn(name, "put --data on a faster disk, or give it one of its own", "%s", said)
	}
	return ok(name, "%s", said)
}

// sync writes small files and tells how long each took until it was durable.
func (h Host) sync(took func(time.Duration)) error {
	f, err := os.CreateTemp(h.Data, ".doctor-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for i := range syncs {
		began := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), int64(i)*4096); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		took(time.Since(began))
	}
	return nil
}

// ports looks whether a node could listen here, where none does.
func (h Host) ports(context.Context) (list []Check) {
	if h.Status != nil {
		return nil // they are the node's
	}
	for _, addr := range h.Listens {
		name := "port " + addr
		l, err := network.Host.Listen(addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE) && h.Held:
			list = append(list, ok(name, "taken, as by the node that runs with %s", h.Data))
		case errors.Is(err, syscall.EADDRINUSE):
			list = append(list, fail(name, "end what listens there (ss -ltnp), or start the node at another", "something else listens there"))
		case err != nil:
			list = append(list, fail(name, "start the node at an address of this host: ip addr", "%v", err))
		default:
			_ = l.Close()
			list = append(list, ok(name, "free"))
		}
	}
	return list
}
