// Package remote is the seam to upstreams: how they are reached, what was learned about
// their servers, and what it means when they fail. Whoever asks an upstream, or has git
// fetch from it, sees a Remote, and nothing of how it is spoken to.
//
// It promises that every connection goes out by the egress policy, that what an upstream
// says is bounded in bytes and time, that git is led to the upstream alone, and that
// errors are *failure.Error. It keeps no objects and compares no answers.
//
// HTTP is spoken here. Another transport, or credentials, are another Remote behind
// Remotes.Open.
package remote

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
)

// Remote is one upstream, as one check deals with it.
type Remote interface {
	// LsRefs asks for the refs under prefixes, and HEAD. The answer must be closed.
	LsRefs(ctx context.Context, prefixes []string) (*Answer, error)
	// Moved is where the upstream is from now on, as LsRefs was told: the address to which it
	// redirects for good; empty where it does not.
	Moved() string
	// Fetch makes git's way to where LsRefs has found the upstream, at the end of all
	// redirects; to its URL where it was not asked. It must be closed.
	Fetch() (Way, error)
}

// Way is how git, or who does without, gets to an upstream for one fetch, and nowhere else. What an upstream
// sends by it is counted.
type Way interface {
	// Open has git led to the upstream until the route is closed. A way that is not
	// opened holds no connection.
	Open() (Route, error)
	Packs           // asks the upstream from this process, without git
	Limit(n int64)  // cuts the connection when more than n bytes have come
	Exceeded() bool // tells whether it was
	Slow(on bool)   // holds what comes to a pace, or lets it go on
	Close()
}

// Route is what git is told to go an open way.
type Route interface {
	URL() string // what git is sent to
	Settings() []git.Setting
	// Explain is why git failed: what is known here, else git's own reason, with the
	// upstream named as its owner does.
	Explain(why *failure.Error) *failure.Error
	Close()
}

// Config bounds and identifies what asks upstreams. Zero values mean the defaults.
type Config struct {
	Transport     http.RoundTripper // goes out through the egress dialer
	Proxy         *egress.Proxy     // by which git goes out
	Log           *slog.Logger
	Agent         string        // default "gitmirror"
	MaxBytes      int64         // of one answer; default 64 MiB
	Answers       *spool.Pool   // what all answers share, with what is made of them; default NewPool in the directory for temporary files
	HeaderTimeout time.Duration // until an answer begins; default 30 s
	StallTimeout  time.Duration // an answer must bring 1 KiB within it, or end; default 30 s
	AnswerTimeout time.Duration // until an answer ends; default 10 min
	Pause         time.Duration // before a server that stumbled is asked again; default 250 ms
}

// Remotes are the upstreams of a node, and what was learned about their servers. It is
// safe for concurrent use.
type Remotes struct {
	cfg  Config
	http *http.Client

	parsing chan struct{} // held while a large answer is parsed

	known known
}

// New returns Remotes that know no server yet.
func New(cfg Config) *Remotes {
	if cfg.Agent == "" {
		cfg.Agent = "gitmirror"
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.Answers == nil {
		cfg.Answers = NewPool(nil, "", nil)
	}
	if cfg.HeaderTimeout == 0 {
		cfg.HeaderTimeout = 30 * time.Second
	}
	if cfg.StallTimeout == 0 {
		cfg.StallTimeout = 30 * time.Second
	}
	if cfg.AnswerTimeout == 0 {
		cfg.AnswerTimeout = 10 * time.Minute
	}
	if cfg.Pause == 0 {
		cfg.Pause = 250 * time.Millisecond
	}
	return &Remotes{cfg: cfg, parsing: make(chan struct{}, 1), http: &http.Client{Transport: cfg.Transport, CheckRedirect: checkRedirect}}
}

// Open returns the upstream with that URL. It asks nobody.
func (r *Remotes) Open(url string) Remote { return &site{Remotes: r, url: url, base: url} }

// Forget has the server of a URL learned anew by the next check: a person wants to know
// what is so now.
func (r *Remotes) Forget(url string) { r.known.forget(url) }
