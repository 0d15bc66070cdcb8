// Package gitanswer passes an answer of git upload-pack on to a client, so that one that
// breaks off can be ended with words. A connection that is cut looks to git, and to who
// runs it, like a network that fails; an error packet is shown as what it is, and not
// taken for an answer.
//
// Only whole packets are passed on, and what is behind the last of them is dropped when
// the answer fails: the error stands where a packet is expected. It never ends a pack:
// the packet that would is not sent.
package gitanswer

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"gitmirror/internal/oneline"
)

// Writer passes one answer on. It is not safe for concurrent use.
type Writer struct {
	out    io.Writer
	banded bool   // the client asked, in protocol 0, for a pack in sidebands
	part   []byte // of a packet, not passed on yet
	raw    bool   // no packets: a pack without sidebands, or nonsense
	band   bool   // what follows is in sidebands
	told   bool   // the last packet was an error
}

// New returns a Writer for the answer to a request, of which the first packet is looked
// at.
func New(out io.Writer, request []byte) *Writer {
	first, _, _ := bytes.Cut(request[:min(len(request), 4<<10)], []byte{'\n'})
	return &Writer{out: out, banded: bytes.Contains(first, []byte(" side-band"))}
}

// Write takes any part of the answer.
func (w *Writer) Write(p []byte) (int, error) {
	if w.raw {
		return w.out.Write(p)
	}
	w.part = append(w.part, p...)
	whole := w.whole()
	if w.raw {
		whole = len(w.part)
	}
	if whole == 0 {
		return len(p), nil
	}
	if _, err := w.out.Write(w.part[:whole]); err != nil {
		return 0, err
	}
	w.part = w.part[:copy(w.part, w.part[whole:])]
	return len(p), nil
}

// whole is how many bytes of part are whole packets. It notes what they are.
func (w *Writer) whole() int {
	at := 0
	for len(w.part)-at >= 4 {
		n, err := strconv.ParseUint(string(w.part[at:at+4]), 16, 16)
		switch {
		case err != nil || n == 3:
			w.raw = true
			return at
		case n < 4: // flush, delimiter, end
			at += 4
			continue
		case at+int(n) > len(w.part):
			return at
		}
		w.note(w.part[at+4 : at+int(n)])
		at += int(n)
	}
	return at
}

func (w *Writer) note(payload []byte) {
	acked := bytes.HasPrefix(payload, []byte("NAK\n")) || bytes.HasPrefix(payload, []byte("ACK ")) && bytes.Count(payload, []byte(" ")) == 1
	switch {
	case len(payload) > 0 && payload[0] >= 1 && payload[0] <= 3, bytes.Equal(payload, []byte("packfile\n")), w.banded && acked:
		w.band = true
	}
	w.told = bytes.HasPrefix(payload, []byte("ERR ")) || w.band && len(payload) > 0 && payload[0] == 3
}

// mostMessage is what the small packets of old clients can bear, in bytes.
const mostMessage = 900

// Broken tells whether the answer stands in the middle of a packet.
func (w *Writer) Broken() bool { return len(w.part) > 0 }

// Fail ends the answer with an error that git shows, unless its last packet is one. It
// returns false when this answer cannot hold one, or the client has gone: then only a
// cut connection keeps a part from being taken for the whole.
func (w *Writer) Fail(message string) bool {
	if w.raw {
		return false
	}
	w.part = nil
	if w.told {
		return true
	}
	w.told = true
	message = "gitmirror: " + oneline.Clip(oneline.Plain(message, ' '), mostMessage)
	if w.band {
		message = "\x03" + message
	} else {
		message = "ERR " + message
	}
	_, err := fmt.Fprintf(w.out, "%04x%s", len(message)+4, message)
	return err == nil
}
