package boltfile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

func openWith(path string, change func(*bbolt.Options)) (db *bbolt.DB, err error) {
	err = OpenBy(nil, path, sampleBuckets, func(options *bbolt.Options) (err error) {
		change(options)
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	return db, err
}

// bbolt would make one up, in a goroutine that nobody guards.
func TestAFileWithoutAFreelistIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := openWith(path, func(o *bbolt.Options) { o.NoFreelistSync = true })
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("log"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := use(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened with %v, want ErrDamaged", err)
	}
}

// More free pages than a page's head can count.
func TestALongFreelist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	const pageSize, pages = 512, 66_500
	db, err := openWith(path, func(o *bbolt.Options) { o.PageSize, o.NoSync = pageSize, true })
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{pages * pageSize, 1, 2} { // free what was written
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("log"))
			if err != nil {
				return err
			}
			return b.Put([]byte("key"), make([]byte, size))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if free := db.Stats().FreePageN + db.Stats().PendingPageN; free <= longFreelist {
		t.Fatalf("%d pages are free, want more than %d", free, longFreelist)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := use(path); err != nil {
		t.Fatalf("it is sound: %v", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := newestMeta(f, pageSize)
	if err != nil {
		t.Fatal(err)
	}
	// bbolt would try to make room for a list of that length.
	if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, 1<<40), int64(m.freelist)*pageSize+pageHeader); err != nil {
		t.Fatal(err)
	}
	if err := use(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened with %v, want ErrDamaged", err)
	}
}

// bbolt makes a file larger in advance: only what it has used must be there.
func TestACutFileIsRefusedIfAnythingIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	sample(t, path)
	pageSize := int64(os.Getpagesize())
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := newestMeta(f, pageSize)
	if err != nil {
		t.Fatal(err)
	}
	used := int64(m.pages) * pageSize
	if err := os.Truncate(path, used); err != nil {
		t.Fatal(err)
	}
	if err := use(path); err != nil {
		t.Errorf("nothing is lost: %v", err)
	}
	if err := os.Truncate(path, used-1); err != nil {
		t.Fatal(err)
	}
	if err := use(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened with %v, want ErrDamaged", err)
	}
}

func newestMeta(f *os.File, pageSize int64) (meta, error) {
	first, err := readMeta(f, 0, 0)
	second, err2 := readMeta(f, pageSize, 1)
	if second.txid > first.txid {
		first = second
	}
	return first, errors.Join(err, err2)
}
