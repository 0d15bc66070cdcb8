package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"unicode"

	"gitmirror/api"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
)

// The exit codes: a contract. A code not listed is a failure.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // bad usage, or input that was refused
	exitPartFailed  = 3
	exitForbidden   = 4 // the node does not take that from us
	exitNotFound    = 5
	exitConflict    = 6
	exitUnavailable = 7 // no node, or no leader
	exitTimeout     = 8
	exitInterrupted = 130
)

// The codes of failures of the command itself, which no node said. Those of nodes are
// listed in package refusal; a repo's state and class of failure are codes too.
const (
	codeUsage        = "usage"         // the command line is not one
	codeRefused      = "refused"       // every line of a list was refused
	codeLine         = "line"          // a line of a list is not URL [NAME]
	codeFailed       = "failed"        // anything else
	codePartFailed   = "part_failed"   // some of several things
	codeNotConfirmed = "not_confirmed" // it was not said that it is meant
	codeNoNode       = "no_node"       // none answers
	codeNoGit        = "no_git"        // for the demo
	codeTimeout      = "timeout"       // the work may go on
	codeInterrupted  = "interrupted"   // by the user
	codeDifference   = "difference"    // the demo found one
	codeSync         = "sync_"         // and what a check came to
	codeForge        = "forge_"        // and why a forge could not be listed
)

// Failure is an error as the user sees it: what, why, and what to try next.
type Failure struct {
	What  string
	Cause string
	Try   string // one command or remark a line
	Code  string // stable, for programs
	Exit  int
}

func (f *Failure) Error() string { return f.What }

// usagef is a Failure of the command line itself. try may be empty.
func usagef(try, format string, args ...any) *Failure {
	if try == "" {
		try = "gitmirror --help"
	}
	return &Failure{What: fmt.Errorf(format, args...).Error(), Try: try, Code: codeUsage, Exit: exitUsage}
}

// explain makes a Failure of any error. stopped tells that the user
// interrupted the command.
func explain(err error, stopped bool) *Failure {
	var (
		f       *Failure
		problem *api.Problem
	)
	if cut := (cutWrite{}); errors.As(err, &cut) {
		f := *explain(cut.error, stopped)
		f.What += ": the write may or may not have happened"
		return &f
	}
	if errors.As(err, &f) {
		return f
	}
	if stopped && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return &Failure{What: "interrupted", Try: "gitmirror status", Code: codeInterrupted, Exit: exitInterrupted}
	}
	switch {
	case errors.As(err, &problem):
		f = ofProblem(problem)
	case errors.Is(err, api.ErrNoNode):
		f = noNode(err)
	case errors.Is(err, api.ErrStrange):
		f = &Failure{What: err.Error(), Code: codeFailed, Exit: exitFailed, Try: "gitmirror status --addr http://HOST:7654     where a node runs, or set GITMIRROR_ADDR"}
	case errors.Is(err, context.DeadlineExceeded):
		f = &Failure{What: "no answer in time", Code: codeTimeout, Exit: exitTimeout,
			Try: "gitmirror status\nthe same command with a longer --timeout"}
	default:
		f = &Failure{What: err.Error(), Code: codeFailed, Exit: exitFailed}
	}
	f.advise(err)
	return f
}

// advise takes over what an error knows of its cause, of what to try, and of
// the exit code.
func (f *Failure) advise(err error) {
	var advised interface {
		error
		Hint() string
	}
	if errors.As(err, &advised) {
		if advised.Hint() != "" {
			f.Try = advised.Hint()
		}
		if inner := errors.Unwrap(advised); inner != nil && !strings.Contains(f.What, inner.Error()) && !strings.HasSuffix(inner.Error(), ": "+f.What) {
			f.Cause = inner.Error()
		}
	}
	var code interface{ ExitCode() int }
	if errors.As(err, &code) {
		if _, child := code.(*exec.ExitError); !child { // that code is git's, not ours
			f.Exit = code.ExitCode()
		}
	}
}

func ofProblem(p *api.Problem) *Failure {
	f := &Failure{What: p.Detail, Code: p.Code, Try: p.Hint, Exit: exitFailed}
	if f.What == "" {
		f.What = p.Title
	}
	fallback := "gitmirror status"
	switch p.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		f.Exit, fallback = exitUsage, ""
	case http.StatusUnauthorized, http.StatusForbidden:
		f.Exit = exitForbidden
	case http.StatusNotFound:
		f.Exit, fallback = exitNotFound, "gitmirror repo ls"
	case http.StatusConflict, http.StatusPreconditionFailed:
		f.Exit = exitConflict
		if p.Existing != "" {
			fallback = "gitmirror repo show " + p.Existing
		}
	case http.StatusServiceUnavailable:
		f.Exit = exitUnavailable
	case http.StatusGatewayTimeout:
		f.Exit = exitTimeout
	}
	if p.Code == string(refusal.Claimed) && p.Existing != "" { // which names one of the sources
		f.Try = strings.ReplaceAll(f.Try, "source rm NAME", "source rm "+p.Existing)
	}
	if f.Try == "" {
		f.Try = fallback
	}
	return f
}

// asProblem is an error as the API would tell it, for JSON output.
func asProblem(err error) *api.Problem {
	if p := (*api.Problem)(nil); errors.As(err, &p) {
		return p
	}
	f := explain(err, false)
	return &api.Problem{Title: f.What, Detail: f.What, Code: f.Code, Hint: f.Try}
}

func noNode(err error) *Failure {
	what, cause, _ := strings.Cut(err.Error(), ": ")
	if dial := (*url.Error)(nil); errors.As(err, &dial) {
		cause = dial.Err.Error()
	}
	if f := noSocket(what, err); f != nil {
		return f
	}
	return &Failure{
		What: what, Cause: cause, Code: codeNoNode, Exit: exitUnavailable,
		Try: "gitmirror demo --keep                        a cluster to try things on, on this machine\n" +
			"gitmirror start                              a node of your own\n" +
			"gitmirror status --addr http://HOST:7654     where a node runs, or set GITMIRROR_ADDR",
	}
}

// write prints the failure for people.
func (f *Failure) write(w io.Writer) {
	for _, part := range []struct{ label, text string }{{"Error: ", f.What}, {"Cause: ", f.Cause}, {"Try:   ", f.Try}} {
		if part.text != "" {
			text := strings.ReplaceAll(strings.TrimSpace(printable(part.text)), "\n", "\n       ")
			_, _ = fmt.Fprintf(w, "%s%s\n", part.label, text)
		}
	}
}

// writeJSON prints the failure for programs.
func (f *Failure) writeJSON(w io.Writer) {
	type body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Cause   string `json:"cause,omitempty"`
		Hint    string `json:"hint"`
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct {
		Error body `json:"error"`
	}{body{f.Code, f.What, f.Cause, f.Try}})
}

// printable replaces what a terminal would act upon, line ends apart: a
// message may quote an upstream.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = oneline.Plain(l, unicode.ReplacementChar)
	}
	return strings.Join(lines, "\n")
}
