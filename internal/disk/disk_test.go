package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/disk"
)

// operations are all that can be done, each in a directory of its own that has a file f.
var operations = map[string]func(d *disk.Disk, dir string) error{
	"Open": func(d *disk.Disk, dir string) error { return closed(d.Open(dir + "/f")) },
	"OpenFile": func(d *disk.Disk, dir string) error {
		return closed(d.OpenFile(dir+"/g", os.O_WRONLY|os.O_CREATE, 0o600))
	},
	"CreateTemp": func(d *disk.Disk, dir string) error { return closed(d.CreateTemp(dir, "t.")) },
	"ReadFile":   func(d *disk.Disk, dir string) error { _, err := d.ReadFile(dir + "/f"); return err },
	"WriteFile":  func(d *disk.Disk, dir string) error { return d.WriteFile(dir+"/g", []byte("g"), 0o600) },
	"ReadDir":    func(d *disk.Disk, dir string) error { _, err := d.ReadDir(dir); return err },
	"MkdirAll":   func(d *disk.Disk, dir string) error { return d.MkdirAll(dir+"/d/e", 0o700) },
	"MkdirTemp":  func(d *disk.Disk, dir string) error { _, err := d.MkdirTemp(dir, "d."); return err },
	"Rename":     func(d *disk.Disk, dir string) error { return d.Rename(dir+"/f", dir+"/g") },
	"Remove":     func(d *disk.Disk, dir string) error { return d.Remove(dir + "/f") },
	"RemoveAll":  func(d *disk.Disk, dir string) error { return d.RemoveAll(dir) },
	"Stat":       func(d *disk.Disk, dir string) error { _, err := d.Stat(dir + "/f"); return err },
	"Lstat":      func(d *disk.Disk, dir string) error { _, err := d.Lstat(dir + "/f"); return err },
	"Sync":       func(d *disk.Disk, dir string) error { return d.Sync(dir) },
	"Usage":      func(d *disk.Disk, dir string) error { _, err := d.Usage(dir); return err },
	"Read":       onFile(func(f *disk.File) error { _, err := f.Read(make([]byte, 1)); return err }),
	"ReadAt":     onFile(func(f *disk.File) error { _, err := f.ReadAt(make([]byte, 1), 0); return err }),
	"Write":      onFile(func(f *disk.File) error { _, err := f.Write([]byte("w")); return err }),
	"WriteAt":    onFile(func(f *disk.File) error { _, err := f.WriteAt([]byte("w"), 0); return err }),
	"File.Sync":  onFile((*disk.File).Sync),
	"Allocate":   onFile(func(f *disk.File) error { return f.Allocate(4096) }),
	"Announce":   func(d *disk.Disk, dir string) error { return d.Announce("append", dir) },
}

func closed(f *disk.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}

// onFile does something to a file that was opened, and is past what opening it may meet.
func onFile(call func(f *disk.File) error) func(d *disk.Disk, dir string) error {
	return func(d *disk.Disk, dir string) error {
		f, err := d.OpenFile(dir+"/f", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(call(f), f.Close())
	}
}

// Everything can be done on a disk that is nil, and on one whose before lets it be done.
func TestADiskDoesWhatTheMachineDoes(t *testing.T) {
	for name, call := range operations {
		for _, d := range []*disk.Disk{nil, disk.New(func(disk.Op) error { return nil })} {
			if err := call(d, sample(t)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Whatever is done is announced first, and is not done where that ends in an error.
func TestNothingIsDoneThatWasRefused(t *testing.T) {
	no := errors.New("no")
	for name, call := range operations {
		dir, asked := sample(t), 0
		err := call(disk.New(func(op disk.Op) error {
			if asked++; op.Name == "" || !filepath.IsAbs(op.Path) {
				t.Errorf("%s is announced as %+v", name, op)
			}
			if op.Name == "open" && name != "Open" && name != "OpenFile" { // on the way
				return nil
			}
			return no
		}), dir)
		if !errors.Is(err, no) || asked == 0 {
			t.Errorf("%s: %v, after %d announcements", name, err, asked)
		}
		entries, err := os.ReadDir(dir)
		data, _ := os.ReadFile(dir + "/f")
		if err != nil || len(entries) != 1 || string(data) != "f" {
			t.Errorf("%s was done: %v, %q, %v", name, entries, data, err)
		}
	}
}

// What is announced comes with the path, so that a world can tell the log from the copies.
func TestAnErrorLooksLikeTheMachines(t *testing.T) {
	var at *os.PathError
	err := disk.New(func(disk.Op) error { return os.ErrPermission }).Remove("/x/y")
	if !errors.As(err, &at) || at.Path != "/x/y" || at.Op != "remove" || !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
}

func TestOneLocksAFile(t *testing.T) {
	var d *disk.Disk
	dir := sample(t)
	for _, want := range []bool{true, false} {
		f, err := d.Open(dir + "/f")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if free, err := f.TryLock(); err != nil || free != want {
			t.Errorf("locked: %v, %v, want %v", free, err, want)
		}
	}
}

func TestUsageIsTheFileSystems(t *testing.T) {
	var d *disk.Disk
	u, err := d.Usage(t.TempDir())
	if err != nil || u.FreePercent <= 0 || u.FreePercent > 100 || u.FreeBytes == 0 || u.Bytes < u.FreeBytes {
		t.Errorf("%+v, %v", u, err)
	}
}

func sample(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("f"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
