package sync

import (
	"context"
	"strings"
	"time"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/work"
)

// tell adds to a check when the commits were made that upstream has by now: by that the
// schedule learns how soon to ask again. What cannot be read of is not told, and then the
// schedule has only its checks to learn from.
func (w *Worker) tell(ctx context.Context, t work.Task, out *work.Result) {
	if w.commits == nil || !out.Checked || out.Failure != nil || out.Waiting || out.Rerun || !out.Changed && !t.Learn {
		return
	}
	repo := w.store.Repo(t.ID)
	if repo == nil {
		return
	}
	since, tips := t.Since, newTips(out.Changes)
	if t.Learn {
		since = out.CheckedAt.Add(-rhythm.Window)
		live, err := repo.Table()
		if err != nil {
			return // who next uses it finds out
		}
		tips = branches(live)
	}
	release, err := repo.Acquire()
	if err != nil {
		return
	}
	defer release()
	w.reading.Lock() // one at a time: it takes memory
	defer w.reading.Unlock()
	times, err := w.commits(ctx, repo.Dir(), tips, since)
	if err != nil {
		w.log.Debug("the times of its commits are not known", "repo", t.Name, "err", err)
		return
	}
	out.Commits, out.Learned = times, t.Learn
}

// Commits tells when the commits were made that tips lead to, since a time.
type Commits func(ctx context.Context, dir string, tips []string, since time.Time) ([]time.Time, error)

func newTips(changes []refs.Change) (tips []string) {
	for _, c := range changes {
		if c.New != "" {
			tips = append(tips, c.New)
		}
	}
	return tips
}

func branches(t *refs.Table) (tips []string) {
	for _, r := range t.Refs {
		if strings.HasPrefix(r.Name, "refs/heads/") {
			tips = append(tips, r.OID)
		}
	}
	return tips
}
