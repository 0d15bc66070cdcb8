package serve

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gitmirror/internal/spool"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/wire"
)

// manyArguments is how many lines a request may have besides wants, haves and shallows.
// git spends a walk through the history on each deepen-not.
const manyArguments = 100

// manyShallows is how many shallow lines it may have: a clone that is cut off has one for
// each line of history. git looks each of them up.
const manyShallows = 50_000

// asks is what a request says, as far as it matters before git is started.
type asks struct {
	filter string // that is not served
	many   bool   // too many arguments
	wrong  string // what git would not take of it
}

func packetsOf(body *spool.Body) *wire.Reader {
	return wire.NewReader(bufio.NewReaderSize(body.Reader(), int(min(body.Len(), 64<<10))))
}

func read(body *spool.Body, g *grammar) (a asks, err error) {
	p, others, shallows := packetsOf(body), 0, 0
	for {
		kind, payload, err := p.Next()
		if errors.Is(err, io.EOF) {
			g.end()
			a.wrong = g.wrong
			return a, nil
		}
		if err != nil {
			return a, err
		}
		g.next(kind, payload)
		switch {
		case kind != wire.Data || hasAny(payload, "want ", "have "):
			continue
		case hasAny(payload, "shallow "):
			shallows++
			a.many = a.many || shallows > manyShallows
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

// asksForOurs tells whether a request that failed with git's words wants a tip that the
// table shows. What else is asked for may be nonsense, and its failure says nothing of the
// copy.
func asksForOurs(body *spool.Body, g *grammar, t *refs.Table, words string) bool {
	if isOfTheRequest(words) {
		return false
	}
	ours := make(map[string]bool, len(t.Refs)+1)
	ours[t.HeadOID()] = true
	for _, r := range t.Refs {
		ours[r.OID] = true
	}
	delete(ours, "")
	if _, missing, ok := strings.Cut(words, "not our ref "); ok {
		return len(missing) >= 40 && ours[missing[:40]]
	}
	p := packetsOf(body)
	for {
		kind, payload, err := p.Next()
		if err != nil {
			return false
		}
		if g.next(kind, payload) == arguments && hasAny(payload, "want ") && len(payload) >= 45 && ours[string(payload[5:45])] {
			return true
		}
	}
}

// heavyRequest is from when on a request takes git a while to read.
const heavyRequest = 1 << 20

// withoutRepeats reads a request without the wants and haves that it repeats,
// as far as that is seen: git reads a million of them for seconds. Honest requests repeat
// none.
func withoutRepeats(body *spool.Body) io.Reader {
	if body.Len() <= heavyRequest {
		return body.Reader()
	}
	return &repeats{from: packetsOf(body), seen: make([][45]byte, 1<<12)}
}

type repeats struct {
	from *wire.Reader
	seen [][45]byte // by some of the id's digits
	out  []byte
}

func (r *repeats) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		kind, payload, err := r.from.Next()
		if err != nil {
			return 0, err
		}
		switch {
		case kind == wire.Flush:
			r.out = append(r.out[:0], "0000"...)
		case kind == wire.Delim:
			r.out = append(r.out[:0], "0001"...)
		case kind == wire.ResponseEnd:
			r.out = append(r.out[:0], "0002"...)
		case !r.repeated(payload):
			r.out = fmt.Appendf(r.out[:0], "%04x", len(payload)+4)
			r.out = append(r.out, payload...)
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// repeated tells whether a line is one that was there not long ago.
func (r *repeats) repeated(payload []byte) bool {
	line := bytes.TrimSuffix(payload, []byte("\n"))
	if len(line) != 45 || !hasAny(line, "want ", "have ") {
		return false
	}
	digits, err := strconv.ParseUint(string(line[5:8]), 16, 16)
	if err != nil {
		return false
	}
	place := &r.seen[digits]
	same := bytes.Equal(place[:], line)
	copy(place[:], line)
	return same
}
