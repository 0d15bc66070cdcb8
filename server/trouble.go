package server

import (
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

// trouble is what of a source somebody should look at. There is none of one that a person has paused, or removed.
type trouble struct {
	unlisted string          // that it cannot be listed, or may not, and why; empty where it is
	since    time.Time       // of that; the zero time where it is not told
	held     *fsm.SourceHold // that nobody has approved; nil for none
	errors   int             // of its last listing, and of submodules
}

func troubleOf(view *fsm.View, src *fsm.Source) (t trouble) {
	if src.Paused || src.Removing {
		return trouble{}
	}
	row := view.Repo(src.Index)
	switch state, reason := sourceState(view, src, row); {
	case state == api.SourceFailing:
		t.unlisted, t.since = "cannot be listed: "+reason, failingSince(src, row)
	case src.IsForge() && barred(view, src) != "":
		t.unlisted = "is not listed: " + barred(view, src)
	}
	if h := view.Hold(src); h != nil && !h.Approved {
		t.held = h
	}
	t.errors = int(src.Listed.GetFlawsTotal())
	view.Flawed(src.Num, func(*fsm.Claim) bool { t.errors++; return true })
	return t
}

// shownSources is how many sources have a line of their own among what somebody should look at.
const shownSources = 5

// troubledSources are the sources that somebody should look at, a line for each: first those of which nothing new is mirrored.
func troubledSources(view *fsm.View) []api.Attention {
	var worse, flawed []api.Attention
	for _, src := range view.Sources() {
		t := troubleOf(view, src)
		a := api.Attention{Command: "gitmirror source show " + src.Name}
		switch {
		case t.unlisted != "":
			a.Message, a.Since = fmt.Sprintf("the source %s %s", src.Name, t.unlisted), timeOf(t.since)
			worse = append(worse, a)
		case t.held != nil:
			a.Message, a.Since = fmt.Sprintf("the source %s is held: it would take away %d of %d", src.Name, t.held.Lost, view.ClaimsLen(src.Num)), timeOf(t.held.Since)
			a.Message += api.SourceHold{Earlier: src.Lost(view.Now())}.Besides()
			worse = append(worse, a)
		case t.errors > 0:
			a.Message = fmt.Sprintf("the source %s is listed with %s", src.Name, count(t.errors, "error", "errors"))
			flawed = append(flawed, a)
		}
	}
	list := slices.Concat(worse, flawed)
	if more := len(list) - shownSources; more > 0 {
		list = append(list[:shownSources], api.Attention{Message: count(more, "more source", "more sources") + " held, not listed, or listed with errors", Command: "gitmirror source ls"})
	}
	return list
}
