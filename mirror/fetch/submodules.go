package fetch

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/store"
)

// maxOdd bounds how many .gitmodules with a stray carriage return are looked into: no
// honest history has many.
const maxOdd = 100

// submodules refuses a submodule path with a carriage return in it: git before 2.50.1
// writes it into a config file without quotes, reads it without its end, and so checks a
// submodule out where it does not belong, over hooks, say (CVE-2025-48384). git's fsck has
// no rule for it. Asked are the .gitmodules of new commits, at the top, where clients
// read them; of those, git reads the ones that have a carriage return other than in a
// line's end.
func (f *Fetcher) submodules(ctx context.Context, st *store.Staging, oids []string, limits Limits) error {
	found := &gitmodules{oids: map[string]bool{}}
	cmd := f.git.Command(ctx, st.Dir(), "log", "--format=", "--raw", "--no-abbrev", "-m", "--root", "--no-renames", "--full-history",
		"--stdin", "--not", "--alternate-refs", "--", ":(icase).gitmodules")
	cmd.Stdin, cmd.Stdout = strings.NewReader(strings.Join(oids, "\n")+"\n"), found
	if err := cmd.RunCaptured(); err != nil {
		return f.cannotLook(ctx, err)
	}
	odd, err := f.odd(ctx, st, slices.Sorted(maps.Keys(found.oids)))
	if err != nil {
		return f.cannotLook(ctx, err)
	}
	for i, oid := range odd {
		if i == maxOdd {
			return failure.New(failure.Corrupt, fmt.Sprintf("more than %d versions of .gitmodules have a stray carriage return", maxOdd), nil)
		}
		// One that git cannot read is no danger: it exits with 1 where there is no path, and
		// with 128 where it is no config file.
		paths, _ := f.git.Command(ctx, st.Dir(), "config", "--blob="+oid, "--null", "--get-regexp", `^submodule\..*\.path$`).Output()
		if bytes.ContainsRune(paths, '\r') {
			return failure.New(failure.Corrupt, fmt.Sprintf("object %s: %s: a .gitmodules that has a submodule path with a carriage return (CVE-2025-48384)%s",
				oid, gitflaw.PathCR, limits.Accepting(gitflaw.PathCR)), nil)
		}
		if ctx.Err() != nil {
			return failure.Of(ctx.Err())
		}
	}
	return nil
}

func (f *Fetcher) cannotLook(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return failure.Of(ctx.Err())
	}
	return failed(err)
}

// gitmodules takes the output of git log --raw, and keeps the ids of what files became.
type gitmodules struct {
	line []byte
	oids map[string]bool
}

func (g *gitmodules) Write(p []byte) (int, error) {
	g.line = append(g.line, p...)
	for {
		line, rest, whole := bytes.Cut(g.line, []byte{'\n'})
		if !whole {
			return len(p), nil
		}
		// :000000 100644 OLD NEW A	.gitmodules
		if words := bytes.Fields(line); len(words) > 4 && strings.Trim(string(words[3]), "0") != "" {
			g.oids[string(words[3])] = true
		}
		g.line = append(g.line[:0], rest...)
	}
}

// odd returns those of the objects that are blobs with a carriage return within a line.
func (f *Fetcher) odd(ctx context.Context, st *store.Staging, oids []string) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	cmd := f.git.Command(ctx, st.Dir(), "cat-file", "--batch", "--buffer")
	r, w := io.Pipe()
	cmd.Stdin, cmd.Stdout = strings.NewReader(strings.Join(oids, "\n")+"\n"), w
	found := make(chan []string, 1)
	go func() {
		odd, err := readOdd(bufio.NewReader(r))
		r.CloseWithError(err)
		found <- odd
	}()
	err := cmd.RunCaptured()
	_ = w.Close()
	return <-found, err
}

// readOdd reads what git cat-file --batch prints, without keeping it. The error is nil
// at the end of it.
func readOdd(r *bufio.Reader) (odd []string, err error) {
	for {
		head, err := r.ReadString('\n')
		if err != nil {
			return odd, nil
		}
		words := strings.Fields(head) // ID KIND SIZE; a submodule's id is missing
		if len(words) != 3 {
			continue
		}
		size, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return odd, err
		}
		stray, before := false, byte(0)
		for range size {
			c, err := r.ReadByte()
			if err != nil {
				return odd, err
			}
			stray = stray || before == '\r' && c != '\n'
			before = c
		}
		if stray || before == '\r' {
			odd = append(odd, words[0])
		}
		if _, err := r.Discard(1); err != nil {
			return odd, err
		}
	}
}
