package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// LsRefs is the ls-refs command of protocol version 2.
type LsRefs struct {
	Agent    string
	Format   string // object-format; empty where the server announced none
	Prefixes []string
	Symrefs  bool
	Peel     bool
	Unborn   bool // only where the server announced ls-refs=unborn
}

// Encode returns the body of the request.
func (q LsRefs) Encode() []byte {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Line("command=ls-refs\n")
	if q.Agent != "" {
		w.Line("agent=%s", q.Agent)
	}
	if q.Format != "" {
		w.Line("object-format=%s", q.Format)
	}
	w.Delim()
	if q.Peel {
		w.Line("peel\n")
	}
	if q.Symrefs {
		w.Line("symrefs\n")
	}
	if q.Unborn {
		w.Line("unborn\n")
	}
	for _, p := range q.Prefixes {
		w.Line("ref-prefix %s\n", p)
	}
	w.Flush()
	return b.Bytes()
}

// ReadLsRefs reads the arguments of an ls-refs command, from behind its
// command line. At most maxPrefixes prefixes are kept, of maxBytes: beyond that the
// client gets everything, which the protocol allows.
func ReadLsRefs(p *Reader) (LsRefs, error) {
	const maxPrefixes, maxBytes = 65536, 4 << 20
	var q LsRefs
	kept := 0
	args := false
	for {
		kind, payload, err := p.Next()
		if err != nil {
			return q, unexpected(err)
		}
		switch kind {
		case Flush, ResponseEnd:
			if len(q.Prefixes) > maxPrefixes || kept > maxBytes {
				q.Prefixes = nil
			}
			return q, nil
		case Delim:
			args = true
			continue
		}
		line := strings.TrimSuffix(string(payload), "\n")
		switch {
		case !args:
			if a, ok := strings.CutPrefix(line, "agent="); ok {
				q.Agent = a
			} else if f, ok := strings.CutPrefix(line, "object-format="); ok {
				q.Format = f
			}
		case line == "peel":
			q.Peel = true
		case line == "symrefs":
			q.Symrefs = true
		case line == "unborn":
			q.Unborn = true
		default:
			if prefix, ok := strings.CutPrefix(line, "ref-prefix "); ok && len(q.Prefixes) <= maxPrefixes && kept <= maxBytes {
				kept += len(line)
				q.Prefixes = append(q.Prefixes, prefix)
			}
		}
	}
}

// ParseLsRefs reads the answer to an ls-refs command.
func ParseLsRefs(r io.Reader, limits Limits) (*Advert, error) {
	p, a := NewReader(r), &Advert{}
	for {
		line, special, err := p.Line()
		if err != nil {
			return nil, unexpected(err)
		}
		if special {
			return a, nil
		}
		if msg, ok := strings.CutPrefix(line, "ERR "); ok {
			return nil, &ServerError{Message: msg}
		}
		oid, rest, ok := strings.Cut(line, " ")
		// A NUL is in the first line of version 0, and in no name that git could keep.
		if !ok || (oid != "unborn" && !IsOID(oid)) || strings.Contains(line, "\x00") {
			return nil, fmt.Errorf("%w: ls-refs line %.80q", ErrProtocol, line)
		}
		name, attrs, _ := strings.Cut(rest, " ")
		symref := ""
		for attr := range strings.SplitSeq(attrs, " ") {
			if t, ok := strings.CutPrefix(attr, "symref-target:"); ok {
				symref = strings.Clone(t)
			}
		}
		if oid == "unborn" {
			if name == "HEAD" {
				a.HeadRef = symref
			}
			continue
		}
		if err := a.add(name, oid, symref, &limits); err != nil {
			return nil, err
		}
	}
}

// Capabilities are the lines of a version 2 capability advertisement,
// "key" or "key=value".
type Capabilities map[string]string

// ParseCapabilities reads a version 2 capability advertisement, with or
// without the "# service" header of smart HTTP. ok is false when the server
// answered in version 0 or 1.
func ParseCapabilities(body []byte) (caps Capabilities, ok bool, err error) {
	p := NewReader(bytes.NewReader(body))
	caps = Capabilities{}
	seen := false
	for {
		line, special, err := p.Line()
		if err != nil {
			return nil, false, unexpected(err)
		}
		switch {
		case special && !seen:
			continue // the flush after "# service=git-upload-pack"
		case special:
			return caps, true, nil
		case strings.HasPrefix(line, "ERR "):
			return nil, false, &ServerError{Message: line[4:]}
		case !seen && strings.HasPrefix(line, "# service="):
			continue
		case !seen && line == "version 2":
			seen = true
		case !seen:
			return nil, false, nil
		default:
			k, v, _ := strings.Cut(line, "=")
			caps[k] = v
		}
	}
}
