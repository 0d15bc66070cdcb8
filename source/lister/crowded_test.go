package lister_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm/command"
)

// myNames are so many names of people's.
func myNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("my/%d", i))
	}
	return names
}

// What was refused since there was no room is taken up as soon as there is some, and not asked for before.
func TestWhatHadNoRoomIsTakenUp(t *testing.T) {
	w := newWorld(t)
	var many []string
	for i := range 990 {
		many = append(many, fmt.Sprintf("h/m%04d", i))
	}
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules(append(many, "h/q")...)
	var more []string
	for i := range 20 {
		more = append(more, fmt.Sprintf("h/n%04d", i))
	}
	w.modules["h/q"] = modules(more...)
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	for range 3 {
		w.grow("a")
		l.LookBelow(t.Context())
	}
	const q = "r > h/q"
	if got, flaw := len(w.paths()), w.flawsBelow()[q]; got != 1001 || !strings.Contains(flaw, "as many as may") {
		t.Fatalf("%d claims, %q", got, flaw)
	}
	before := w.batches
	if l.LookBelow(t.Context()); w.batches != before {
		t.Errorf("%d proposals though there is no room", w.batches-before)
	}
	w.modules["h/r"] = modules(append(many[30:], "h/q")...)
	w.publishes(w.rowOf("h/r").ID)
	for range 3 {
		l.LookBelow(t.Context())
	}
	if got, flaws := len(w.paths()), w.flawsBelow(); got != 1+960+1+20 || len(flaws) != 0 {
		t.Errorf("%d claims, %q", got, flaws)
	}
}

// So is what would have given a row more names than it may have.
func TestWhatHadNoRoomForItsNameIsTakenUp(t *testing.T) {
	w := newWorld(t)
	names := myNames(16)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "my/x", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}}})
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "x", Aliases: &command.Aliases{Names: names}}}})
	w.files["x"] = "url: https://h/x"
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	flaws := func() uint32 { return w.state.View().SourceByID("s").Listed.GetFlawsTotal() }
	if flaws() != 1 || len(w.paths()) != 0 {
		t.Fatalf("%d flaws, %q", flaws(), w.paths())
	}
	if try := w.state.View().SourceByID("s").Listed.GetFlaws()[0].GetTry(); !strings.Contains(try, "gitmirror repo set my/x --alias") {
		t.Errorf("the hint is %q", try)
	}
	before := w.batches
	if l.Look(t.Context()); w.batches != before {
		t.Errorf("%d proposals though there is no room", w.batches-before)
	}
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "x", Aliases: &command.Aliases{}}}})
	l.Look(t.Context())
	if flaws() != 0 || len(w.paths()) != 1 {
		t.Errorf("%d flaws, %q", flaws(), w.paths())
	}
	// Also of what has an address that nobody has yet: it is called so too, which it was not as its first.
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "other", Name: "h/z", Urls: []string{"https://other/z"}, UrlKeys: []string{"other/z"}}}})
	w.files["z"] = "url: https://h/z"
	w.publish()
	l.Look(t.Context())
	z := w.rowOf("h/z").ID
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: z, Aliases: &command.Aliases{Names: names}}}})
	w.files["z"] = "url: https://h/y"
	w.publish()
	if l.Look(t.Context()); flaws() != 1 || w.rowOf("h/z") == nil {
		t.Fatalf("%d flaws", flaws())
	}
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: z, Aliases: &command.Aliases{}}}})
	if l.Look(t.Context()); flaws() != 0 || w.rowOf("h/y").ID != z {
		t.Errorf("%d flaws", flaws())
	}
}

// Room that another entry of the same listing makes is taken in it.
func TestRoomIsMadeByTheSameListing(t *testing.T) {
	w := newWorld(t)
	w.files["a"], w.files["b"] = "url: https://h/q", "url: https://h/r"
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	q, r := w.rowOf("h/q").ID, w.rowOf("h/r").ID
	names := myNames(15)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "my/15", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}}}}) // so that the row stays
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: r, Aliases: &command.Aliases{Names: names[:14]}}}})
	w.files["a"], w.files["b"] = "url: https://h/r", "url: https://h/s"
	w.publish()
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Listed.GetFlawsTotal() != 0 || w.state.View().ClaimOf(src.Num, "a").Repo != r || w.state.View().ClaimOf(src.Num, "b").Repo == r {
		t.Errorf("%v, a is on %+v, was on %s", src.Listed.GetFlaws(), w.state.View().ClaimOf(src.Num, "a"), q)
	}
}

// What has another name, and another url before its own, is taken up when there is room at the row that it had.
func TestWhatIsRenamedHadNoRoom(t *testing.T) {
	w := newWorld(t)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "other", Name: "h/b", Urls: []string{"https://other/b"}, UrlKeys: []string{"other/b"}}}})
	w.files["b"] = "url: https://h/b"
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	b := w.rowOf("h/b").ID
	names := myNames(16)
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: b, Aliases: &command.Aliases{Names: names}}}})
	delete(w.files, "b")
	w.files["b3"] = "url: [https://h/e, https://h/b]"
	w.publish()
	l.Look(t.Context())
	flaws := func() uint32 { return w.state.View().SourceByID("s").Listed.GetFlawsTotal() }
	if flaws() != 1 {
		t.Fatalf("%d flaws", flaws())
	}
	w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: b, Aliases: &command.Aliases{}}}})
	if l.Look(t.Context()); flaws() != 0 || w.rowOf("h/e").ID != b {
		t.Errorf("%d flaws", flaws())
	}
}

// Whatever it was that there was no room at, it is tried again within minutes, and not before.
func TestWhatHadNoRoomIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		names := myNames(16)
		w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "my/x", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}}})
		w.sure(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "x", Aliases: &command.Aliases{Names: names}}}})
		w.files["x"] = "url: https://h/x"
		w.publish()
		l := w.lister("a")
		l.Look(t.Context())
		before := w.batches
		next := l.Look(t.Context())
		if w.batches != before || next <= 0 || next > 5*time.Minute {
			t.Fatalf("again in %s, %d batches more", next, w.batches-before)
		}
		<-time.After(next)
		if l.Look(t.Context()); w.batches == before {
			t.Error("it is not tried again")
		}
	})
}
