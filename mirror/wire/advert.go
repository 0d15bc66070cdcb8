package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gitmirror/internal/reflimit"
)

// AdvertRef is one ref as a server shows it. Nothing in it is trusted: not
// the name, and not that OID exists.
type AdvertRef struct {
	Name string
	OID  string // hex
}

// Advert is what a server shows: its refs, without HEAD, and where HEAD is.
type Advert struct {
	Refs []AdvertRef
	// HeadRef is HEAD's target ("refs/heads/main", which may be unborn); empty
	// when HEAD is detached or absent. HeadOID is HEAD's object, if it has one.
	HeadRef, HeadOID string
}

// clipped is what is kept of a name that is too long, to be shown.
const clipped = 200

// Limits bounds what a server may show.
type Limits struct {
	Refs  int // refs of one repo
	Bytes int // of their names together; 0 for any number
}

// ErrTooManyRefs reports an advertisement over the limit.
var ErrTooManyRefs = errors.New("too many refs")

// ErrShallow reports a server whose own history is cut off.
var ErrShallow = errors.New("the upstream is a shallow clone, which lacks a part of its history: mirror the repository it was cloned from")

// FormatError reports objects that are named by another hash than SHA-1.
type FormatError struct{ Format string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("the upstream's object format is %.20s, and only sha1 is supported yet", e.Format)
}

// ServerError is an ERR packet: what the server says for people.
type ServerError struct{ Message string }

func (e *ServerError) Error() string { return "server says: " + e.Message }

func (a *Advert) add(name, oid, symref string, limits *Limits) error {
	if name == "HEAD" {
		a.HeadRef, a.HeadOID = symref, oid
		return nil
	}
	if len(a.Refs) >= limits.Refs {
		return fmt.Errorf("%w: more than %d", ErrTooManyRefs, limits.Refs)
	}
	if len(name) > reflimit.Name { // no lawful name: what is left of it is none either
		name = name[:clipped] + ".."
	}
	if limits.Bytes > 0 {
		if limits.Bytes -= len(name); limits.Bytes <= 0 {
			return fmt.Errorf("%w: their names are too long", ErrTooManyRefs)
		}
	}
	both := oid + name // one piece of memory for both
	a.Refs = append(a.Refs, AdvertRef{OID: both[:len(oid)], Name: both[len(oid):]})
	return nil
}

// ParseV0 reads a version 0 (or 1) advertisement: pkt-lines after the
// "# service" header, which is skipped where it is there. Peeled lines are
// dropped, a peeled id is only the server's word.
func ParseV0(r io.Reader, limits Limits) (*Advert, error) {
	p, a := NewReader(r), &Advert{}
	first := true
	headRef := ""
	for {
		line, special, err := p.Line()
		if err != nil {
			return nil, unexpected(err)
		}
		if special {
			if first {
				continue // the flush after "# service=git-upload-pack"
			}
			break
		}
		if first && (strings.HasPrefix(line, "# service=") || line == "version 1") {
			continue
		}
		if msg, ok := strings.CutPrefix(line, "ERR "); ok {
			return nil, &ServerError{Message: msg}
		}
		if strings.HasPrefix(line, "shallow ") {
			return nil, ErrShallow
		}
		if first {
			first = false
			var caps string
			line, caps, _ = strings.Cut(line, "\x00")
			for c := range strings.SplitSeq(caps, " ") {
				if target, ok := strings.CutPrefix(c, "symref=HEAD:"); ok {
					headRef = target
				}
				if f, ok := strings.CutPrefix(c, "object-format="); ok && f != "sha1" {
					return nil, &FormatError{f}
				}
			}
		}
		oid, name, ok := strings.Cut(line, " ")
		if !ok || !IsOID(oid) {
			return nil, fmt.Errorf("%w: advertisement line %.80q", ErrProtocol, line)
		}
		if name == "capabilities^{}" || strings.HasSuffix(name, "^{}") {
			continue
		}
		if err := a.add(name, oid, "", &limits); err != nil {
			return nil, err
		}
	}
	a.HeadRef = headRef
	return a, nil
}

// WithoutCapabilities cuts the capability list out of a version 0
// advertisement, with the length of its line: servers put session ids and
// versions there, which must not look like a change. Where HEAD leads stays.
func WithoutCapabilities(body []byte) []byte {
	for at := 0; at+4 <= len(body); {
		n, err := strconv.ParseUint(string(body[at:at+4]), 16, 16)
		end := at + max(int(n), 4)
		if err != nil || end > len(body) {
			break
		}
		line, caps, ok := bytes.Cut(body[at+4:end], []byte{0})
		if ok {
			out := append(slices.Clip(body[:at]), line...)
			for c := range bytes.FieldsSeq(caps) {
				if bytes.HasPrefix(c, []byte("symref=")) {
					out = append(append(out, ' '), c...)
				}
			}
			return append(out, body[end:]...)
		}
		at = end
	}
	return body
}

// IsOID tells whether s is the hex id of a SHA-1 object, lower case.
func IsOID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ErrProtocol reports an answer that is well framed but not what the protocol
// allows.
var ErrProtocol = errors.New("not the git protocol")

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
