package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"
)

// watchEvery is how often a node is asked while somebody watches.
const watchEvery = 2 * time.Second

// watchStatus shows the cluster's state until ctx ends: drawn anew on a terminal, and
// elsewhere, or as JSON, a line for each that differs from the one before. Who does not answer
// is asked again.
func watchStatus(ctx context.Context, s *session) error {
	var last string
	on := screen{s: s}
	for {
		st, err := askStatus(ctx, s)
		switch {
		case ctx.Err() != nil:
			return told(exitInterrupted) // as it was meant to
		case terminalWidth(s.Out) > 0 && !s.json:
			on.draw(st, err)
		case err != nil:
			if said := explain(err, false); said.What != last {
				said.write(s.Err)
				last = said.What
			}
		default:
			line, is, err := jsonLine(st)
			if err != nil {
				return err
			}
			if is != last {
				if _, err := fmt.Fprintln(s.Out, line); err != nil {
					return err
				}
				last = is
			}
		}
		if !sleep(ctx, s.every) {
			return told(exitInterrupted) // as it was meant to
		}
	}
}

// jsonLine is a status in a line, and what of it makes a difference: not when a leader was
// heard from last, which is another each time.
func jsonLine(st *api.Status) (line, is string, err error) {
	data, err := json.Marshal(st)
	if err != nil {
		return "", "", err
	}
	still := *st
	still.LastContact = nil
	rest, err := json.Marshal(still)
	return string(data), string(rest), err
}

// screen is a terminal that is drawn onto again and again.
type screen struct {
	s     *session
	drawn bool
}

func (sc *screen) draw(st *api.Status, err error) {
	var b bytes.Buffer
	if err != nil {
		explain(err, false).write(&b)
	} else if err := sc.s.printer(&b).Status(st); err != nil {
		return
	}
	_, _ = fmt.Fprintf(&b, "\n%s, every %s; Ctrl-C ends it\n", time.Now().Format(time.TimeOnly), sc.s.every)
	out := "\x1b[H"
	if !sc.drawn {
		out, sc.drawn = "\x1b[2J\x1b[H", true
	}
	_, _ = fmt.Fprint(sc.s.Out, out+strings.ReplaceAll(b.String(), "\n", "\x1b[K\n")+"\x1b[J")
}
