package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"google.golang.org/protobuf/proto"

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
	in  *bufio.Reader
	sum hash.Hash
	buf bytes.Buffer
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

func (r *recordReader) next() (*snapshot.Record, error) {
	size, err := binary.ReadUvarint(summedBytes{r})
	if err != nil {
		return nil, damaged("cut off: %w", err)
	}
	if size > maxRecord {
		return nil, damaged("a record of %d bytes", size)
	}
	b, err := r.take(int(size))
	if err != nil {
		return nil, err
	}
	rec := new(snapshot.Record)
	if err := proto.Unmarshal(b, rec); err != nil {
		return nil, damaged("%w", err)
	}
	return rec, nil
}

// take returns the next n bytes, until the next call. It does not trust n
// before the bytes have come.
func (r *recordReader) take(n int) ([]byte, error) {
	r.buf.Reset()
	if _, err := io.CopyN(&r.buf, r.in, int64(n)); err != nil {
		return nil, damaged("cut off: %w", err)
	}
	r.sum.Write(r.buf.Bytes())
	return r.buf.Bytes(), nil
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

// summedBytes reads the length before a record.
type summedBytes struct{ r *recordReader }

func (s summedBytes) ReadByte() (byte, error) {
	b, err := s.r.in.ReadByte()
	if err == nil {
		s.r.sum.Write([]byte{b})
	}
	return b, err
}
