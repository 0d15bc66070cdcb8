package cli

import (
	"errors"
	"fmt"
	"strings"
)

// tally counts how a command did that works on several things.
type tally struct {
	ok       int
	changed  int // were there, and are otherwise now
	there    int // were done before
	differ   int // of those that were, how many are otherwise than is said
	unknown  int // may have been done
	failures []*Failure
	broke    *Failure // why the rest was not tried, nil where all was
	untried  int
}

// fail prints one failure, as it happens, and counts it. As JSON it is part of
// the output.
func (t *tally) fail(s *session, thing string, err error) {
	f := explain(err, false)
	one := *f
	one.What, one.Try = thing+": "+f.What, s.located(f.Try)
	t.failures = append(t.failures, &one)
	if !s.json {
		one.write(s.Err)
	}
}

// stop says that the rest, n things, was not tried, and why.
func (t *tally) stop(err error, n int, which string) {
	f := *explain(err, interrupted(err))
	f.What = fmt.Sprintf("stopped, %s: %s", which, f.What)
	t.broke, t.untried = &f, n
}

// known is how many were there before, for a summary.
func (t *tally) known() (words string) {
	if t.changed > 0 {
		words = fmt.Sprintf(", changed %d", t.changed)
	}
	if t.there > 0 {
		words += fmt.Sprintf(", mirrored already %d", t.there)
	}
	if t.differ > 0 {
		words += fmt.Sprintf(" (%d with other settings: --update changes them)", t.differ)
	}
	return words
}

// well is how many are as they shall be.
func (t *tally) well() int { return t.ok + t.changed + t.there }

// rest is how many may have been done, and how many were not tried, for a summary.
func (t *tally) rest() (words string) {
	if t.unknown > 0 {
		words = fmt.Sprintf(", unknown %d", t.unknown)
	}
	if t.untried > 0 {
		words += fmt.Sprintf(", not tried %d", t.untried)
	}
	return words
}

// result is nil where nothing failed. Where everything did it fails as the
// failures did, if they agree, else as exitFailed.
func (t *tally) result(things, done string) error {
	n := len(t.failures)
	switch {
	case t.broke != nil:
		if t.ok+t.changed > 0 && t.broke.Exit != exitInterrupted {
			t.broke.Exit = exitPartFailed
		}
		return t.broke
	case n == 0:
		return nil
	}
	total := t.well() + n
	f := &Failure{
		What: fmt.Sprintf("%d of %d %s %s not %s", n, total, countable(total, things), map[bool]string{true: "was", false: "were"}[total == 1], done), Code: codePartFailed, Exit: exitPartFailed,
		Try: "see the errors above; what was " + done + " stays",
	}
	if t.well() == 0 {
		f.Code, f.Exit, f.Try = codeFailed, t.failures[0].Exit, t.failures[0].Try
		for _, other := range t.failures {
			if other.Exit != f.Exit {
				f.Exit, f.Try = exitFailed, "see the errors above"
			}
		}
		for _, one := range t.failures {
			if one.Exit == exitPartFailed { // and part of that one was done
				f.Code, f.Exit = codePartFailed, exitPartFailed
			}
		}
	}
	return f
}

// countable is the word for so many things, of which there may be one.
func countable(n int, things string) string {
	switch one := strings.TrimSuffix(things, "s"); {
	case n != 1:
		return things
	case strings.HasSuffix(one, "ie"):
		return strings.TrimSuffix(one, "ie") + "y"
	default:
		return one
	}
}

// imported is result for things of a list: where all were refused, the list was. dry says that none was to be added.
func (t *tally) imported(things string, dry bool) error {
	done := "added"
	if dry {
		done = "accepted"
	}
	err := t.result(things, done)
	if f := (*Failure)(nil); errors.As(err, &f) && t.well() == 0 && t.broke == nil {
		f.Code, f.Exit = codeRefused, exitUsage
	}
	if f := (*Failure)(nil); errors.As(err, &f) && dry && t.broke == nil {
		f.Try = "mend what is refused, or leave it out; this was a trial, and changed nothing"
	}
	return err
}

// redact takes a user name and a password out of an address that is to be
// shown, well formed or not.
func redact(address string) string {
	at := strings.LastIndex(address, "@")
	if at < 0 {
		return address
	}
	scheme := ""
	if s, _, ok := strings.Cut(address, "://"); ok && len(s)+3 <= at {
		scheme = s + "://"
	}
	return scheme + "***" + address[at:]
}
