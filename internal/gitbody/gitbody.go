// Package gitbody reads the requests of git clients: whole, unpacked, and within budgets,
// before a place is taken for the answer or a holder is asked. A client that dawdles then
// holds up nobody, and each holder that is tried gets all of it.
package gitbody

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/spool"
)

// MaxRequest bounds what a client may send to ask for a pack, unpacked. All refs of a
// repository with 200,000 of them are 10 MiB of wants.
const MaxRequest = 64 << 20

// NewPool returns the budget of requests that are kept until they are answered: 65 kB of
// gzip make 64 MiB. A quarter of a mebibyte of each counts for nothing: what is asked for as
// a rule gets through whatever else its address asks for. room says why the disk takes no more, nil where it does; it may be nil.
func NewPool(d *disk.Disk, dir, class string, room func() error) *spool.Pool {
	return spool.New(spool.Config{Disk: d, Dir: dir, Memory: 1 << 20, InAll: 32 << 20, Total: 512 << 20, Share: 160 << 20, Free: 256 << 10, Wait: 5 * time.Second, Room: room, Class: class})
}

// Read reads what a client sends, all of it and unpacked, before a place is taken
// for its answer: a client that dawdles holds up nobody. From then on the request has no
// Content-Encoding.
func Read(pool *spool.Pool, r *http.Request) (*spool.Body, error) {
	in := io.Reader(r.Body)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(io.LimitReader(r.Body, MaxRequest))
		if err != nil {
			return nil, err
		}
		in = z
	default:
		return nil, errors.New("unknown content encoding")
	}
	body, err := pool.Read(r.Context(), Owner(r.RemoteAddr), in, MaxRequest)
	if err == nil {
		r.Header.Del("Content-Encoding")
	}
	return body, err
}

// Owner is whose share a request takes: an address, or the network that one host has
// of IPv6.
func Owner(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}

// Refuse answers a request that Read could not read. say writes the answer.
func Refuse(w http.ResponseWriter, err error, say func(w http.ResponseWriter, status int, message string)) {
	var busy *spool.BusyError
	var full *spool.RoomError
	var disk *fs.PathError
	switch {
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", "10")
		say(w, http.StatusServiceUnavailable, "too much is asked at once: "+err.Error()+"; try again in a moment")
	case errors.As(err, &full):
		w.Header().Set("Retry-After", "60")
		say(w, http.StatusServiceUnavailable, "a request of this size cannot be kept: "+err.Error()+"; try again later")
	case errors.Is(err, spool.ErrTooLarge):
		say(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d MiB, unpacked: ask for fewer refs at once", MaxRequest>>20))
	case errors.As(err, &disk): // ours: another node may do better, and its path is nobody's business
		w.Header().Set("Retry-After", "60")
		say(w, http.StatusServiceUnavailable, "this node's disk does not take the request: "+disk.Err.Error()+"; try again later")
	default:
		say(w, http.StatusBadRequest, "the request cannot be read: "+err.Error())
	}
}
