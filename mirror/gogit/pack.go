package gogit

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/disk"
	"gitmirror/mirror/failure"
)

// trailer is how many bytes of a pack, and of an index, are its checksum.
const trailer = sha1.Size

// complete appends to a thin pack what its deltas are to, so that it can be read by itself.
func (in *intake) complete(named []plumbing.Hash) error {
	info, err := in.file.Stat()
	if err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	size, had := info.Size()-trailer, len(in.entries)
	for i, id := range named {
		if !in.entries[in.refs[i]].kind.IsDelta() {
			continue
		}
		kind, data, err := in.base(id)
		if isMissing(err) {
			continue // or it is in the pack, and a delta itself
		}
		if err != nil {
			return failed(err)
		}
		if err := in.fits(int64(len(data)), 0); err != nil {
			return err
		}
		e := entry{id: id, offset: size, size: int64(len(data)), kind: kind}
		packed := packedObject(kind, data)
		e.crc = crc32.ChecksumIEEE(packed)
		if _, err := in.file.WriteAt(packed, size); err != nil {
			return failure.Wrap(failure.Disk, err)
		}
		size += int64(len(packed))
		in.entries = append(in.entries, e)
		last := int32(len(in.entries) - 1)
		if err := in.descend(frame{kind, data, in.kids(last, named)}, named); err != nil {
			return err
		}
	}
	if len(in.entries) == had {
		return nil
	}
	return in.seal(size)
}

// seal ends a pack that has become longer.
func (in *intake) seal(size int64) error {
	count := binary.BigEndian.AppendUint32(nil, uint32(len(in.entries)))
	if _, err := in.file.WriteAt(count, 8); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	sum := sha1.New()
	if _, err := io.Copy(sum, io.NewSectionReader(in.file, 0, size)); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	_, err := in.file.WriteAt(sum.Sum(nil), size)
	if err = errors.Join(err, in.file.Host().Truncate(size+trailer)); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	return nil
}

// packedObject is an object as it lies in a pack.
func packedObject(kind plumbing.ObjectType, data []byte) []byte {
	var b bytes.Buffer
	b.Write(objectHead(kind, int64(len(data))))
	z := zlib.NewWriter(&b)
	_, _ = z.Write(data) // a buffer takes all
	_ = z.Close()
	return b.Bytes()
}

// objectHead is what an object in a pack begins with (gitformat-pack(5)).
func objectHead(kind plumbing.ObjectType, size int64) []byte {
	head := []byte{byte(kind)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	return head
}

// checksum reads what a pack ends with.
func (in *intake) checksum() (plumbing.Hash, error) {
	var sum plumbing.Hash
	info, err := in.file.Stat()
	if err == nil {
		_, err = in.file.ReadAt(sum[:], info.Size()-trailer)
	}
	if err != nil {
		return sum, failure.Wrap(failure.Disk, err)
	}
	return sum, nil
}

// sort puts the entries into the order of an index. An object that is there twice is an error:
// nobody makes such packs, and readers do not expect them.
func (in *intake) sort() error {
	slices.SortFunc(in.entries, func(a, b entry) int { return bytes.Compare(a.id[:], b.id[:]) })
	for i := 1; i < len(in.entries); i++ {
		if in.entries[i].id == in.entries[i-1].id {
			return corrupt("the pack has object %s twice", in.entries[i].id)
		}
	}
	return nil
}

// find finds an object of the pack, whose entries are sorted; nil where it is not in it.
func (in *intake) find(id plumbing.Hash) *entry {
	at, found := slices.BinarySearchFunc(in.entries, id, func(e entry, id plumbing.Hash) int { return bytes.Compare(e.id[:], id[:]) })
	if !found {
		return nil
	}
	return &in.entries[at]
}

// writeIndex writes an index of version 2 (gitformat-pack(5)) of sorted entries, under the name
// path, where it is durable.
func writeIndex(d *disk.Disk, path string, entries []entry, pack plumbing.Hash) error {
	unfinished := filepath.Join(filepath.Dir(path), "tmp_"+filepath.Base(path))
	f, err := d.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o444)
	if err != nil {
		return err
	}
	w := &summed{to: bufio.NewWriterSize(f, 64<<10), sum: sha1.New()}
	w.index(entries, pack)
	if err = errors.Join(w.err, w.to.Flush(), f.Sync(), f.Close()); err != nil {
		_ = d.Remove(unfinished)
		return err
	}
	return atomicfile.Rename(d, unfinished, path)
}

// summed writes, and knows the checksum of what it has written.
type summed struct {
	to  *bufio.Writer
	sum hash.Hash
	err error
}

func (w *summed) put(p []byte) {
	_, _ = w.sum.Write(p)
	if _, err := w.to.Write(p); err != nil {
		w.err = err
	}
}

func (w *summed) index(entries []entry, pack plumbing.Hash) {
	w.put([]byte("\xfftOc\x00\x00\x00\x02"))
	at := 0
	var word []byte
	number := func(n uint32) { word = binary.BigEndian.AppendUint32(word[:0], n); w.put(word) }
	for first := range 256 {
		for at < len(entries) && int(entries[at].id[0]) <= first {
			at++
		}
		number(uint32(at))
	}
	for _, e := range entries {
		w.put(e.id[:])
	}
	for _, e := range entries {
		number(e.crc)
	}
	var far []int64
	for _, e := range entries {
		if e.offset < 1<<31 {
			number(uint32(e.offset))
			continue
		}
		number(1<<31 | uint32(len(far)))
		far = append(far, e.offset)
	}
	for _, offset := range far {
		word = binary.BigEndian.AppendUint64(word[:0], uint64(offset))
		w.put(word)
	}
	w.put(pack[:])
	if _, err := w.to.Write(w.sum.Sum(nil)); err != nil {
		w.err = err
	}
}

// finish gives a pack, whose deltas are put together, its name and its index, in the directory
// where its file is. Both are durable. The name is returned.
func (in *intake) finish(d *disk.Disk) (string, error) {
	if err := in.sort(); err != nil {
		return "", err
	}
	sum, err := in.checksum()
	if err != nil {
		return "", err
	}
	name := filepath.Join(filepath.Dir(in.file.Name()), fmt.Sprintf("pack-%s", sum))
	if err := in.file.Sync(); err != nil {
		return "", failure.Wrap(failure.Disk, err)
	}
	if err := d.Rename(in.file.Name(), name+".pack"); err != nil {
		return "", failure.Wrap(failure.Disk, err)
	}
	if err := writeIndex(d, name+".idx", in.entries, sum); err != nil {
		return "", failure.Wrap(failure.Disk, err)
	}
	return name, nil
}
