//go:build crashpoint

package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Env names the variable that arms the points: "label:n:SIGNAL", where the
// n-th passage (from 1) of the label sends KILL or STOP to the process. An
// empty label counts every passage of any point.
const Env = "GITMIRROR_CRASHPOINT"

var (
	label, signal = "", syscall.Signal(0)
	at            int64
	passed        atomic.Int64
)

func init() {
	parts := strings.Split(os.Getenv(Env), ":")
	if len(parts) != 3 {
		return
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return
	}
	label, at = parts[0], n
	signal = map[string]syscall.Signal{"KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP}[parts[2]]
}

// Hit marks a point between two steps that must survive a crash between them.
func Hit(name string) {
	if signal == 0 || (label != "" && label != name) {
		return
	}
	if passed.Add(1) != at {
		return
	}
	fmt.Fprintf(os.Stderr, "crashpoint %s: sending %v\n", name, signal)
	_ = syscall.Kill(os.Getpid(), signal)
	if signal == syscall.SIGKILL {
		select {}
	}
}
