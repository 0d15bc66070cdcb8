package maintain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"gitmirror/internal/disk"
)

// An index of version 2 (gitformat-pack(5)) begins with eight bytes and 256 counts of objects,
// the last of which is that of all. Their ids follow, sorted.
const (
	indexHead = 8
	fanout    = 256 * 4
	idBytes   = 20
)

var (
	indexMagic = []byte("\xfftOc\x00\x00\x00\x02")
	errIndex   = errors.New("not an index of version 2")
)

func indexPath(dir, pack string) string { return filepath.Join(dir, "objects/pack", pack+".idx") }

// openIndex opens the index of a pack, and reads how many objects it has.
func openIndex(d *disk.Disk, dir, pack string) (*disk.File, int, error) {
	f, err := d.Open(indexPath(dir, pack))
	if err != nil {
		return nil, 0, err
	}
	head := make([]byte, indexHead+fanout)
	if _, err := io.ReadFull(f, head); err != nil || !bytes.HasPrefix(head, indexMagic) {
		_ = f.Close()
		return nil, 0, fmt.Errorf("%s: %w", pack, errIndex)
	}
	return f, int(binary.BigEndian.Uint32(head[len(head)-4:])), nil
}

// ids are those of the objects of a pack, sorted.
func ids(d *disk.Disk, dir, pack string) ([]byte, error) {
	f, n, err := openIndex(d, dir, pack)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	table := make([]byte, n*idBytes)
	if _, err := io.ReadFull(f, table); err != nil {
		return nil, fmt.Errorf("%s: %w", pack, errIndex)
	}
	return table, nil
}

// has tells whether a repository that has no alternates has an object, in a pack or loose, whether
// it can be read or not.
func has(d *disk.Disk, dir, oid string) (bool, error) {
	id, err := hex.DecodeString(oid)
	if err != nil {
		return false, err
	}
	if _, err := d.Lstat(filepath.Join(dir, "objects", oid[:2], oid[2:])); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	files, err := d.ReadDir(filepath.Join(dir, "objects/pack"))
	if err != nil {
		return false, err
	}
	for _, f := range files {
		pack, ok := strings.CutSuffix(f.Name(), ".idx")
		if !ok {
			continue
		}
		if here, err := hasPacked(d, dir, pack, id); here || err != nil {
			return here, err
		}
	}
	return false, nil
}

func hasPacked(d *disk.Disk, dir, pack string, id []byte) (bool, error) {
	f, n, err := openIndex(d, dir, pack)
	if err != nil {
		return false, err
	}
	defer f.Close()
	at := make([]byte, idBytes)
	_, here := sort.Find(n, func(i int) int {
		if _, rerr := f.ReadAt(at, indexHead+fanout+int64(i)*idBytes); rerr != nil {
			err = fmt.Errorf("%s: %w: %w", pack, errIndex, rerr)
		}
		return bytes.Compare(id, at)
	})
	return here && err == nil, err
}

// tableOf is the table of ids that are written out.
func tableOf(oids []string) ([]byte, error) {
	return hex.DecodeString(strings.Join(slices.Sorted(slices.Values(oids)), ""))
}

// within tells whether every id of one table is in one of the others.
func within(some []byte, others [][]byte) bool {
	at := make([]int, len(others))
	for ; len(some) > 0; some = some[idBytes:] {
		found := false
		for i, o := range others {
			for at[i] < len(o) && bytes.Compare(o[at[i]:at[i]+idBytes], some[:idBytes]) < 0 {
				at[i] += idBytes
			}
			found = found || at[i] < len(o) && bytes.Equal(o[at[i]:at[i]+idBytes], some[:idBytes])
		}
		if !found {
			return false
		}
	}
	return true
}

// mapped reads which packs a multi-pack-index names: its chunk PNAM has their names, each with
// a zero behind it.
func mapped(d *disk.Disk, dir string) ([]string, error) {
	const head, entry, mostNames = 12, 12, 1 << 20
	f, err := d.Open(filepath.Join(dir, "objects/pack/multi-pack-index"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	damaged := errors.New("the multi-pack-index cannot be read")
	begin := make([]byte, head)
	if _, err := io.ReadFull(f, begin); err != nil || string(begin[:4]) != "MIDX" {
		return nil, damaged
	}
	chunks := make([]byte, (int(begin[6])+1)*entry)
	if _, err := io.ReadFull(f, chunks); err != nil {
		return nil, damaged
	}
	for ; len(chunks) >= 2*entry; chunks = chunks[entry:] {
		if string(chunks[:4]) != "PNAM" {
			continue
		}
		from, to := int64(binary.BigEndian.Uint64(chunks[4:])), int64(binary.BigEndian.Uint64(chunks[entry+4:]))
		if from < 0 || to < from || to-from > mostNames {
			return nil, damaged
		}
		names := make([]byte, to-from)
		if _, err := f.ReadAt(names, from); err != nil {
			return nil, damaged
		}
		packs := []string{}
		for _, name := range strings.Split(string(names), "\x00") {
			if base, ok := strings.CutSuffix(name, ".idx"); ok {
				packs = append(packs, base)
			}
		}
		return packs, nil
	}
	return nil, damaged
}
