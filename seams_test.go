package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seams are what one package alone may call, so that all of the product goes through it.
// Tests and what drives the product from outside are free.
var seams = []struct {
	what    string
	rooms   []string // packages that are held to it, all where there are none
	calls   []string // package.Name, or package.Prefix*
	allowed []string // packages
	outside []string // packages that are not held to it
}{
	{"time", []string{"mirror", "mirror/maintain", "mirror/schedule", "mirror/sync"}, []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After*", "time.NewTimer", "time.NewTicker", "time.Tick"},
		[]string{"internal/clock"}, nil},
	{"the network", nil, []string{"net.Listen*", "net.Dial*", "net.Lookup*", "net.Resolve*", "net.DefaultResolver", "http.ListenAndServe*", "http.Get", "http.Post", "http.Head", "http.DefaultClient", "http.DefaultTransport"},
		[]string{"internal/network"}, nil},
	// git's own files, and what drives nodes from outside, are not the node's disk.
	{"the disk", nil, []string{"os.Open*", "os.Create*", "os.Mkdir*", "os.ReadFile", "os.WriteFile", "os.ReadDir", "os.Remove*", "os.Rename", "os.Stat", "os.Lstat", "os.Link", "os.Symlink",
		"os.Readlink", "os.Truncate", "os.Chmod", "os.Chown", "os.Chtimes", "os.CopyFS", "os.DirFS", "ioutil.*", "filepath.Walk*", "filepath.Glob", "filepath.EvalSymlinks",
		"syscall.Open", "syscall.Statfs", "syscall.Fallocate", "syscall.Flock", "unix.Open*", "unix.Statfs", "unix.Fallocate", "unix.Flock"},
		[]string{"internal/disk"}, []string{"mirror/git", "cli", "cli/doctor", "demo", "internal/bench", "internal/gittest", "internal/fleet", "internal/simschedule", "internal/upstream", "internal/world"}},
	{"the time of day", nil, []string{"wallclock.Now"}, []string{"node"}, nil},
	{"files that bbolt maps", nil, []string{"bbolt.Open"}, []string{"internal/boltfile"}, nil},
}

func TestWorldIsReachedThroughItsSeams(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
				name := strings.Trim(i.Path.Value, `"`)
				return i.Name == nil && name[strings.LastIndexByte(name, '/')+1:] == pkg.Name
			}) {
				return true
			}
			room := filepath.ToSlash(filepath.Dir(path))
			for _, s := range seams {
				if len(s.rooms) > 0 && !slices.Contains(s.rooms, room) {
					continue
				}
				if !slices.Contains(s.allowed, room) && !slices.Contains(s.outside, room) && slices.ContainsFunc(s.calls, func(c string) bool { return matches(c, pkg.Name+"."+sel.Sel.Name) }) {
					t.Errorf("%s: %s.%s: %s is reached through %s alone", set.Position(n.Pos()), pkg.Name, sel.Sel.Name, s.what, strings.Join(s.allowed, ", "))
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// notCalls begin like calls of the network, and are types.
var notCalls = []string{"net.Listener"}

func matches(pattern, name string) bool {
	if slices.Contains(notCalls, name) {
		return false
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
