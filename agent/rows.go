package agent

import (
	"gitmirror/mirror"
)

// Assignment implements mirror.Rows: what the table says of a repository now, where it
// has this node keep a copy.
func (a *Agent) Assignment(id string) (mirror.Assignment, bool) {
	view := a.cfg.State.View()
	self, r := view.NodeByID(a.cfg.Self), view.Repo(id)
	if self == nil || r == nil || !stays(r, self.Num) {
		return mirror.Assignment{}, false
	}
	return assignmentOf(view, r, self.Num), true
}
