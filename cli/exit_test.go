package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

func problem(status int, code string) *api.Problem {
	return &api.Problem{Status: status, Code: code, Detail: "it went \x1b[31mwrong", Hint: "do better"}
}

func TestExitCodesOfProblems(t *testing.T) {
	for status, want := range map[int]int{
		400: exitUsage, 413: exitUsage, 415: exitUsage, 422: exitUsage, 404: exitNotFound, 409: exitConflict, 412: exitConflict,
		503: exitUnavailable, 504: exitTimeout, 500: exitFailed, 401: exitForbidden, 403: exitForbidden, 429: exitFailed,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			fakeNode(t, func(int, request) any { return problem(status, "some_code") })
			r := run(t, "repo", "show", "a/b").want(t, want)
			if wanted := "Error: it went \ufffd[31mwrong\nTry:   do better\n"; !strings.HasSuffix(r.err, wanted) {
				t.Errorf("stderr is %q", r.err)
			}
			r = run(t, "repo", "show", "a/b", "-o", "json").want(t, want)
			var body struct {
				Error struct{ Code, Message, Hint string }
			}
			if err := json.Unmarshal([]byte(r.err), &body); err != nil || body.Error.Code != "some_code" || body.Error.Hint != "do better" {
				t.Errorf("%v in %s", err, r.err)
			}
		})
	}
}

func TestProblemsWithoutAHintGetACommand(t *testing.T) {
	for _, tt := range []struct {
		p    *api.Problem
		args string
		try  string
	}{
		{&api.Problem{Status: 404, Code: "not_found", Detail: "no"}, "repo show x", "Try:   gitmirror repo ls"},
		{&api.Problem{Status: 404, Code: "not_found", Detail: "no"}, "node show x", "Try:   gitmirror node ls"},
		{&api.Problem{Status: 409, Code: "conflict", Detail: "no", Existing: "a/b"}, "repo add http://h/a", "Try:   gitmirror repo show a/b"},
		{&api.Problem{Status: 400, Code: "bad", Detail: "no"}, "repo add http://h/a", "Try:   gitmirror repo add --help"},
		{&api.Problem{Status: 500, Code: "broken", Detail: "no"}, "status", "Try:   gitmirror status"},
	} {
		fakeNode(t, func(int, request) any { return tt.p })
		contains(t, tt.args, run(t, strings.Fields(tt.args)...).err, tt.try)
	}
}

func TestSomethingElseThanANodeIsExit7(t *testing.T) {
	fakeNode(t, func(int, request) any { return problem(http.StatusNotFound, "") })
	contains(t, "stderr", run(t, "status").want(t, exitUnavailable).err, "is this a gitmirror node?")
}

func TestAddressesAreTriedInTurn(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return api.Status{Verdict: api.Healthy, ClusterID: "c"} })
	run(t, "status", "--addr", "http://127.0.0.1:1", "--addr", f.URL).want(t, exitOK)
	run(t, "status", "--addr", "127.0.0.1:1,"+f.URL).want(t, exitOK)
}

// A node that is frozen takes the call and says nothing: the next is asked.
func TestAFrozenNodeLeavesTimeForTheNext(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return api.Status{Verdict: api.Healthy, ClusterID: "c"} })
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes what nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	t.Setenv("GITMIRROR_ADDR", frozen.Addr().String()+","+f.URL)
	contains(t, "stdout", run(t, "status", "--timeout", "20s").want(t, 0).out, "HEALTHY")
}

func TestAWriteIsRepeatedWithOneKeyUntilThereIsALeader(t *testing.T) {
	f := fakeNode(t, func(n int, r request) any {
		if n < 3 {
			return problem(http.StatusServiceUnavailable, "no_leader")
		}
		return api.Repo{Name: "h/a", Owner: "n1"}
	})
	r := run(t, "repo", "add", "http://h/a").want(t, exitOK)
	contains(t, "stderr", r.err, "No leader answers yet")
	asked := f.requests()
	if len(asked) != 3 || asked[0].key == "" || asked[0].key != asked[2].key {
		t.Errorf("asked %+v", asked)
	}
	run(t, "repo", "add", "http://h/a").want(t, exitOK)
	if again := f.requests()[3]; again.key == asked[0].key {
		t.Error("another call has the same key")
	}
}

