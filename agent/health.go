package agent

import (
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/mirror"
)

// messageSpacing is how often a repo's failure may change its words in the log
// while its class stays.
const messageSpacing = time.Minute

// lossSpacing is how often what a hold says is lost may change in the log.
const lossSpacing = 5 * time.Second

// messageBytes bounds the message of a failure in the log.
const messageBytes = 500

// news remembers when the words of a repo's failure were last written to the
// log. A change of class is always news, a change of words once a minute.
type news struct {
	mu    sync.Mutex
	told  map[string]time.Time
	swept time.Time
}

// take tells whether the repo's words may be told now, spacing after the last ones; if
// not, when.
func (n *news) take(repo string, now time.Time, spacing time.Duration) (wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.told[repo]; ok && now.Sub(at) < spacing {
		return spacing - now.Sub(at)
	}
	n.told[repo] = now
	// What is older than any spacing says nothing any more.
	if now.Sub(n.swept) >= messageSpacing {
		n.swept = now
		maps.DeleteFunc(n.told, func(_ string, at time.Time) bool { return now.Sub(at) >= messageSpacing })
	}
	return 0
}

// healthReport returns the owner's news of a repo's health, or nil. again is
// when a change of words that is not told yet may be.
func (a *Agent) healthReport(r *fsm.Repo, s mirror.Status, now time.Time) (h *command.HealthReport, again time.Duration) {
	if !s.Checked && s.Failure == nil {
		return nil, 0
	}
	h = &command.HealthReport{Repo: r.ID, Epoch: r.Epoch}
	knownClass, knownMessage, parked := "", "", false
	if r.Error != nil {
		knownClass, knownMessage, parked = r.Error.Class, r.Error.Message, r.Error.Parked
	}
	if s.Failure != nil {
		h.ErrorClass, h.Message = string(s.Failure.Class), oneline.Clip(s.Failure.Message, messageBytes)
		h.Parked = s.Parked && a.cfg.State.View().ParksRepos()
	}
	view := a.cfg.State.View()
	putHold(h, r, s)
	if view.KnowsMoved() {
		putMoved(h, r, s)
	}
	if view.KnowsFallbacks() {
		putFallback(h, r, s)
	}
	if s.Judged {
		h.Heard = s.Heard
	}
	same := sameHold(r.Hold, h, view.RemembersPast())
	answered := r.Answered(h.Heard, h.HoldReason != "")
	switch {
	case answered, knownClass != h.ErrorClass, parked != h.Parked, !sameFallback(r.Fallback, h), (r.Hold == nil) != (h.HoldReason == ""), r.Hold != nil && r.Hold.Reason != h.HoldReason:
		a.news.take(r.ID, now, 0)
		return h, 0
	case same && sameMoved(r.Moved, h) && (h.ErrorClass == "" || gist(knownMessage) == gist(h.Message)):
		return nil, 0
	}
	spacing := messageSpacing
	if !same {
		spacing = lossSpacing // a person may be about to approve what is there
	}
	if wait := a.news.take(r.ID, now, spacing); wait > 0 {
		return nil, wait
	}
	return h, 0
}

// putHold says what is held. While upstream does not answer, that is what the table
// says: an outage takes nothing back.
func putHold(h *command.HealthReport, r *fsm.Repo, s mirror.Status) {
	switch {
	case !s.Judged && r.Hold != nil:
		was := r.Hold
		h.HoldReason, h.HoldDigest, h.HoldLost, h.HoldSettled, h.HoldFirst, h.HoldLosses = was.Reason, was.Observed[:], was.Lost, was.Settled, was.First, was.Losses[:]
	case s.Judged && s.Hold != nil:
		h.HoldReason, h.HoldDigest, h.HoldLosses = s.Hold.Reason, s.Hold.Observed[:], s.Hold.Losses[:]
		h.HoldLost, h.HoldSettled, h.HoldFirst = uint32(s.Hold.Lost), uint32(s.Hold.Settled), changesOf(s.Hold.First)
	}
}

// putMoved says where an upstream is from now on. While none has answered, or what was
// answered is of an address that is not the row's any more, that is what the table says.
func putMoved(h *command.HealthReport, r *fsm.Repo, s mirror.Status) {
	switch now := s.Moved; {
	case now != nil && slices.Contains(r.URLs(), now.From):
		h.MovedFrom, h.MovedTo = now.From, now.To
	case now == nil && s.Judged:
	case r.Moved != nil:
		h.MovedFrom, h.MovedTo = r.Moved.From, r.Moved.To
	}
}

// putFallback says which url has answered, where it is not the first. While none has, that is
// what the table says.
func putFallback(h *command.HealthReport, r *fsm.Repo, s mirror.Status) {
	urls := r.URLs()
	switch {
	case s.Judged && s.URL > 0 && s.URL < len(urls):
		h.Fallback = urls[s.URL]
	case !s.Judged && r.Fallback != nil:
		h.Fallback = r.Fallback.URL
	}
}

// sameFallback tells whether the table knows which url answers.
func sameFallback(known *fsm.Fallback, h *command.HealthReport) bool {
	return known == nil && h.Fallback == "" || known != nil && known.URL == h.Fallback
}

// sameMoved tells whether the table knows what upstream says of where it is.
func sameMoved(known *fsm.Moved, h *command.HealthReport) bool {
	if known == nil {
		return h.MovedTo == ""
	}
	return known.From == h.MovedFrom && known.To == h.MovedTo
}

// sameHold tells whether the table knows the hold as it is: a fast-forward beside it is
// no news, another loss is. An owner without a copy knows no more than how many refs are
// lost; one with a copy names them, where the cluster's format has names.
func sameHold(known *fsm.Hold, h *command.HealthReport, names bool) bool {
	if known == nil {
		return h.HoldReason == ""
	}
	same := string(known.Losses[:]) == string(h.HoldLosses)
	if known.Losses.IsZero() && (same || !names) {
		return string(known.Observed[:]) == string(h.HoldDigest)
	}
	return same
}

var (
	longHex = regexp.MustCompile(`\b[0-9a-f]{7,64}\b`)
	figure  = regexp.MustCompile(`[0-9][0-9A-Za-zµ.:]*`)
)

// gist is what a message says beyond its figures: times, counts of bytes, ports
// and object ids differ each time, and are no news.
func gist(message string) string {
	return figure.ReplaceAllString(longHex.ReplaceAllString(message, "#"), "#")
}
