package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervised tells whoever started this process how it is, in the words of sd_notify: systemd,
// for a unit of Type=notify. Where nobody listens it does nothing.
type supervised struct{ log *slog.Logger }

// tell says lines of NAME=VALUE.
func (s supervised) tell(lines string) {
	if _, err := daemon.SdNotify(false, lines); err != nil {
		s.log.Warn("cannot tell systemd how this process is", "err", err)
	}
}

// watch says that the process runs, twice in each interval of the watchdog, until ctx ends. It
// says no more than that: a disk that hangs ends the node by itself, and a node without a
// leader is not mended by a restart.
func (s supervised) watch(ctx context.Context) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("systemd's watchdog is not understood", "err", err)
	}
	if interval <= 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		s.tell(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
