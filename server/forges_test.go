package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"

	"google.golang.org/protobuf/proto"
)

// forgeTable is a cluster of n1 and n2 with the forge acme, which n1 lists.
type forgeTable struct {
	t     *testing.T
	state *fsm.State
	index uint64
	now   time.Time
}

func (b *forgeTable) do(msg proto.Message) {
	b.t.Helper()
	b.index++
	data, err := fsm.Encode(msg, "", b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	if r := b.state.Apply(b.index, data); r.Err != nil || r.Outcome.GetCode() != "" {
		b.t.Fatal(r.Err, r.Outcome)
	}
}

func TestHowAForgeIs(t *testing.T) {
	b := &forgeTable{t: t, state: fsm.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.do(&command.FoundCluster{ClusterId: "c", Format: fsm.Format})
	for _, n := range []string{"n1", "n2"} {
		b.do(&command.PutNode{Node: &command.Node{Id: n, Name: n, Format: fsm.Format}})
	}
	b.do(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "acme", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}})
	is := func(state, reason string) api.Source {
		t.Helper()
		v := b.state.View()
		out := sourceOf(v, v.SourceByName("acme"))
		if out.State != state || !strings.Contains(out.Reason, reason) || reason == "" && out.Reason != "" {
			t.Errorf("it is %s (%s), want %s (%s)", out.State, out.Reason, state, reason)
		}
		return out
	}
	listed := func(l *command.Listed) { b.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Done: l}) }
	out := is(api.SourceWaiting, "about to be listed")
	if out.Owner != "n1" || out.Kind != "github" || out.Account != "acme" || out.Selection.Visibility[0] != "public" || out.Selection.Template == "" || out.Next == nil || len(out.Credentials) != 0 || out.Index != "" {
		t.Errorf("%+v", out)
	}
	runs := func() {
		b.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Course: &command.Course{RanMs: 60_000, Pages: 12, Found: 1200, RestMs: 600_000}})
	}
	runs()
	if out = is(api.SourceListing, ""); out.Underway.Pages != 12 || out.Underway.Found != 1200 || !out.Since.Equal(b.now.Add(-time.Minute)) || !out.Underway.Until.Equal(b.now.Add(10*time.Minute)) {
		t.Errorf("%+v, %+v", out, out.Underway)
	}
	b.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Course: &command.Course{RanMs: 60_000, Pages: 12, Found: 1200, Trouble: "it does not answer in time"}})
	if out = is(api.SourceListing, "does not answer"); out.Underway.Trouble == "" {
		t.Errorf("%+v", out.Underway)
	}
	listed(&command.Listed{Generation: 1, Entries: 3, Skipped: 2})
	if out = is(api.SourceListed, ""); out.Listing.Skipped != 2 || out.Next.Sub(b.now) < 50*time.Minute {
		t.Errorf("%+v", out)
	}
	listed(&command.Listed{Error: "it answers 502", Tries: 1, RestMs: 60_000})
	is(api.SourceFailing, "502")
	if list := troubledSources(b.state.View()); len(list) != 1 || !strings.Contains(list[0].Message, "502") {
		t.Errorf("%+v", list)
	}
	listed(&command.Listed{Error: "rate limit", RestMs: 60_000, Limited: true})
	is(api.SourceWaiting, "until 2030-01-01T00:01:00Z")
	b.now = b.now.Add(2 * time.Minute)
	b.do(&command.Tick{})
	is(api.SourceWaiting, "about to be listed")
	runs()
	is(api.SourceListing, "")
	listed(&command.Listed{Error: "it answers 502", Tries: 1, RestMs: 60_000})
	runs()
	if out = is(api.SourceFailing, "502"); out.Underway == nil {
		t.Errorf("%+v", out)
	}
	listed(&command.Listed{Generation: 2, Hold: &command.SourceHold{Digest: make([]byte, 20), Lost: 3}})
	is(api.SourceHeld, "")
	b.do(&command.ApproveSource{Id: "f", Digest: make([]byte, 20)})
	is(api.SourceWaiting, "about to be listed")
	b.do(&command.PutCredentials{Node: "n2", Sources: []string{"acme"}})
	b.do(&command.SetNodeState{Id: "n2", State: command.NodeState_NODE_STATE_DOWN})
	// Nobody may list it: somebody should look at that, and it is not listed next.
	attended := func(message string) {
		t.Helper()
		v := b.state.View()
		list := troubledSources(v)
		if out := sourceOf(v, v.SourceByName("acme")); len(list) != 1 || list[0].Message != message || list[0].Command != "gitmirror source show acme" || out.Next != nil {
			t.Errorf("%+v, listed next %v", list, out.Next)
		}
	}
	if out = is(api.SourceWaiting, "it is not listed while no node lives that has its credential: n2"); out.Credentials[0] != "n2" {
		t.Errorf("%+v", out)
	}
	attended("the source acme is not listed: no node lives that has its credential: n2")
	b.do(&command.PutCredentials{Node: "n2"})
	if out = is(api.SourceWaiting, "about to be listed"); out.Next == nil || len(troubledSources(b.state.View())) != 0 {
		t.Errorf("%+v, %+v", out, troubledSources(b.state.View()))
	}
	listed(&command.Listed{Generation: 3, WithCredential: true})
	if out = is(api.SourceWaiting, "no node has its credential"); len(out.Credentials) != 0 {
		t.Errorf("%+v", out)
	}
	attended("the source acme is not listed: no node has its credential, with which it was listed: start one with --source-token for it, or add the source anew")
	b.do(&command.PutCredentials{Node: "n1", Unusable: []*command.Unusable{{Source: "acme", Why: "/etc/acme.token may be read by others"}}})
	is(api.SourceWaiting, "it is not listed while no node can use its credential: n1: /etc/acme.token may be read by others")
	attended("the source acme is not listed: no node can use its credential: n1: /etc/acme.token may be read by others")
	b.do(&command.SetSource{Id: "f", Paused: proto.Bool(true)})
	if out = is(api.SourcePaused, ""); out.Next != nil || len(troubledSources(b.state.View())) != 0 {
		t.Errorf("%+v", out)
	}
}

