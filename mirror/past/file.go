package past

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/wire"
)

// A record's file is text, a line for each thing that is remembered; the name comes
// last, and is the rest of its line:
//
//	# gitmirror past 1
//	young 1700000000 refs/heads/topic
//	moved 19675,19676 refs/tags/nightly
//	former 1700000000 refs/heads/merged
//	tip 1700000000 settled,head <oid> refs/heads/main
//	kept 1700000000 settled,lost,stood <oid or -> refs/gitmirror/kept/1700000000/heads/x refs/heads/x
//	dropped 12 1700000000
const fileHeader = "# gitmirror past 1\n"

// ErrDamaged reports a file that is not what its digest says, or no record.
var ErrDamaged = errors.New("damaged record of the past")

// Encode returns the record's file form, nil where there is nothing to remember.
func (r *Record) Encode() []byte {
	if r.empty() {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(fileHeader)
	for _, y := range r.Young {
		fmt.Fprintf(&b, "young %d %s\n", y.Seen.Unix(), y.Name)
	}
	for _, m := range r.Moved {
		days := make([]string, len(m.Days))
		for i, d := range m.Days {
			days[i] = strconv.FormatInt(d, 10)
		}
		fmt.Fprintf(&b, "moved %s %s\n", strings.Join(days, ","), m.Name)
	}
	for _, y := range r.Former {
		fmt.Fprintf(&b, "former %d %s\n", y.Seen.Unix(), y.Name)
	}
	for _, t := range r.Tips {
		fmt.Fprintf(&b, "tip %d %s %s %s\n", t.Until.Unix(), flags(flag{t.Settled, "settled"}, flag{t.Head, "head"}, flag{t.Lost, "lost"}, flag{t.Forward, "forward"}), t.OID, t.Name)
	}
	for _, k := range r.Kept {
		fmt.Fprintf(&b, "kept %d %s %s %s %s\n", k.At.Unix(), flags(flag{k.Settled, "settled"}, flag{k.Lost, "lost"}, flag{k.Stood, "stood"}), orDash(k.New), k.Ref, k.Name)
	}
	if d := r.Dropped; d.Count > 0 {
		fmt.Fprintf(&b, "dropped %d %d\n", d.Count, d.Last.Unix())
	}
	return b.Bytes()
}

// Digest names the record's content; zero where there is nothing to remember.
func (r *Record) Digest() refs.Digest { return digestOf(r.Encode()) }

func digestOf(data []byte) (d refs.Digest) {
	if len(data) > 0 {
		sum := sha256.Sum256(data)
		copy(d[:], sum[:])
	}
	return d
}

// Decode reads a file written by Encode, if it is the one of that digest.
func Decode(data []byte, digest refs.Digest) (*Record, error) {
	if got := digestOf(data); got != digest {
		return nil, fmt.Errorf("%w: digest %s, not %s", ErrDamaged, got, digest)
	}
	r := &Record{}
	if len(data) == 0 {
		return r, nil
	}
	lines, ok := strings.CutPrefix(string(data), fileHeader)
	if !ok {
		return nil, fmt.Errorf("%w: %.40q", ErrDamaged, data)
	}
	for line := range strings.Lines(lines) {
		if err := r.readLine(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("%w: line %.120q: %w", ErrDamaged, line, err)
		}
	}
	return r, nil
}

// fields is how many a kind of line has, the name included.
var fields = map[string]int{"young": 3, "moved": 3, "former": 3, "tip": 5, "kept": 6, "dropped": 3}

func (r *Record) readLine(line string) error {
	kind, _, _ := strings.Cut(line, " ")
	f := strings.SplitN(line, " ", max(fields[kind], 1))
	if len(f) != fields[kind] {
		return errors.New("it has too few fields")
	}
	name := f[len(f)-1]
	if kind != "dropped" && !refs.ValidName(name) && name != "HEAD" {
		return errors.New("no name of a ref")
	}
	var err error
	switch kind {
	case "young":
		y := Young{Name: name}
		y.Seen, err = seconds(f[1])
		r.Young = append(r.Young, y)
	case "former":
		y := Young{Name: name}
		y.Seen, err = seconds(f[1])
		r.Former = append(r.Former, y)
	case "moved":
		m := Moved{Name: name}
		for d := range strings.SplitSeq(f[1], ",") {
			var n int64
			n, err = strconv.ParseInt(d, 10, 64)
			m.Days = append(m.Days, n)
		}
		r.Moved = append(r.Moved, m)
	case "tip":
		t := Tip{Name: name, OID: f[3], Settled: has(f[2], "settled"), Head: has(f[2], "head"), Lost: has(f[2], "lost"), Forward: has(f[2], "forward")}
		if !wire.IsOID(t.OID) {
			return errors.New("no object id")
		}
		t.Until, err = seconds(f[1])
		r.Tips = append(r.Tips, t)
	case "kept":
		k := Kept{Ref: f[4], Name: name, New: strings.TrimPrefix(f[3], "-"), Settled: has(f[2], "settled"), Lost: has(f[2], "lost"), Stood: has(f[2], "stood")}
		k.At, err = seconds(f[1])
		r.Kept = append(r.Kept, k)
	case "dropped":
		r.Dropped.Count, err = strconv.Atoi(f[1])
		if err == nil && r.Dropped.Count <= 0 {
			err = errors.New("no count")
		}
		if err == nil {
			r.Dropped.Last, err = seconds(f[2])
		}
	}
	return err
}

func seconds(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0).UTC(), err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type flag struct {
	set  bool
	name string
}

func flags(list ...flag) string {
	var names []string
	for _, f := range list {
		if f.set {
			names = append(names, f.name)
		}
	}
	return orDash(strings.Join(names, ","))
}

func has(list, flag string) bool {
	for f := range strings.SplitSeq(list, ",") {
		if f == flag {
			return true
		}
	}
	return false
}
