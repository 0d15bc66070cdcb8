package proof

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/internal/disk"
)

const (
	sealBytes = sha1.Size
	packDir   = "pack/"
	graph     = "info/commit-graph"
	midx      = "multi-pack-index"
)

// ErrBroken says that a file is not what was written once.
var ErrBroken = errors.New("its checksum is another")

// Seal reads a file to its end, at the lowest priority, and returns the checksum that is there, in
// hex. An error that is ErrBroken says that this is not the one of the rest.
func Seal(ctx context.Context, d *disk.Disk, path string) (seal string, err error) {
	gently(func() { seal, err = sealed(ctx, d, path) })
	return seal, err
}

func sealed(ctx context.Context, d *disk.Disk, path string) (string, error) {
	file, err := d.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	broken := fmt.Errorf("%s: %w", filepath.Base(path), ErrBroken)
	left := info.Size() - sealBytes
	if left < 0 {
		return "", broken
	}
	sum, chunk, end := sha1.New(), make([]byte, 256<<10), make([]byte, sealBytes)
	for left > 0 {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := io.ReadFull(file, chunk[:min(left, int64(len(chunk)))])
		if err != nil {
			return "", unread(broken, err)
		}
		sum.Write(chunk[:n])
		left -= int64(n)
	}
	if _, err := io.ReadFull(file, end); err != nil {
		return "", unread(broken, err)
	}
	if !bytes.Equal(sum.Sum(nil), end) {
		return "", broken
	}
	return hex.EncodeToString(end), nil
}

// unread is what a file comes to that ends too early, or cannot be read.
func unread(broken, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return broken
	}
	return err
}

// End is the seal of a file that was just written: it is not compared with anything.
func End(d *disk.Disk, path string) (string, error) {
	file, err := d.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	end := make([]byte, sealBytes)
	if info.Size() < sealBytes {
		return "", fmt.Errorf("%s: %w", filepath.Base(path), ErrBroken)
	}
	if _, err := file.ReadAt(end, info.Size()-sealBytes); err != nil {
		return "", err
	}
	return hex.EncodeToString(end), nil
}

// Made are the files of packs that were just made in the repository in dir.
func Made(d *disk.Disk, dir string, packs []string) (files []File, err error) {
	for _, p := range packs {
		for _, ext := range []string{".pack", ".idx"} {
			seal, err := End(d, filepath.Join(dir, "objects", packDir, p+ext))
			if err != nil {
				return nil, err
			}
			files = append(files, File{packDir + p + ext, seal, true})
		}
	}
	return files, nil
}

// names are the files of a copy that end with a seal, as far as git reads them: of a pack
// without an index it reads nothing. loose tells whether there are objects in no pack.
type names struct {
	packs  []string // without what follows the dot
	files  []string
	charts []string
	beside []string // what git makes anew of a pack where it is not there
	loose  bool
}

func list(d *disk.Disk, dir string) (n names, err error) {
	objects := filepath.Join(dir, "objects")
	entries, err := d.ReadDir(filepath.Join(objects, packDir))
	if err != nil {
		return n, err
	}
	indexed := map[string]bool{}
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
			indexed[base] = true
		}
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		base := strings.TrimSuffix(e.Name(), ext)
		switch {
		case e.Name() == midx || strings.HasPrefix(base, midx+"-") && (ext == ".bitmap" || ext == ".rev"):
			n.charts = append(n.charts, packDir+e.Name())
		case !indexed[base]:
		case ext == ".pack":
			n.packs = append(n.packs, base)
			n.files = append(n.files, packDir+e.Name())
		case ext == ".idx":
			n.files = append(n.files, packDir+e.Name())
		case ext == ".rev" || ext == ".bitmap" || ext == ".mtimes":
			n.beside = append(n.beside, packDir+e.Name())
		}
	}
	if _, err := d.Lstat(filepath.Join(objects, graph)); err == nil {
		n.charts = append(n.charts, graph)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	dirs, err := d.ReadDir(objects)
	if err != nil {
		return n, err
	}
	n.loose = slices.ContainsFunc(dirs, func(e fs.DirEntry) bool { return len(e.Name()) == 2 })
	return n, nil
}

// seals reads files, but for those that have gone meanwhile.
func seals(ctx context.Context, d *disk.Disk, dir string, names []string) (files []File, err error) {
	for _, name := range names {
		seal, err := Seal(ctx, d, filepath.Join(dir, "objects", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: name, Seal: seal})
	}
	return files, nil
}
