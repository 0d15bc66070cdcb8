package gogit

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/store"
)

// Join makes a pack in staging of all that some packs and loose objects of the repository in dir
// have. Objects are taken as they lie there, and each is put together again before the pack gets
// its name.
func (o *Objects) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) (err error) {
	r, err := o.open(dir)
	if err != nil {
		return err
	}
	defer r.close()
	all, err := o.packs(dir)
	if err != nil {
		return err
	}
	defer closeAll(all)
	joined := slices.DeleteFunc(slices.Clone(all), func(p *packFile) bool {
		return !slices.Contains(packs, strings.TrimSuffix(filepath.Base(p.file.Name()), ".pack"))
	})
	ids := hashes(loose)
	for _, p := range joined {
		for i := range p.n {
			ids = append(ids, p.id(i))
		}
	}
	file, err := o.disk.OpenFile(filepath.Join(st.Dir(), "objects/pack", "tmp_pack_joined"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, 256<<10)
	if err := (&sending{ctx: ctx, w: out, sum: sha1.New(), reader: r, packs: joined, buf: make([]byte, 32<<10)}).all(ids); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	made := &intake{ctx: ctx, file: file, memory: o.memory, over: o.tooMuch, look: func(plumbing.Hash, plumbing.ObjectType, []byte) error { return nil }}
	if err := made.scan(bufio.NewReaderSize(io.NewSectionReader(file, 0, info.Size()), 64<<10)); err != nil {
		return err
	}
	if err := made.resolve(); err != nil {
		return err
	}
	_, err = made.finish(o.disk)
	return err
}
