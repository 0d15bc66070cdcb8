package git

import (
	"strconv"
	"strings"
)

// Count is what a line of git's progress counts.
type Count struct {
	Title     string // of what it is at; of the other side where it begins with "remote: "
	Done, All int64
}

// ReadCount reads how a line of progress begins: "Receiving objects:  62% (120/190), 1.30 GiB".
// It is not ok where the line counts nothing, or not of how many.
func ReadCount(line string) (c Count, ok bool) {
	remote, rest := "", line
	if after, is := strings.CutPrefix(line, "remote: "); is {
		remote, rest = "remote: ", after
	}
	title, rest, ok := strings.Cut(rest, ":")
	if !ok {
		return c, false
	}
	percent, rest, ok := strings.Cut(rest, "% (")
	if _, err := strconv.Atoi(strings.TrimSpace(percent)); !ok || err != nil {
		return c, false
	}
	counts, _, ok := strings.Cut(rest, ")")
	done, all, both := strings.Cut(counts, "/")
	if !ok || !both {
		return c, false
	}
	c.Title = remote + title
	var err error
	if c.Done, err = strconv.ParseInt(done, 10, 64); err != nil || c.Done < 0 {
		return Count{}, false
	}
	if c.All, err = strconv.ParseInt(all, 10, 64); err != nil || c.All < c.Done {
		return Count{}, false
	}
	return c, true
}