// The patience with an absent leader begins when one is found absent: a node may have
// looked for one for long before it says so.
func TestPatienceBeginsWithTheFirstFailure(t *testing.T) {
	f := fakeNode(t, func(n int, _ request) any {
		if n > 1 {
			return api.Repo{Name: "h/a", Owner: "n1"}
		}
		<-time.After(testPatience)
		return problem(http.StatusServiceUnavailable, "unknown_outcome")
	})
	run(t, "repo", "add", "http://h/a").want(t, exitOK)
	if n := len(f.requests()); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// A write that may have happened at the first attempt may have happened, whatever the last
// one says.
func TestWhatMayHaveHappenedIsToldSo(t *testing.T) {
	fakeNode(t, func(n int, _ request) any {
		if n == 1 {
			return problem(http.StatusServiceUnavailable, "unknown_outcome")
		}
		return problem(http.StatusServiceUnavailable, "no_leader")
	})
	r := run(t, "repo", "add", "http://h/a", "-o", "json").want(t, exitUnavailable)
	contains(t, "stderr", r.err, `"unknown_outcome"`)
	release := make(chan struct{})
	defer close(release)
	fakeNode(t, func(int, request) any { <-release; return nil })
	contains(t, "stderr", run(t, "repo", "add", "http://h/a", "--timeout", "50ms").want(t, exitTimeout).err, "may or may not have happened")
}

// A node that ends while it is asked may have written.
func TestAnAnswerThatIsCutMayHaveBeenWritten(t *testing.T) {
	f := fakeNode(t, func(int, request) any { panic(http.ErrAbortHandler) })
	r := run(t, "repo", "rm", "a", "--yes", "-o", "json").want(t, exitUnavailable)
	contains(t, "stderr", r.err, `"unknown_outcome"`)
	f.Close()
	r = run(t, "repo", "rm", "a", "--yes", "-o", "json").want(t, exitUnavailable)
	contains(t, "stderr", r.err, "no gitmirror node answered")
}

func TestAnOutcomeThatCannotBePrintedIsAFailure(t *testing.T) {
	fakeNode(t, func(int, request) any { return api.Repo{Name: "h/a", Owner: "n1"} })
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var said bytes.Buffer
	p := program{Streams: Streams{In: strings.NewReader(""), Out: full, Err: &said}, patience: testPatience}
	if code := p.main(t.Context(), []string{"gitmirror", "repo", "add", "http://h/a"}); code != exitFailed || !strings.Contains(said.String(), "no space left") {
		t.Errorf("%d: %s", code, &said)
	}
}

func TestNoLeaderForLongIsExit7(t *testing.T) {
	fakeNode(t, func(int, request) any { return problem(http.StatusServiceUnavailable, "no_leader") })
	run(t, "repo", "rm", "a", "--yes").want(t, exitUnavailable)
	run(t, "repo", "add", "http://h/a", "-q").want(t, exitUnavailable)
}

// A write whose time is over while nobody leads says that: it is no use to wait longer for it.
func TestATimeoutWithoutALeaderIsExit7(t *testing.T) {
	release := make(chan struct{})
	leader := ""
	fakeNode(t, func(_ int, r request) any {
		if strings.HasSuffix(r.line, "/status") {
			return api.Status{Leader: leader}
		}
		<-release
		return nil
	})
	t.Cleanup(func() { close(release) })
	r := run(t, "repo", "rm", "a", "--yes", "--timeout", "1s").want(t, exitUnavailable)
	contains(t, "stderr", r.err, "Error: no leader until --timeout ran out: the write may or may not have happened")
	leader = "n1"
	run(t, "repo", "rm", "a", "--yes", "--timeout", "200ms").want(t, exitTimeout)
}

func TestTimeoutIsExit8(t *testing.T) {
	release := make(chan struct{})
	f := fakeNode(t, func(int, request) any { <-release; return nil })
	t.Cleanup(func() { close(release) })
	_ = f
	contains(t, "stderr", run(t, "status", "--timeout", "50ms").want(t, exitTimeout).err, "no answer in time", "--timeout")
}

func TestInterruptionIsExit130(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 10)
	fakeNode(t, func(int, request) any { asked <- struct{}{}; <-release; return nil })
	t.Cleanup(func() { close(release) })
	for _, line := range []string{"status", "repo add http://h/a", "repo add http://h/a --wait", "repo sync a --wait", "repo sync a b"} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		runFor(ctx, "", strings.Fields(line)...).want(t, exitInterrupted)
	}
}

type advisedError struct{ inner error }

func (e advisedError) Error() string { return "the port is busy" }
func (e advisedError) Hint() string  { return "another port" }
func (e advisedError) ExitCode() int { return 6 }
func (e advisedError) Unwrap() error { return e.inner }

func TestErrorsThatKnowWhatToTry(t *testing.T) {
	f := explain(fmt.Errorf("start: %w", advisedError{errors.New("bind: in use")}), false)
	if f.Exit != 6 || f.Try != "another port" || f.Cause != "bind: in use" || f.What != "start: the port is busy" {
		t.Errorf("%+v", f)
	}
}

