package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"gitmirror/internal/upstream"
)

// Serve makes the sample upstreams and serves them at 127.0.0.1:port, 0 for a free one, until
// ctx ends. It tells out where; nil is told nothing. It leaves no file behind.
func Serve(ctx context.Context, port int, out io.Writer) (err error) {
	if _, err := exec.LookPath("git"); err != nil {
		return ErrNoGit
	}
	dir, err := os.MkdirTemp("", "gitmirror-samples-")
	if err != nil {
		return fmt.Errorf("make a directory to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	forge, err := upstream.Serve(dir, fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("serve sample upstreams: %w", err)
	}
	defer func() { err = errors.Join(err, forge.Close()) }()
	tell := &teller{out: out}
	for _, s := range samples() {
		_, err := s.build(forge)
		switch {
		case ctx.Err() != nil: // and git has heard of it, too
			return nil
		case err != nil:
			return err
		}
		tell.say("%-38s  %s", forge.URL(s.name), s.what)
	}
	base := strings.TrimSuffix(forge.URL(""), "/")
	tell.say(`
They are served until you press Ctrl-C. A node mirrors them with --allow-upstream 127.0.0.0/8:
  %s repo add %s/linear --name linear --wait
To push to one, clone it from %s, and push there.`, program(), base, dir)
	<-ctx.Done()
	return nil
}
