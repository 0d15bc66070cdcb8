package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

var sampleBuckets = []string{"log", "conf", "small"}

// sample writes a file with two buckets of several levels, and a small one.
func sample(t *testing.T, path string) {
	t.Helper()
	db, err := Open(nil, path, sampleBuckets...)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 { // so that there are free pages
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, name := range sampleBuckets {
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				for i := range map[string]int{"log": 400, "conf": 40, "small": 2}[name] {
					if err := b.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 100+i%7*20*round)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// use reads and writes all of a file.
func use(path string) error {
	db, err := Open(nil, path, sampleBuckets...)
	if err != nil {
		return err
	}
	err = Guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(k, v []byte) error { return nil })
			})
		})
	})
	return errors.Join(err, db.Close())
}

func TestASoundFileOpens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	for range 3 { // new, then twice used
		sample(t, path)
		if err := use(path); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever happens to a file, opening it ends in an error or in a file that can
// be used: nothing here may end the test binary.
func TestNoDamageEndsTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	sample(t, path)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	noticed := map[string]int{}
	for name, spoil := range map[string]func(b []byte) []byte{
		"a bit": func(b []byte) []byte {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			return b
		},
		"a bit of a page's head": func(b []byte) []byte {
			b[random.IntN(len(b)/4096)*4096+random.IntN(200)] ^= 1 << random.IntN(8)
			return b
		},
		"a page of zeros": func(b []byte) []byte {
			clear(b[random.IntN(len(b)/4096)*4096:][:4096])
			return b
		},
		"another page": func(b []byte) []byte {
			copy(b[random.IntN(len(b)/4096)*4096:], b[random.IntN(len(b)/4096)*4096:][:4096])
			return b
		},
		"cut":     func(b []byte) []byte { return b[:1+random.IntN(len(b)-1)] },
		"garbage": func(b []byte) []byte { return []byte(fmt.Sprintf("%0*d", 1+random.IntN(20_000), 7)) },
	} {
		for range 150 {
			if err := os.WriteFile(path, spoil(append([]byte(nil), sound...)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := use(path); errors.Is(err, ErrDamaged) {
				noticed[name]++
			} else if err != nil {
				t.Fatalf("%s: %v, want ErrDamaged or nothing", name, err)
			}
		}
	}
	for name, atLeast := range map[string]int{"a bit of a page's head": 15, "a page of zeros": 30, "another page": 30, "cut": 60, "garbage": 150} {
		if noticed[name] < atLeast {
			t.Errorf("%s: noticed %d times of 150, want at least %d", name, noticed[name], atLeast)
		}
	}
}

// A damaged count or name must not make keys vanish.
func TestNoKeyVanishes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := Open(nil, path, sampleBuckets...)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for i, name := range []string{"conf", "log"} { // one inline, one with a page of its own
			b, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			if err := b.Put([]byte("key"), make([]byte, 100+3000*i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := func() (n int, err error) {
		db, err := Open(nil, path, sampleBuckets...)
		if err != nil {
			return 0, err
		}
		err = View(db, func(tx *bbolt.Tx) error {
			for _, name := range []string{"conf", "log"} {
				if b := tx.Bucket([]byte(name)); b != nil {
					_ = b.ForEach(func(k, v []byte) error { n++; return nil })
				}
			}
			return nil
		})
		return n, errors.Join(err, db.Close())
	}
	if n, err := found(); n != 2 || err != nil {
		t.Fatalf("%d keys, %v", n, err)
	}
	for i := range 8 * 4096 * 6 {
		at := 2*4096 + i/8 // behind the metas
		if at%4096 >= 100 {
			continue // values
		}
		spoiled := bytes.Clone(sound)
		spoiled[at] ^= 1 << (i % 8)
		if check(bytes.NewReader(spoiled), int64(len(spoiled)), sampleBuckets) != nil {
			continue
		}
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := found(); err == nil && n != 2 {
			t.Fatalf("bit %d of byte %d of page %d: %d keys are left", i%8, at%4096, at/4096, n)
		}
	}
}

func TestAFileInUseIsNotCalledDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := Open(nil, path, sampleBuckets...)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := Open(nil, path, sampleBuckets...); !errors.Is(err, ErrInUse) {
		t.Errorf("opened with %v, want ErrInUse", err)
	}
}

// A file that is cut while it is open faults the memory map.
func TestAFaultIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	sample(t, path)
	db, err := Open(nil, path, sampleBuckets...)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	err = Guard(func() error {
		tx, err := db.Begin(false)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return tx.Bucket([]byte("log")).ForEach(func(k, v []byte) error { return nil })
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}
