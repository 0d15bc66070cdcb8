package wire

import (
	"errors"
	"fmt"
	"io"
)

// MaxPayload is the largest payload of one pkt-line.
const MaxPayload = 65516

// Kind tells a data packet from the three special ones.
type Kind int

// The special packets have no payload.
const (
	Data        Kind = iota
	Flush            // 0000
	Delim            // 0001
	ResponseEnd      // 0002
)

// ErrPacket reports bytes that are not a pkt-line.
var ErrPacket = errors.New("malformed pkt-line")

// Reader reads pkt-lines. It never reads beyond the packet it returns, so
// that what follows can be handed on.
type Reader struct {
	r   io.Reader
	buf [MaxPayload]byte
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next packet; payload is valid until the next call. A clean
// end before a packet is io.EOF, an end within one io.ErrUnexpectedEOF.
func (p *Reader) Next() (kind Kind, payload []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := 0
	for _, c := range head {
		d, ok := unhex(c)
		if !ok {
			return 0, nil, fmt.Errorf("%w: length %q", ErrPacket, head[:])
		}
		n = n<<4 | d
	}
	switch n {
	case 0:
		return Flush, nil, nil
	case 1:
		return Delim, nil, nil
	case 2:
		return ResponseEnd, nil, nil
	case 3:
		return 0, nil, fmt.Errorf("%w: length 3", ErrPacket)
	}
	n -= 4
	if n > MaxPayload {
		return 0, nil, fmt.Errorf("%w: %d bytes of payload", ErrPacket, n)
	}
	if _, err := io.ReadFull(p.r, p.buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Data, p.buf[:n], nil
}

// Line is Next for text: the payload without its trailing newline. special is
// true for flush, delim and response-end.
func (p *Reader) Line() (line string, special bool, err error) {
	kind, payload, err := p.Next()
	if err != nil || kind != Data {
		return "", err == nil, err
	}
	if n := len(payload); n > 0 && payload[n-1] == '\n' {
		payload = payload[:n-1]
	}
	return string(payload), false, nil
}

// Writer writes pkt-lines and remembers the first error, so that a caller
// checks once, with Err.
type Writer struct {
	w   io.Writer
	err error
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Line writes one packet; it must fit into MaxPayload.
func (p *Writer) Line(format string, args ...any) {
	s := format
	if len(args) > 0 {
		s = fmt.Sprintf(format, args...)
	}
	if len(s) > MaxPayload {
		p.fail(fmt.Errorf("%w: %d bytes of payload", ErrPacket, len(s)))
		return
	}
	p.raw(fmt.Sprintf("%04x", len(s)+4))
	p.raw(s)
}

// Flush, Delim and ResponseEnd write the special packets.
func (p *Writer) Flush() { p.raw("0000") }

// Delim separates sections of a version 2 message.
func (p *Writer) Delim() { p.raw("0001") }

// Err is the first error of any write.
func (p *Writer) Err() error { return p.err }

func (p *Writer) raw(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

func (p *Writer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func unhex(c byte) (int, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0'), true
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10, true
	}
	return 0, false
}
