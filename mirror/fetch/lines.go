package fetch

import (
	"bytes"

	"gitmirror/mirror/git"
	"gitmirror/mirror/graph"
)

// longestLine is the longest line that is read of git: a merge has its parents in one.
const longestLine = 16 << 20

// eachLine runs a git child and hands over what it prints line by line: all of it may be
// more than there is room for. An error of each ends the child, and is returned.
func eachLine(cmd *git.Cmd, each func(line []byte) error) error {
	l := &lines{each: each}
	cmd.Stdout = l
	err := cmd.RunCaptured()
	if l.err != nil {
		return l.err
	}
	return err
}

type lines struct {
	each func([]byte) error
	rest []byte // of a line whose end has not come
	err  error
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for l.err == nil {
		line, after, whole := bytes.Cut(p, []byte("\n"))
		if !whole {
			break
		}
		if len(l.rest) > 0 {
			l.rest = append(l.rest, line...)
			line = l.rest
		}
		l.err = l.each(line)
		l.rest, p = l.rest[:0], after
	}
	if l.err == nil && len(l.rest)+len(p) > longestLine {
		l.err = graph.ErrLarge
	}
	if l.err != nil {
		return 0, l.err
	}
	l.rest = append(l.rest, p...)
	return n, nil
}
