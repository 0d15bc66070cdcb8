package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gitmirror/api"
)

// What says where a node is asked, when no flag does.
const (
	addrEnv     = "GITMIRROR_ADDR"
	dataEnv     = "GITMIRROR_DATA"
	defaultAddr = "http://127.0.0.1:7654"
)

// place is where a command asks.
type place struct {
	addrs []string
	by    string // what says so
}

// findPlace looks, in this order, at --addr, $GITMIRROR_ADDR, the socket of a node on this
// host (that of --data; that of $GITMIRROR_DATA or of the directory for running programs,
// where this user may open it), and the address that nodes have by default.
func (p program) findPlace(addrs []string, data string) (place, error) {
	for _, given := range []place{{addrs, "--addr"}, {[]string{os.Getenv(addrEnv)}, "$" + addrEnv}} {
		if c := api.NewClient(given.addrs...); len(c.Addrs()) > 0 {
			return place{c.Addrs(), given.by}, nil
		}
		if given.by == "--addr" && len(given.addrs) > 0 { // of a variable that is not set: another node is not meant
			return place{}, usagef("", "--addr is empty")
		}
	}
	if data != "" {
		dir, err := filepath.Abs(data)
		return place{[]string{api.SocketAddr(dir)}, "--data"}, err
	}
	for _, near := range []struct{ dir, by string }{{os.Getenv(dataEnv), "$" + dataEnv}, {p.runDir, "the directory " + p.runDir}} {
		if near.dir == "" {
			continue
		}
		dir, err := filepath.Abs(near.dir)
		if err != nil {
			return place{}, err
		}
		// A socket may be left of a node that was killed: then that is said, rather than
		// another node asked.
		if unix.Access(filepath.Join(dir, api.SocketName), unix.W_OK) == nil {
			return place{[]string{api.SocketAddr(dir)}, near.by}, nil
		}
	}
	return place{[]string{defaultAddr}, "by default"}, nil
}

// checkAddr refuses what is neither a base URL nor a socket.
func checkAddr(addr string) error {
	u, err := url.Parse(addr)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme == "unix" && api.Socket(addr) == "":
		return errors.New("is no socket: unix:// and the whole path are wanted")
	case u.Scheme == "unix":
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is neither http nor https, nor unix, which is a socket")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("is more than scheme, host and port")
	}
	return nil
}

// tellPlace says where is asked, for who wants to know, and that --data is of no use, for
// who believes that it is.
func (s *session) tellPlace(by string) {
	if s.verbose {
		_, _ = fmt.Fprintf(s.Err, "Asking %s (%s)\n", strings.Join(s.client.Addrs(), ", "), by)
	}
	if s.data != "" && by != "--data" {
		s.remark("--data is not looked at: %s says where the node is", by)
	}
}

// base is where people reach the node that has answered, to be shown. A socket is for its own host alone, and git does not know it.
func (s *session) base(ctx context.Context) string {
	addr := s.client.Answered()
	if addr == "" {
		addr = s.client.Addrs()[0]
	}
	if api.Socket(addr) == "" {
		return addr
	}
	return s.served(ctx)
}

// served is the public address of the node behind a socket.
func (s *session) served(ctx context.Context) string {
	if st, err := s.client.Status(ctx); err == nil {
		for _, n := range st.Nodes {
			if n.Name == st.AnsweredBy && n.HTTP != "" {
				return n.HTTP
			}
		}
	}
	return "http://HOST:7654"
}

// isNoSocket tells whether what was dialled is there, and something else.
func isNoSocket(dial *net.OpError) bool {
	if dial.Addr == nil {
		return false
	}
	is, err := os.Lstat(dial.Addr.String())
	return err == nil && is.Mode().Type() != fs.ModeSocket
}

// noSocket is why no node answers at a socket; nil for any other address.
func noSocket(what string, err error) *Failure {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Net != "unix" {
		return nil
	}
	f := &Failure{What: what, Cause: "the node there does not answer", Code: codeNoNode, Exit: exitUnavailable,
		Try: "gitmirror start --data DIRECTORY               the node of that directory\ngitmirror status --addr http://HOST:7654     a node that runs elsewhere"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Cause = "there is no such socket: no node runs with that directory"
	case errors.Is(err, syscall.ECONNREFUSED) && isNoSocket(dial):
		f.Cause = "what is there is no socket: no node has made it"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Cause = "the socket is left of a node that was killed, and has not been started again"
	case errors.Is(err, fs.ErrPermission):
		f.Cause = "the socket is for the user that runs the node, and root"
		f.Try = "the same command as that user, with sudo -u USER\ngitmirror status --addr http://HOST:7654     to read, which anybody may"
	}
	return f
}
