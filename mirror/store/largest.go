package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/internal/disk"
)

// Largest returns the size of an object in the staged packs that has more than most
// bytes and is no delta, or 0. Only what takes enough room in its pack is looked at:
// zlib makes no more than 1032 bytes of one.
func (s *Staging) Largest(most int64) (int64, error) {
	indexes, err := matching(s.repo.disk, filepath.Join(s.dir, "objects/pack"), "pack-*.idx")
	if err != nil {
		return 0, err
	}
	var largest int64
	for _, index := range indexes {
		n, err := largestIn(s.repo.disk, index, most)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Base(index), err)
		}
		largest = max(largest, n)
	}
	return largest, nil
}

func largestIn(d *disk.Disk, index string, most int64) (int64, error) {
	const ratio, trailer = 1032, 20
	offsets, err := offsetsOf(d, index)
	if err != nil {
		return 0, err
	}
	pack, err := d.Open(strings.TrimSuffix(index, ".idx") + ".pack")
	if err != nil {
		return 0, err
	}
	defer pack.Close()
	info, err := pack.Stat()
	if err != nil {
		return 0, err
	}
	slices.Sort(offsets)
	offsets = append(offsets, info.Size()-trailer)
	for i, at := range offsets[:len(offsets)-1] {
		if offsets[i+1]-at <= most/ratio {
			continue
		}
		size, err := sizeAt(pack, at)
		if err != nil {
			return 0, err
		}
		if size > most {
			return size, nil
		}
	}
	return 0, nil
}

// sizeAt reads the header of a pack's object (gitformat-pack(5)): the size of one that
// is no delta, else 0.
func sizeAt(pack io.ReaderAt, at int64) (int64, error) {
	const ofsDelta = 6
	var head [9]byte
	n, err := pack.ReadAt(head[:], at)
	if err != nil && err != io.EOF {
		return 0, err
	}
	kind, size := head[0]>>4&7, int64(head[0]&15)
	for i, shift := 0, 4; head[i]&0x80 != 0 && i+1 < n; shift += 7 {
		i++
		size |= int64(head[i]&0x7f) << shift
	}
	if kind >= ofsDelta {
		return 0, nil
	}
	return size, nil
}

// offsetsOf reads where objects begin, from an index of version 2.
func offsetsOf(d *disk.Disk, index string) ([]int64, error) {
	data, err := d.ReadFile(index)
	if err != nil {
		return nil, err
	}
	const header, fanout, oid, crc = 8, 256 * 4, 20, 4
	if len(data) < header+fanout || !bytes.HasPrefix(data, []byte("\xfftOc\x00\x00\x00\x02")) {
		return nil, errors.New("not an index of version 2")
	}
	n := int(binary.BigEndian.Uint32(data[header+fanout-4:]))
	small := header + fanout + n*(oid+crc)
	if large := small + 4*n; len(data) >= large {
		offsets := make([]int64, n)
		for i := range offsets {
			at := binary.BigEndian.Uint32(data[small+4*i:])
			offsets[i] = int64(at)
			if at&(1<<31) != 0 {
				where := large + 8*int(at&^(1<<31))
				if len(data) < where+8 {
					return nil, errors.New("it is too short")
				}
				offsets[i] = int64(binary.BigEndian.Uint64(data[where:]))
			}
		}
		return offsets, nil
	}
	return nil, errors.New("it is too short")
}

// Size is how many bytes the repository's packs have, with their indexes, without those that
// are on their way out.
func (r *Repo) Size() (n int64) {
	entries, err := r.disk.ReadDir(r.packDir())
	if err != nil {
		return 0
	}
	leaves := r.superseded()
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), hiddenMark); ok {
			leaves[base] = true
		}
	}
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name(), ".")
		if info, err := e.Info(); err == nil && !leaves[base] {
			n += info.Size()
		}
	}
	return n
}
