// Package gitfsck looks at objects as git's fsck does when it takes a pack from a stranger: it
// finds what is no object, and what may attack or stop a client's git, by the ids that git gives
// such flaws (git help fsck). Flaws that everybody takes (gitflaw.Cosmetic), and those that git
// only mentions, it does not look for.
//
// It is pure: what an object leads to is its caller's matter, and so is which flaws are taken. It
// does not know what git has only had for one release: symlinkTargetBlob, symlinkTargetLength,
// symlinkTargetMissing and symlinkPointsToGitDir.
package gitfsck

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// Flaw is what is wrong with an object.
type Flaw struct {
	ID     string // as git spells it
	Detail string
}

func (f Flaw) Error() string { return f.ID + ": " + f.Detail }

// ids are how long an object's id is, in hex and as it stands in trees.
const (
	hexBytes = 40
	rawBytes = 20
)

// report takes flaws; those that are to be taken it passes over.
type report struct {
	taken func(id string) bool
	found *Flaw
}

// flaw notes a flaw, and tells whether it is taken: then what is behind it is looked at as well.
func (r *report) flaw(id, format string, args ...any) (goOn bool) {
	if r.found != nil {
		return false
	}
	if r.taken != nil && r.taken(id) {
		return true
	}
	r.found = &Flaw{id, fmt.Sprintf(format, args...)}
	return false
}

func (r *report) result() error {
	if r.found == nil {
		return nil
	}
	return *r.found
}

// Commit looks at a commit. taken tells which flaws are taken, of those that can be: what cannot
// be read as an object is none of them. The error is a Flaw.
func Commit(data []byte, taken func(id string) bool) error {
	r := &report{taken: taken}
	h := header{data, r}
	if !h.whole() || !h.id("tree", "missingTree", "badTreeSha1") {
		return r.result()
	}
	for h.has("parent ") {
		if !h.id("parent", "", "badParentSha1") {
			return r.result()
		}
	}
	authors := 0
	for h.has("author ") {
		authors++
		h.cut("author ")
		if !h.person() {
			return r.result()
		}
	}
	switch {
	case authors == 0 && !r.flaw("missingAuthor", "there is no author"):
		return r.result()
	case authors > 1 && !r.flaw("multipleAuthors", "there are several authors"):
		return r.result()
	}
	if !h.has("committer ") {
		r.flaw("missingCommitter", "there is no committer")
		return r.result()
	}
	h.cut("committer ")
	if h.person() && bytes.IndexByte(data, 0) >= 0 {
		r.flaw("nulInCommit", "there is a NUL in it")
	}
	return r.result()
}

// kinds are what a tag may be of.
var kinds = []string{"commit", "tree", "blob", "tag"}

// Tag looks at an annotated tag. See Commit.
func Tag(data []byte, taken func(id string) bool) error {
	r := &report{taken: taken}
	h := header{data, r}
	if !h.whole() || !h.id("object", "missingObject", "badObjectSha1") {
		return r.result()
	}
	kind, ok := h.line("type ", "missingTypeEntry", "missingType")
	if !ok {
		return r.result()
	}
	if !has(kinds, kind) {
		r.flaw("badType", "its type is %.20q", kind)
		return r.result()
	}
	if _, ok = h.line("tag ", "missingTagEntry", "missingTag"); !ok {
		return r.result()
	}
	if h.has("tagger ") { // early ones have none
		h.cut("tagger ")
		if !h.person() {
			return r.result()
		}
	}
	for _, signature := range []string{"gpgsig ", "gpgsig-sha256 "} {
		if !h.has(signature) {
			continue
		}
		if _, ok := h.line(signature, "", "badGpgsig"); !ok {
			return r.result()
		}
		for h.has(" ") {
			if _, ok := h.line(" ", "", "badHeaderContinuation"); !ok {
				return r.result()
			}
		}
	}
	return r.result()
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// header is what is left of the header of a commit or tag.
type header struct {
	rest []byte
	*report
}

func (h *header) has(key string) bool { return bytes.HasPrefix(h.rest, []byte(key)) }
func (h *header) cut(key string)      { h.rest = h.rest[len(key):] }

// whole tells whether the header ends, and has no NUL before that.
func (h *header) whole() bool {
	for i, c := range h.rest {
		if c == 0 {
			return h.flaw("nulInHeader", "there is a NUL at byte %d of its header", i) && false
		}
		if c == '\n' && i+1 < len(h.rest) && h.rest[i+1] == '\n' {
			return true
		}
	}
	if n := len(h.rest); n > 0 && h.rest[n-1] == '\n' {
		return true // it has nothing else
	}
	return h.flaw("unterminatedHeader", "its header does not end") && false
}

// id cuts a line off that has the id of an object.
func (h *header) id(key, missing, bad string) bool {
	if !h.has(key + " ") {
		return h.flaw(missing, "there is no line %q", key) && false
	}
	h.cut(key + " ")
	if len(h.rest) <= hexBytes || h.rest[hexBytes] != '\n' || !isHex(h.rest[:hexBytes]) {
		return h.flaw(bad, "the line %q has no id", key) && false
	}
	h.rest = h.rest[hexBytes+1:]
	return true
}

func isHex(s []byte) bool {
	_, err := hex.Decode(make([]byte, len(s)/2), s)
	return err == nil
}

// line cuts a line off, whatever it has.
func (h *header) line(key, missing, endless string) (string, bool) {
	if !h.has(key) {
		return "", h.flaw(missing, "there is no line %q", key) && false
	}
	h.cut(key)
	line, rest, ok := bytes.Cut(h.rest, []byte("\n"))
	if !ok {
		return "", h.flaw(endless, "the line %q does not end", key) && false
	}
	h.rest = rest
	return string(line), true
}

// person cuts a name, an address and a date off. Of what old histories have instead of those
// nothing is said (gitflaw.Cosmetic), and what is behind it is not looked at, as git does not.
func (h *header) person() bool {
	line, rest, _ := bytes.Cut(h.rest, []byte("\n"))
	h.rest = rest
	if bytes.HasPrefix(line, []byte("<")) {
		return true // no name
	}
	at := bytes.IndexAny(line, "<>")
	switch {
	case at < 0:
		return true // no address
	case line[at] == '>':
		return h.flaw("badName", "a name has a '>' in it")
	case at == 0 || line[at-1] != ' ':
		return true // no space before it
	}
	line = line[at+1:]
	if end := bytes.IndexAny(line, "<>"); end < 0 || line[end] != '>' {
		return h.flaw("badEmail", "an address does not end")
	}
	return true
}
