package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Fetch asks for a pack of all that some objects lead to, in one request: what the server
// does not know of the haves counts for nothing.
type Fetch struct {
	Agent  string
	Format string   // object-format; empty where the server announced none
	Wants  []string // ids
	Haves  []string // what is here with all it leads to
}

// features are what is asked for: a pack in bands, whose deltas may be against what is here
// or at any distance before them.
var features = []string{"thin-pack", "ofs-delta"}

// Encode returns the body of the request in protocol version 2.
func (q Fetch) Encode() []byte {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Line("command=fetch")
	if q.Agent != "" {
		w.Line("agent=%s", q.Agent)
	}
	if q.Format != "" {
		w.Line("object-format=%s", q.Format)
	}
	w.Delim()
	for _, f := range features {
		w.Line("%s\n", f)
	}
	q.lines(w)
	w.Flush()
	return b.Bytes()
}

// ErrNoBands reports a server of version 0 that sends a pack without saying what is one.
var ErrNoBands = errors.New("the server does not know side-band-64k")

// EncodeV0 returns the body of the request in version 0, to a server with those capabilities.
func (q Fetch) EncodeV0(caps []string) ([]byte, error) {
	if !slices.Contains(caps, "side-band-64k") {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, ErrNoBands)
	}
	ask := "side-band-64k"
	for _, f := range features {
		if slices.Contains(caps, f) {
			ask += " " + f
		}
	}
	if q.Agent != "" && slices.ContainsFunc(caps, func(c string) bool { return strings.HasPrefix(c, "agent=") }) {
		ask += " agent=" + q.Agent
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	for i, id := range q.Wants {
		if i == 0 {
			w.Line("want %s %s\n", id, ask)
		} else {
			w.Line("want %s\n", id)
		}
	}
	w.Flush()
	q.Wants = nil
	q.lines(w)
	return b.Bytes(), nil
}

func (q Fetch) lines(w *Writer) {
	for _, id := range q.Wants {
		w.Line("want %s\n", id)
	}
	for _, id := range q.Haves {
		w.Line("have %s\n", id)
	}
	w.Line("done\n")
}

// ParseCapabilitiesV0 are the capabilities behind the first ref of an advertisement in version
// 0, whose beginning that is. Its errors are those of ParseV0.
func ParseCapabilitiesV0(first []byte) ([]string, error) {
	p := NewReader(bytes.NewReader(first))
	for {
		line, special, err := p.Line()
		switch {
		case err != nil:
			return nil, unexpected(err)
		case special || strings.HasPrefix(line, "# service=") || line == "version 1":
			continue
		case strings.HasPrefix(line, "ERR "):
			return nil, &ServerError{Message: line[4:]}
		}
		ref, caps, ok := strings.Cut(line, "\x00")
		if oid, _, named := strings.Cut(ref, " "); !ok || !named || !IsOID(oid) {
			return nil, fmt.Errorf("%w: advertisement line %.80q", ErrProtocol, line)
		}
		list := strings.Fields(caps)
		for _, c := range list {
			if f, ok := strings.CutPrefix(c, "object-format="); ok && f != "sha1" {
				return nil, &FormatError{f}
			}
		}
		return list, nil
	}
}

// SectionError reports a section of an answer that was not asked for.
type SectionError struct{ Section string }

func (e *SectionError) Error() string {
	if e.Section == "shallow-info" {
		return ErrShallow.Error() + " (its answer has the section shallow-info)"
	}
	return fmt.Sprintf("the upstream's answer has a section that was not asked for: %.60s", e.Section)
}

// Is says that a section for shallow clones is of one.
func (e *SectionError) Is(target error) bool {
	return target == ErrProtocol && e.Section != "shallow-info" || target == ErrShallow && e.Section == "shallow-info"
}

// Bands reads the pack in an answer to a Fetch. What comes beside it, words of the server, is
// told to say, which may be nil. It is io.EOF at the end that the server has set; an end before
// is io.ErrUnexpectedEOF.
type Bands struct {
	p     *Reader
	say   func([]byte)
	rest  []byte
	first []byte // a packet that was read to find the beginning
	err   error
}

// Pack reads an answer up to the pack. A section that was not asked for is an error.
func Pack(r io.Reader, v2 bool, say func([]byte)) (*Bands, error) {
	b := &Bands{p: NewReader(r), say: say}
	for {
		kind, payload, err := b.p.Next()
		if err != nil {
			return nil, unexpected(err)
		}
		line := strings.TrimSuffix(string(payload[:min(len(payload), 1000)]), "\n")
		msg, failed := strings.CutPrefix(line, "ERR ")
		switch {
		case kind == Data && failed:
			return nil, &ServerError{Message: msg}
		case kind != Data && v2:
			return nil, fmt.Errorf("%w: the answer has no pack", ErrProtocol)
		case v2 && line == "packfile":
			return b, nil
		case v2 && line == "acknowledgments": // not after "done", but harmless
			if err := b.skip(); err != nil {
				return nil, err
			}
		case v2:
			return nil, &SectionError{strings.Clone(line)}
		case kind != Data, line == "NAK", strings.HasPrefix(line, "ACK "):
		case strings.HasPrefix(line, "shallow "), strings.HasPrefix(line, "unshallow "):
			return nil, &SectionError{"shallow-info"}
		default:
			b.first = slices.Clone(payload)
			return b, nil
		}
	}
}

// skip passes over the rest of a section.
func (b *Bands) skip() error {
	for {
		kind, _, err := b.p.Next()
		if err != nil {
			return unexpected(err)
		}
		if kind == Delim {
			return nil
		}
		if kind != Data {
			return fmt.Errorf("%w: the answer has no pack", ErrProtocol)
		}
	}
}

func (b *Bands) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		payload := b.first
		if b.first = nil; payload == nil {
			var kind Kind
			if kind, payload, b.err = b.p.Next(); b.err != nil {
				b.err = unexpected(b.err)
				continue
			} else if kind != Data {
				b.err = io.EOF
				continue
			}
		}
		switch {
		case len(payload) == 0:
			b.err = fmt.Errorf("%w: an empty packet in the pack", ErrProtocol)
		case payload[0] == 1:
			b.rest = payload[1:]
		case payload[0] == 2:
			if b.say != nil {
				b.say(payload[1:])
			}
		case payload[0] == 3:
			b.err = &BandError{string(payload[1:min(len(payload), 1000)])}
		default:
			b.err = fmt.Errorf("%w: a packet of band %d", ErrProtocol, payload[0])
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// BandError is what a server says as it gives up on a pack.
type BandError struct{ Message string }

func (e *BandError) Error() string { return "the server gave up: " + strings.TrimSpace(e.Message) }
