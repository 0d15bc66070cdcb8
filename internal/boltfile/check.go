package boltfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// A bbolt file, version 2, is pages of one size in the byte order of the
// machine. Each begins with
//
//	id (8 bytes)  flags (2)  count (2)  overflow (4): the pages that follow and belong to it
//
// Pages 0 and 1 are metas: the one with the higher transaction is the valid
// tree. A branch page has count elements (position of the key 4, its size 4,
// child page 8), a leaf page has (flags 4, position 4, key size 4, value size 4);
// positions count from the element. Keys and values follow the last element
// without gaps, so that a wrong count shows; behind the last of them are zeros. The
// value of a bucket is (root page 8, sequence 8), with the leaf page itself behind
// it if root is 0.
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64
	bucketSize  = 16

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = ^uint64(0)

	longFreelist = 0xFFFF
)

var order = binary.NativeEndian

type meta struct {
	pageSize       uint32
	root, freelist uint64
	pages, txid    uint64
}

// damage is ErrDamaged with the place.
func damage(format string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrDamaged, fmt.Sprintf(format, args...))
}

// check reads every page that bbolt can reach and refuses what would lead it
// astray. Both metas must be sound: if the newer one is not, bbolt would take
// the other, and what was committed last would be gone without a word.
func check(f io.ReaderAt, size int64, buckets []string) error {
	var metas [2]meta
	for i := range metas {
		m, err := readMeta(f, int64(i)*int64(metas[0].pageSize), uint64(i))
		if err != nil {
			return err
		}
		metas[i] = m
	}
	m := metas[0]
	if metas[1].txid > m.txid {
		m = metas[1]
	}
	if metas[0].pageSize != metas[1].pageSize || m.pages > uint64(size)/uint64(m.pageSize) {
		return damage("it has %d bytes, and should have %d pages of %d", size, m.pages, m.pageSize)
	}
	w := walk{file: f, meta: m, buckets: buckets, used: make([]bool, m.pages)}
	w.used[0], w.used[1] = true, true
	if err := w.tree(m.root, nil, nil); err != nil {
		return err
	}
	return w.freelist()
}

func readMeta(f io.ReaderAt, at int64, id uint64) (meta, error) {
	b := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(b, at); err != nil {
		return meta{}, unreadable("meta page", id, err)
	}
	page, b := b, b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	m := meta{
		pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	if order.Uint64(page) != id || order.Uint16(page[8:]) != metaPage || order.Uint32(b) != boltMagic ||
		order.Uint32(b[4:]) != boltVersion || order.Uint64(b[56:]) != sum.Sum64() || m.pageSize < 512 || m.pages < 4 {
		return meta{}, damage("meta page %d", id)
	}
	return m, nil
}

func unreadable(what string, id uint64, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damage("%s %d is cut", what, id)
	}
	return fmt.Errorf("read %s %d: %w", what, id, err)
}

// walk visits the pages of a tree of buckets, which nest no further.
type walk struct {
	file    io.ReaderAt
	meta    meta
	buckets []string // that there may be
	inside  bool     // one of them, and no longer in the tree of buckets
	used    []bool   // pages that were visited
}

// page reads a page, with those that belong to it, and takes them.
func (w *walk) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.pages {
		return nil, damage("page %d of %d", id, w.meta.pages)
	}
	header := make([]byte, pageHeader)
	at := int64(id) * int64(w.meta.pageSize)
	if _, err := w.file.ReadAt(header, at); err != nil {
		return nil, unreadable("page", id, err)
	}
	more := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || id+more >= w.meta.pages {
		return nil, damage("page %d", id)
	}
	for i := id; i <= id+more; i++ {
		if w.used[i] {
			return nil, damage("page %d is used twice", i)
		}
		w.used[i] = true
	}
	page := make([]byte, (more+1)*uint64(w.meta.pageSize))
	if _, err := w.file.ReadAt(page, at); err != nil {
		return nil, unreadable("page", id, err)
	}
	return page, nil
}

