package fsm

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"gitmirror/fsm/snapshot"
)

// A snapshot is
//
//	"GMSN"  version (4 bytes, big endian)  applied index (8 bytes, big endian)
//	records, each a uvarint length and a snapshot.Record, the last one End
//	SHA-256 of everything before it
//
// Equal states make equal bytes.
const (
	snapshotMagic   = "GMSN"
	snapshotVersion = 1
	headerSize      = len(snapshotMagic) + 4 + 8
	maxRecord       = 16 << 20
)

// recordWriter frames records and sums them up. It keeps its first error.
type recordWriter struct {
	out *bufio.Writer
	sum hash.Hash
	buf []byte
	err error
}

func newRecordWriter(w io.Writer) *recordWriter {
	sum := sha256.New()
	return &recordWriter{out: bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10), sum: sum}
}

func (w *recordWriter) header(index uint64) {
	b := append([]byte(nil), snapshotMagic...)
	b = binary.BigEndian.AppendUint32(b, snapshotVersion)
	b = binary.BigEndian.AppendUint64(b, index)
	w.put(b)
}

func (w *recordWriter) write(r *snapshot.Record) {
	w.buf = marshal(w.buf[:0], r)
	w.record()
}

func (w *recordWriter) repo(r *Repo, policy uint32) {
	w.buf = appendRepo(w.buf[:0], r, policy)
	w.record()
}

// record writes what is in buf, and its length before it.
func (w *recordWriter) record() {
	var size [binary.MaxVarintLen64]byte
	w.put(binary.AppendUvarint(size[:0], uint64(len(w.buf))))
	w.put(w.buf)
}

func (w *recordWriter) put(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
}

func (w *recordWriter) finish() error {
	if w.err != nil {
		return w.err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	w.put(w.sum.Sum(nil))
	if w.err != nil {
		return w.err
	}
	return w.out.Flush()
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrSnapshot, fmt.Errorf(format, args...))
}

// recordReader undoes what recordWriter did.
type recordReader struct {
	in    *bufio.Reader
	sum   hash.Hash
	large bytes.Buffer
}

func newRecordReader(r io.Reader) *recordReader {
	return &recordReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
}

func (r *recordReader) header() (index uint64, err error) {
	b, err := r.take(headerSize)
	if err != nil {
		return 0, err
	}
	if string(b[:len(snapshotMagic)]) != snapshotMagic {
		return 0, damaged("it does not begin with %q", snapshotMagic)
	}
	b = b[len(snapshotMagic):]
	if v := binary.BigEndian.Uint32(b); v != snapshotVersion {
		return 0, damaged("format version %d, this release reads %d: upgrade this node", v, snapshotVersion)
	}
	return binary.BigEndian.Uint64(b[4:]), nil
}

// next returns the bytes of the next record, until the next call.
func (r *recordReader) next() ([]byte, error) {
	ahead, err := r.in.Peek(binary.MaxVarintLen64)
	size, n := binary.Uvarint(ahead)
	if n <= 0 {
		return nil, damaged("cut off: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	if size > maxRecord {
		return nil, damaged("a record of %d bytes", size)
	}
	if _, err := r.take(n); err != nil {
		return nil, err
	}
	return r.take(int(size))
}

// take returns the next n bytes, until the next call. It does not trust n
// before the bytes have come.
func (r *recordReader) take(n int) (b []byte, err error) {
	if n <= r.in.Size() {
		b, err = r.in.Peek(n)
		defer r.in.Discard(len(b))
	} else {
		r.large.Reset()
		_, err = io.CopyN(&r.large, r.in, int64(n))
		b = r.large.Bytes()
	}
	if err != nil {
		return nil, damaged("cut off: %w", err)
	}
	r.sum.Write(b)
	return b, nil
}

// checksum compares the sum that follows the last record, and nothing may
// follow it.
func (r *recordReader) checksum() error {
	want := r.sum.Sum(nil)
	got, err := r.take(len(want))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return damaged("its checksum is wrong")
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		return damaged("bytes after its end")
	}
	return nil
}
