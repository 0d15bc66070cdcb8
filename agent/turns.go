package agent

import (
	"log/slog"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// turns are repositories that a report says to be failing now, or well again: a line for
// each kind of news in it, however many there are of that.
type turns struct {
	failing, well int
	first         [2]*fsm.Repo // of each
	class, words  string       // of the first that fails
}

// turnsOf compares a report with what the table knows before.
func turnsOf(view *fsm.View, msg *command.Report) (t turns) {
	for _, h := range msg.GetHealth() {
		r := view.Repo(h.GetRepo())
		if r == nil {
			continue
		}
		was := ""
		if r.Error != nil {
			was = r.Error.Class
		}
		switch is := h.GetErrorClass(); {
		case is == was:
		case is != "":
			if t.failing++; t.failing == 1 {
				t.first[0], t.class, t.words = r, is, h.GetMessage()
			}
		default:
			if t.well++; t.well == 1 {
				t.first[1] = r
			}
		}
	}
	return t
}

func (t turns) log(to *slog.Logger) {
	if t.failing > 0 {
		to.Warn("a repository is failing", "repo", t.first[0].Name, "class", t.class, "why", t.words, "others", t.failing-1)
	}
	if t.well > 0 {
		to.Info("a repository is well again", "repo", t.first[1].Name, "others", t.well-1)
	}
}
