package failure_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"gitmirror/mirror/failure"
)

// A failure that is kept has nothing of the answer that led to it.
func TestKept(t *testing.T) {
	answer := strings.Repeat("Z", 9<<20)
	f := failure.New(failure.RateLimited, "malformed line: "+answer, fmt.Errorf("read: %w", errors.New(answer)))
	f.RetryAfter = time.Minute
	kept := f.Kept()
	if kept.Class != f.Class || kept.RetryAfter != f.RetryAfter || kept.Err != nil {
		t.Errorf("%s, wait %s, of %.20v", kept.Class, kept.RetryAfter, kept.Err)
	}
	if len(kept.Message) > 600 || !strings.HasPrefix(kept.Message, "malformed line: ZZZ") {
		t.Errorf("%d bytes: %.40s", len(kept.Message), kept.Message)
	}
	if (*failure.Error)(nil).Kept() != nil {
		t.Error("nothing became a failure")
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "a\x1b[31m\u200bb\n": "a[31mb", "": "", "ten bytes.": "ten bytes.", "eleven byte": "eleven byt…",
		"123456789é": "123456789…", strings.Repeat("\x00", 100) + "x": "…", "\xff\xffx": "\ufffd\ufffdx",
	} {
		got := failure.Clip(in, 10)
		if got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", in, got)
		}
	}
	// What is long is not copied whole to be cut then.
	long := strings.Repeat("\x01x", 8<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	failure.Clip(long, 300)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes to clip a long message", n)
	}
}