func TestWhatIsNoForge(t *testing.T) {
	if f, err := newForge(api.AddSource{Kind: "gitea", Account: "/tools/", BaseURL: "https://Codeberg.org/", Selection: &api.Selection{Wiki: true}}); err != nil || f.GetBase() != "https://codeberg.org" || f.GetAccount() != "tools" || !f.GetSelection().GetWiki() {
		t.Errorf("%v, %v", f, err)
	}
	for _, bad := range []api.AddSource{{Kind: "svn", Account: "a"}, {Kind: "github"}, {Kind: "github", Account: "a", URL: "https://h/x"}, {Kind: "github", Account: "a", Namespace: "n"}, {Kind: "github", Account: "a", BaseURL: "h"},
		{Kind: "github", Account: "a", Selection: &api.Selection{Match: "("}}, {Kind: "github", Account: "a", Selection: &api.Selection{Template: "x"}}} {
		if _, err := newForge(bad); refusal.Of(err) == nil || refusal.Of(err).Hint == "" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// What of a source's repos is held is said where somebody looks at the source.
func TestHeldReposOfASource(t *testing.T) {
	tb := newTable(t)
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "acme", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}})
	view := func() *fsm.View { return tb.state.View() }
	if got := heldRepos(view(), view().SourceByName("acme")); got != nil {
		t.Errorf("%+v", got)
	}
	tb.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Put: []*command.Entry{{Path: "7", File: "acme/r", Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "new", Name: "acme/r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}}}}})
	tb.publish(1).health("", "head_rewrite")
	got := heldRepos(view(), view().SourceByName("acme"))
	if got == nil || got.Total != 1 || got.First[0].Name != "r" || got.First[0].URL != "https://h/r" || !strings.Contains(got.First[0].Message, "gitmirror repo approve r") {
		t.Errorf("%+v", got)
	}
}

// Of many that are held some are told, and those of this source alone.
func TestManyHeldReposOfASource(t *testing.T) {
	tb := newTable(t)
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	report := &command.Report{Node: "n1"}
	for _, src := range []string{"one", "two"} {
		tb.do(&command.PutSource{Source: &command.NewSource{Id: src, Name: src, Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: src}}})
		l := &command.Listing{Source: src, Node: "n1", Epoch: 1}
		for i := range shownHeld + 3 {
			name := fmt.Sprint(src, "/", i)
			l.Put = append(l.Put, &command.Entry{Path: name, File: name, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: strings.ReplaceAll(name, "/", ""), Name: name, Urls: []string{"https://h/" + name}, UrlKeys: []string{"h/" + name}, Copies: []string{"n1"}, Owner: "n1"}})
			report.Health = append(report.Health, &command.HealthReport{Repo: strings.ReplaceAll(name, "/", ""), Epoch: 1, HoldReason: "head_rewrite", HoldDigest: make([]byte, 20)})
		}
		tb.do(l)
	}
	tb.do(report)
	view := tb.state.View()
	if got := heldRepos(view, view.SourceByName("one")); got == nil || got.Total != shownHeld+3 || len(got.First) != shownHeld || !strings.HasPrefix(got.First[0].Name, "one/") {
		t.Errorf("%+v", got)
	}
}

// What is of the other kind of source is refused, with what can be set of this one.
func TestWhatIsSetOfTheOtherKind(t *testing.T) {
	b := both(t)
	b.do(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "acme", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}})
	g := &group{leader: "me"}
	s := New(Config{Self: "me", State: b.state, Consensus: g, Writer: g, Peers: nobodyAnswers{}, Now: time.Now, Hosts: []string{"example.com"}, Log: testlog.New(t)})
	for path, c := range map[string]struct{ body, try string }{
		"acme": {`{"ref":"main"}`, "--match"},
		"s":    {`{"selection":{"match":"x"}}`, "--path"},
	} {
		r, w := httptest.NewRequest(http.MethodPatch, "/api/v1/sources/"+path, strings.NewReader(c.body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		s.Handler(Open).ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(got, `"source_invalid"`) || !strings.Contains(got, c.try) {
			t.Errorf("%s: %d, %s", path, w.Code, got)
		}
	}
}