func TestTheExitCodeOfAChildIsNotOurs(t *testing.T) {
	err := exec.Command("sh", "-c", "exit 128").Run()
	if f := explain(fmt.Errorf("git: %w", err), false); f.Exit != exitFailed {
		t.Errorf("%+v", f)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"https://h/a":               "https://h/a",
		"https://u:secret@h/a":      "https://***@h/a",
		"https://u:sec@ret@h/a":     "https://***@h/a",
		"u:secret@h:a":              "***@h:a",
		"http:/u:secret@h/a":        "***@h/a",
		"u@h/x://y":                 "***@h/x://y",
		"https://h/a?token=s@cret#": "https://***@cret#",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTally(t *testing.T) {
	s := &session{program: program{Streams: Streams{Err: new(strings.Builder), Out: new(strings.Builder)}}}
	refused := &Failure{What: "no", Exit: exitUsage}
	absent := &Failure{What: "no", Exit: exitNotFound}
	for _, tt := range []struct {
		ok   int
		errs []error
		want int
	}{
		{2, nil, exitOK}, {1, []error{refused}, exitPartFailed}, {0, []error{absent, absent}, exitNotFound}, {0, []error{absent, refused}, exitFailed},
	} {
		tally := tally{ok: tt.ok}
		for _, err := range tt.errs {
			tally.fail(s, "thing", err)
		}
		code := exitOK
		if err := tally.result("things", "done"); err != nil {
			code = explain(err, false).Exit
		}
		if code != tt.want {
			t.Errorf("%+v: %d", tt, code)
		}
	}
}

func TestWaitsAreBounded(t *testing.T) {
	end, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	if d := serverWait(end, true); d != 5*time.Minute {
		t.Errorf("asks a node to wait %s", d)
	}
	soon, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if d := serverWait(soon, true); d < time.Second || d > 2*time.Second {
		t.Errorf("asks a node to wait %s of 4s", d)
	}
	if d := serverWait(end, false); d != 0 {
		t.Errorf("asks a node to wait %s for nothing", d)
	}
}

// A probe reads the exit code; others read what is said, and it is 0 whatever that is.
func TestStatusForProbes(t *testing.T) {
	for verdict, want := range map[string]int{api.Healthy: exitOK, api.Degraded: exitFailed, "of a later release": exitFailed, api.NoQuorum: exitUnavailable} {
		fakeNode(t, func(int, request) any { return api.Status{Verdict: verdict, ClusterID: "c"} })
		run(t, "status").want(t, exitOK)
		if r := run(t, "status", "--exit-code").want(t, want); r.err != "" || !strings.HasPrefix(r.out, "Cluster c ") {
			t.Errorf("%s: %q, %q", verdict, r.out, r.err)
		}
		if r := run(t, "status", "--exit-code", "-q").want(t, want); strings.Count(r.out, "\n") != 1 {
			t.Errorf("%s: %q", verdict, r.out)
		}
	}
	t.Setenv(addrEnv, "http://127.0.0.1:1")
	starting := problem(http.StatusServiceUnavailable, "starting")
	starting.Detail = "this node is starting, and waits: for n3"
	waits := fakeNode(t, func(int, request) any { return starting })
	contains(t, "stderr", run(t, "status", "--exit-code").want(t, exitUnavailable).err, "waits: for n3")
	if n := len(waits.requests()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	waits.Close()
	run(t, "status", "--exit-code").want(t, exitUnavailable)
	contains(t, "stderr", run(t, "status", "--exit-code", "--watch").want(t, exitUsage).err, "--watch")
}

// A probe of a node that is frozen ends by itself, soon.
func TestAProbeIsBounded(t *testing.T) {
	release := make(chan struct{})
	fakeNode(t, func(int, request) any { <-release; return nil })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer time.AfterFunc(4*probeTimeout, cancel).Stop() // no deadline of ctx: that would be the bound
	runFor(ctx, "", "status", "--exit-code").want(t, exitTimeout)
	if ctx.Err() != nil {
		t.Error("it had to be ended")
	}
}

// Where there is no terminal, watching is a line of JSON for each change; a node that does not
// answer for a while ends nothing, and is told of once.
func TestWatchingIsLinesOfJSON(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fakeNode(t, func(n int, _ request) any {
		heard := time.Unix(int64(n), 0)
		switch {
		case n <= 3:
			return api.Status{Verdict: api.Healthy, ClusterID: "c", LastContact: &heard}
		case n <= 6:
			return problem(http.StatusNotFound, "odd")
		case n == 20:
			cancel()
		}
		return api.Status{Verdict: api.Degraded, ClusterID: "c", LastContact: &heard}
	})
	r := runFor(ctx, "", "status", "--watch").want(t, exitInterrupted)
	var verdicts []string
	for line := range strings.Lines(r.out) {
		var s api.Status
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		verdicts = append(verdicts, s.Verdict)
	}
	if !slices.Equal(verdicts, []string{api.Healthy, api.Degraded}) || strings.Count(r.err, "do better") != 1 || strings.Contains(r.err, "interrupted") {
		t.Errorf("%v\n%s", verdicts, r.err)
	}
}

// What is advised asks the node that was asked: at another there may be nothing wrong.
func TestAdviceIsForTheNodeThatWasAsked(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return &api.Problem{Status: 500, Code: "broken", Detail: "no"} })
	t.Setenv(addrEnv, "")
	contains(t, "stderr", run(t, "repo", "show", "x", "--addr", f.URL).want(t, exitFailed).err, "Try:   gitmirror status --addr "+f.URL+"\n")
	contains(t, "stderr", run(t, "repo", "show", "x", "--addr", f.URL, "-o", "json").want(t, exitFailed).err, `"hint":"gitmirror status --addr `+f.URL+`"`)
}