// tree checks the page and what is below it. Its keys are from low up to, and
// without, high; nil is no bound.
func (w *walk) tree(id uint64, low, high []byte) error {
	page, err := w.page(id)
	if err != nil {
		return err
	}
	switch order.Uint16(page[8:]) {
	case leafPage:
		if order.Uint16(page[10:]) == 0 && (low != nil || high != nil) {
			return damage("page %d is empty", id)
		}
		return w.leaf(page, id, low, high)
	case branchPage:
		return w.branch(page, id, low, high)
	}
	return damage("page %d is neither leaf nor branch", id)
}

func (w *walk) branch(page []byte, id uint64, low, high []byte) error {
	count := int(order.Uint16(page[10:]))
	if count == 0 || pageHeader+count*elementSize > len(page) {
		return damage("page %d has %d children", id, count)
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	next := pageHeader + count*elementSize
	for i := range count {
		at := pageHeader + i*elementSize
		key, ok := cut(page, at, order.Uint32(page[at:]), order.Uint32(page[at+4:]), &next)
		if !ok || !between(key, low, high) || i > 0 && bytes.Compare(keys[i-1], key) >= 0 {
			return damage("page %d, key %d", id, i)
		}
		keys[i], children[i] = key, order.Uint64(page[at+8:])
	}
	for i, child := range children {
		end := high
		if i+1 < count {
			end = keys[i+1]
		}
		if err := w.tree(child, keys[i], end); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page, or one inside a value.
func (w *walk) leaf(page []byte, id uint64, low, high []byte) error {
	count := int(order.Uint16(page[10:]))
	next := pageHeader + count*elementSize
	if next > len(page) || count == 0 && bytes.ContainsFunc(page[next:], func(r rune) bool { return r != 0 }) {
		return damage("page %d has %d keys", id, count)
	}
	var last []byte
	for i := range count {
		at := pageHeader + i*elementSize
		pos, keySize := order.Uint32(page[at+4:]), order.Uint32(page[at+8:])
		key, ok := cut(page, at, pos, keySize, &next)
		value, ok2 := cut(page, at+int(keySize), pos, order.Uint32(page[at+12:]), &next)
		if !ok || !ok2 || !between(key, low, high) || i > 0 && bytes.Compare(last, key) >= 0 {
			return damage("page %d, key %d", id, i)
		}
		last = key
		switch flags := order.Uint32(page[at:]); {
		case flags == 0 && w.inside:
		case flags == 1 && !w.inside && slices.Contains(w.buckets, string(key)):
			if err := w.bucket(value, id); err != nil {
				return err
			}
		default:
			return damage("page %d, kind or name of key %d", id, i)
		}
	}
	return nil
}

func (w *walk) bucket(value []byte, id uint64) error {
	w.inside = true
	defer func() { w.inside = false }()
	if len(value) < bucketSize {
		return damage("page %d, a bucket of %d bytes", id, len(value))
	}
	if root := order.Uint64(value); root != 0 {
		return w.tree(root, nil, nil)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return damage("page %d, a bucket without its page", id)
	}
	return w.leaf(inline, id, nil, nil)
}

// freelist checks the list of free pages. Its length stands in the head of the
// page, or, if it does not fit there, before the list.
func (w *walk) freelist() error {
	if w.meta.freelist == noFreelist {
		return damage("it has no freelist")
	}
	page, err := w.page(w.meta.freelist)
	if err != nil {
		return err
	}
	count, list := uint64(order.Uint16(page[10:])), page[pageHeader:]
	if count == longFreelist {
		count, list = order.Uint64(list), list[8:]
	}
	if order.Uint16(page[8:]) != freelistPage || count > uint64(len(list)/8) {
		return damage("page %d is no freelist", w.meta.freelist)
	}
	for i := range count {
		free := order.Uint64(list[8*i:])
		if free < 2 || free >= w.meta.pages || w.used[free] {
			return damage("page %d is free and in use", free)
		}
		w.used[free] = true
	}
	return nil
}

// cut is what an element says is at next, and moves that behind it.
func cut(page []byte, at int, pos, size uint32, next *int) ([]byte, bool) {
	from := uint64(at) + uint64(pos)
	to := from + uint64(size)
	if to > uint64(len(page)) || from != uint64(*next) {
		return nil, false
	}
	*next = int(to)
	return page[from:to], true
}

func between(key, low, high []byte) bool {
	return (low == nil || bytes.Compare(low, key) <= 0) && (high == nil || bytes.Compare(key, high) < 0)
}
