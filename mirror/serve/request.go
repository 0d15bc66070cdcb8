package serve

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"gitmirror/internal/spool"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/wire"
)

// manyArguments is how many lines a request may have besides wants, haves and shallows.
// git spends a walk through the history on each deepen-not.
const manyArguments = 100

// asks is what a request says, as far as it matters before git is started.
type asks struct {
	filter string // that is not served
	many   bool   // too many arguments
}

func packetsOf(body *spool.Body) *wire.Reader {
	return wire.NewReader(bufio.NewReaderSize(body.Reader(), 64<<10))
}

func read(body *spool.Body) (a asks, err error) {
	p, others := packetsOf(body), 0
	for {
		kind, payload, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return a, nil
		case err != nil:
			return a, err
		case kind != wire.Data || hasAny(payload, "want ", "have ", "shallow "):
			continue
		}
		others++
		a.many = a.many || others > manyArguments
		filter, ok := strings.CutPrefix(strings.TrimSuffix(string(payload), "\n"), "filter ")
		if ok && a.filter == "" && !lawful.MatchString(filter) {
			a.filter = filter
		}
	}
}

func hasAny(payload []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(payload) >= len(p) && string(payload[:len(p)]) == p {
			return true
		}
	}
	return false
}

// asksForOurs tells whether a request wants a tip that the table shows. What
// else is asked for may be nonsense, and its failure says nothing of the copy.
func asksForOurs(body *spool.Body, t *refs.Table) bool {
	ours := make(map[string]bool, len(t.Refs)+1)
	ours[t.HeadOID()] = true
	for _, r := range t.Refs {
		ours[r.OID] = true
	}
	delete(ours, "")
	p := packetsOf(body)
	for {
		_, payload, err := p.Next()
		if err != nil {
			return false
		}
		if hasAny(payload, "want ") && len(payload) >= 45 && ours[string(payload[5:45])] {
			return true
		}
	}
}
