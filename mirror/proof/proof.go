// Package proof remembers what was proved of the objects of a copy, and by which files, so that
// it is not proved again for as long as these are the same.
//
// What was found in bytes once is in the same bytes the next day: that each object of a pack can be
// put together and has its name, that an index leads to them, and that nothing is missing of
// what tips lead to. So a copy is read each day as a stream of bytes, which is cheap, and only what has come
// since is taken apart. It promises that whatever makes a file differ by a bit is noticed when that
// is done, by the SHA-1 that git has put at its end; not that the first proof was right, which
// those who check each object find out.
package proof

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// Proof is what follows from files of a copy: where each of them is there with its seal, and those
// that are new can be read, nothing is missing of what Whole leads to. The zero Proof says
// nothing.
type Proof struct {
	Files  []File
	Charts []File   // of which a pack was made as a clone would get it: what was proved does not follow from them
	Whole  []string // ids of objects, sorted
}

// File is a file of the directory objects of a copy.
type File struct {
	Name string // in it
	Seal string // the SHA-1 of all before that git has put at its end, in hex
	New  bool   // what is in it has not been looked at
}

func (f File) is(other File) bool { return f.Name == other.Name && f.Seal == other.Seal }

// Empty tells whether it says nothing.
func (p Proof) Empty() bool { return len(p.Files) == 0 }

// A proof is a line of what it is, with a checksum of the others (CRC-32C, in hex), and then a line for
// each file and for each object:
//
//	gitmirror proof 1 5d0c2a91
//	file 9f0c… pack/pack-9f0c….pack
//	new 4b1c… pack/pack-9f0c….idx
//	chart 77aa… info/commit-graph
//	whole 1c44…
const magic = "gitmirror proof 1 "

var (
	errDamaged = errors.New("what is remembered of a proof cannot be read")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Encode writes a proof.
func (p Proof) Encode() []byte {
	var b strings.Builder
	for _, f := range p.Files {
		word := "file"
		if f.New {
			word = "new"
		}
		fmt.Fprintf(&b, "%s %s %s\n", word, f.Seal, f.Name)
	}
	for _, f := range p.Charts {
		fmt.Fprintf(&b, "chart %s %s\n", f.Seal, f.Name)
	}
	for _, oid := range p.Whole {
		b.WriteString("whole " + oid + "\n")
	}
	return []byte(magic + sumOf(b.String()) + "\n" + b.String())
}

func sumOf(lines string) string {
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(lines), castagnoli))
}

// Decode reads one.
func Decode(data []byte) (p Proof, err error) {
	head, lines, _ := strings.Cut(string(data), "\n")
	if sum, ok := strings.CutPrefix(head, magic); !ok || sum != sumOf(lines) {
		return Proof{}, errDamaged
	}
	for line := range strings.Lines(lines) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		seal, name, named := strings.Cut(rest, " ")
		if raw, err := hex.DecodeString(seal); err != nil || len(raw) != sealBytes || named == (word == "whole") {
			return Proof{}, errDamaged
		}
		switch word {
		case "file", "new":
			p.Files = append(p.Files, File{name, seal, word == "new"})
		case "chart":
			p.Charts = append(p.Charts, File{Name: name, Seal: seal})
		case "whole":
			p.Whole = append(p.Whole, seal)
		default:
			return Proof{}, errDamaged
		}
	}
	return p, nil
}

// Replaced is what is still proved when packs have gone of which others, that are whole in made, have
// each object. What is in these has not been looked at.
func (p Proof) Replaced(gone []string, made []File) Proof {
	if p.Empty() {
		return p
	}
	files := slices.DeleteFunc(slices.Clone(p.Files), func(f File) bool {
		return slices.ContainsFunc(gone, func(pack string) bool { return strings.HasPrefix(f.Name, packDir+pack+".") })
	})
	for _, m := range made {
		if !slices.ContainsFunc(files, m.is) {
			files = append(files, m)
		}
	}
	return Proof{files, p.Charts, p.Whole}
}
