package story

import (
	"context"
	"log/slog"
	"net/url"
	"strings"

	"gitmirror/fsm"
	"gitmirror/internal/oneline"
)

// line is what the log gets for an event.
type line struct {
	level slog.Level
	text  string
	attrs []slog.Attr

	event  *fsm.Event
	host   string // of the upstream; empty for nodes
	usual  bool   // what comes from upstream as it should, and there may be much of
	flaps  bool   // may come and go
	called string // of its kind, where many are counted
}

func (l line) write(to *slog.Logger) { to.LogAttrs(context.Background(), l.level, l.text, l.attrs...) }

// ration is what the line counts against: much that is as it should be keeps nothing else
// from being told.
func (l line) ration() string {
	if l.usual {
		return "usual " + l.host
	}
	return l.host
}

// kind is how events of a type are told.
type kind struct {
	level  slog.Level
	text   string
	detail string // the key of what the event says besides; empty: see lineOf
	usual  bool
	flaps  bool
}

// kinds has every type of event.
var kinds = map[string]kind{
	fsm.EventFailing:        {level: slog.LevelWarn, text: "repository is failing", flaps: true},
	fsm.EventParked:         {level: slog.LevelWarn, text: "repository is parked: upstream is asked three times a day, and by repo sync", flaps: true},
	fsm.EventHeld:           {level: slog.LevelWarn, text: "repository is held", detail: "reason", flaps: true},
	fsm.EventRecovered:      {text: "repository has recovered", detail: "what", flaps: true},
	fsm.EventApproved:       {text: "what was held may be followed", detail: "what"},
	fsm.EventApprovalUnused: {level: slog.LevelWarn, text: "an approval was not used", detail: "what"},
	fsm.EventPinned:         {text: "a ref is restored, and stays", detail: "ref"},
	fsm.EventBroken:         {level: slog.LevelWarn, text: "copy is broken", detail: "what", flaps: true},
	fsm.EventHealed:         {text: "copy is whole again", detail: "what", flaps: true},
	fsm.EventCopyLost:       {level: slog.LevelWarn, text: "the last live copy was given up", detail: "what"},
	fsm.EventMoved:          {text: "copies move", detail: "what", flaps: true},
	fsm.EventOwnerChanged:   {text: "owner has changed", detail: "what", flaps: true},
	fsm.EventBaseline:       {text: "cloned", usual: true},
	fsm.EventPublished:      {text: "published", usual: true},
	fsm.EventGenerationLost: {level: slog.LevelWarn, text: "a published generation is lost", detail: "what"},
	fsm.EventRepoAdded:      {text: "repository is added", usual: true},
	fsm.EventRepoRemoved:    {text: "repository is removed", usual: true},
	fsm.EventRepoRetired:    {text: "no source lists the repository any more", detail: "what", usual: true},
	fsm.EventRepoClaimed:    {text: "repository is wanted again", usual: true},
	fsm.EventSourceAdded:    {text: "source is added", detail: "index"},
	fsm.EventSourceRemoved:  {text: "source is removed"},
	fsm.EventSourceListed:   {text: "what a source lists has changed", detail: "what", flaps: true},
	fsm.EventSourceHeld:     {level: slog.LevelWarn, text: "source is held: it would take away too much", detail: "what", flaps: true},
	fsm.EventSourceApproved: {text: "what a source takes away may go", detail: "what"},
	fsm.EventRepoRestored:   {text: "repository is restored", detail: "what"},
	fsm.EventRepoRenamed:    {text: "repository has another name", detail: "before"},
	fsm.EventRepoPaused:     {text: "repository is paused: its upstream is not asked"},
	fsm.EventRepoResumed:    {text: "repository is asked for again"},
	fsm.EventUpstreamMoved:  {text: "repository has another upstream", detail: "url"},
	fsm.EventRedirected:     {text: "upstream says that it has moved for good", detail: "what", flaps: true},
	fsm.EventSwitched:       {text: "another of the upstream's addresses is asked", detail: "url", flaps: true},
	fsm.EventNodeJoined:     {text: "node has joined", detail: "peer"},
	fsm.EventNodeUp:         {text: "node is up", detail: "what", flaps: true},
	fsm.EventNodeDown:       {level: slog.LevelWarn, text: "node is down", detail: "what", flaps: true},
	fsm.EventNodeRemoved:    {text: "node is removed", detail: "what"},
	fsm.EventRecovery:       {level: slog.LevelWarn, text: "the cluster was recovered from the log of one node", detail: "what"},
	fsm.EventNodeDraining:   {text: "node gives what it has to others", detail: "what"},
	fsm.EventNodeUndrained:  {text: "node keeps what it has, and gets its share again", detail: "what"},
	fsm.EventNodeImpaired:   {level: slog.LevelWarn, text: "node cannot do all of its work", detail: "what", flaps: true},
	fsm.EventNodeRecovered:  {text: "node can do its work again", detail: "what", flaps: true},
}

// detailBytes bounds what of a message is in a line.
const detailBytes = 300

// lineOf is how an event is told: names, not ids, and the number by which it is found among
// the table's events.
func lineOf(view *fsm.View, e *fsm.Event) line {
	k, known := kinds[e.Type]
	if !known {
		k = kind{text: strings.ReplaceAll(e.Type, "_", " "), detail: "what"}
	}
	l := line{level: k.level, text: k.text, event: e, usual: k.usual, flaps: k.flaps, called: e.Type}
	detail := oneline.Clip(e.Detail, detailBytes)
	who := "node"
	switch {
	case fsm.OfSource(e.Type):
		who = "source"
	case e.Repo != "":
		who, l.host = "repo", hostOf(view, e)
	}
	l.attrs = []slog.Attr{slog.String(who, e.Name)}
	switch {
	case e.Type == fsm.EventFailing, e.Type == fsm.EventParked:
		class, err, _ := strings.Cut(detail, ": ")
		l.attrs = append(l.attrs, slog.String("class", class), slog.String("err", err))
	case k.detail != "" && detail != "":
		l.attrs = append(l.attrs, slog.String(k.detail, detail))
	}
	switch row := view.Repo(e.Repo); e.Type {
	case fsm.EventHeld:
		if row != nil && row.Hold != nil && row.Hold.Lost > 0 {
			l.attrs = append(l.attrs, slog.Uint64("lost", uint64(row.Hold.Lost)), slog.Uint64("of", uint64(row.Hold.Settled)))
		}
	case fsm.EventBaseline:
		refs, _, _ := strings.Cut(detail, " ")
		l.attrs = append(l.attrs, slog.String("refs", refs))
	case fsm.EventPublished:
		l.attrs = append(l.attrs, slog.Uint64("generation", e.Generation), slog.Uint64("changes", uint64(e.ChangesTotal)))
	}
	l.attrs = append(l.attrs, slog.Uint64("event", e.Seq))
	return l
}

// hostOf is the host of the upstream; of a row that is gone what its name begins with.
func hostOf(view *fsm.View, e *fsm.Event) string {
	if row := view.Repo(e.Repo); row != nil {
		if urls := row.URLs(); len(urls) > 0 {
			if u, err := url.Parse(urls[0]); err == nil && u.Host != "" {
				return u.Host
			}
		}
	}
	host, _, _ := strings.Cut(e.Name, "/")
	return host
}
