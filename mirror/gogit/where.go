package gogit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/disk"
)

// An index of version 2 (gitformat-pack(5)): 256 counts behind its head, then ids, checksums and
// offsets, and offsets that are too large for four bytes.
const (
	indexHead  = 8 + 256*4
	indexMagic = "\xfftOc\x00\x00\x00\x02"
)

var errIndex = errors.New("not an index of version 2")

// index is one of a pack, as it lies on the disk.
type index struct {
	data []byte
	n    int
}

func readIndex(d *disk.Disk, path string) (*index, error) {
	data, err := d.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x := &index{data: data}
	if len(data) >= indexHead+2*trailer && string(data[:8]) == indexMagic {
		x.n = int(binary.BigEndian.Uint32(data[indexHead-4:]))
	}
	if x.n == 0 || len(data) < indexHead+x.n*28+2*trailer {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), errIndex)
	}
	return x, nil
}

// id is that of the object at a place.
func (x *index) id(i int) (id plumbing.Hash) {
	copy(id[:], x.data[indexHead+20*i:])
	return id
}

// find is the place of an object.
func (x *index) find(id plumbing.Hash) (int, bool) {
	i := sort.Search(x.n, func(i int) bool { return bytes.Compare(x.data[indexHead+20*i:indexHead+20*i+20], id[:]) >= 0 })
	return i, i < x.n && x.id(i) == id
}

// offset is where the object at a place lies in the pack, -1 where the index does not know.
func (x *index) offset(i int) int64 {
	at := int64(binary.BigEndian.Uint32(x.data[indexHead+24*x.n+4*i:]))
	if at&(1<<31) == 0 {
		return at
	}
	far := indexHead + 28*x.n + 8*int(at&^(1<<31))
	if far+8 > len(x.data)-2*trailer {
		return -1
	}
	return int64(binary.BigEndian.Uint64(x.data[far:]))
}

// packFile is a pack whose objects can be passed on as they lie there.
type packFile struct {
	*index
	file   *disk.File
	order  []int32 // places of the index, by offset
	length int64
}

// packs opens the packs of a repository, sorted by name. They must be closed.
func (o *Objects) packs(dir string) (list []*packFile, err error) {
	defer func() {
		if err != nil {
			closeAll(list)
		}
	}()
	entries, err := o.disk.ReadDir(filepath.Join(dir, "objects/pack"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".idx")
		if !ok {
			continue
		}
		path := filepath.Join(dir, "objects/pack", base)
		x, err := readIndex(o.disk, path+".idx")
		if err != nil {
			return list, err
		}
		file, err := o.disk.Open(path + ".pack")
		if err != nil {
			return list, err
		}
		p := &packFile{index: x, file: file}
		list = append(list, p)
		info, err := file.Stat()
		if err != nil {
			return list, err
		}
		p.length = info.Size()
		p.order = make([]int32, x.n)
		for i := range p.order {
			p.order[i] = int32(i)
		}
		slices.SortFunc(p.order, func(a, b int32) int { return compare(x.offset(int(a)), x.offset(int(b))) })
	}
	return list, nil
}

func closeAll(list []*packFile) {
	for _, p := range list {
		_ = p.file.Close()
	}
}

// at is the place in order of what lies at an offset.
func (p *packFile) at(offset int64) (int, bool) {
	return slices.BinarySearchFunc(p.order, offset, func(i int32, offset int64) int { return compare(p.offset(int(i)), offset) })
}

// lying is an object as it lies in a pack.
type lying struct {
	kind plumbing.ObjectType
	size int64
	base plumbing.Hash // of a delta
	from int64         // where what is packed begins
	to   int64
}

// lying reads how the object at a place in order lies in the pack.
func (p *packFile) lying(k int) (lying, error) {
	l := lying{from: p.offset(int(p.order[k])), to: p.length - trailer}
	if k+1 < len(p.order) {
		l.to = p.offset(int(p.order[k+1]))
	}
	damaged := fmt.Errorf("%s: the object at %d cannot be read", filepath.Base(p.file.Name()), l.from)
	if l.from < 0 || l.to <= l.from || l.to > p.length {
		return l, damaged
	}
	var head [64]byte
	n, err := p.file.ReadAt(head[:min(int64(len(head)), l.to-l.from)], l.from)
	if err != nil && err != io.EOF {
		return l, err
	}
	l.kind, l.size = plumbing.ObjectType(head[0]>>4&7), int64(head[0]&15)
	i := 1
	for shift := 4; i < n && head[i-1]&0x80 != 0 && shift < 63; shift += 7 {
		l.size |= int64(head[i]&0x7f) << shift
		i++
	}
	switch l.kind {
	case plumbing.REFDeltaObject:
		if i+20 > n {
			return l, damaged
		}
		copy(l.base[:], head[i:])
		i += 20
	case plumbing.OFSDeltaObject:
		back := int64(head[i] & 0x7f)
		for ; i+1 < n && head[i]&0x80 != 0; i++ {
			back = (back+1)<<7 | int64(head[i+1]&0x7f)
		}
		i++
		at, found := p.at(l.from - back)
		if !found {
			return l, damaged
		}
		l.base = p.id(int(p.order[at]))
	}
	l.from += int64(i)
	return l, nil
}
