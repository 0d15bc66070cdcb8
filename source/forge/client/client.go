// Package client asks forges which repositories an account has: all pages, or an error.
//
// The libraries of the forges know addresses and forms; how a forge is reached, who gets the token,
// how much is read, when to wait and what an answer means is said here once for all of them. The token
// goes to the forge's own address and nowhere else, and is in no error. A forge that redirects to
// another address is not followed there.
package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"gitmirror/source/forge"
)

// Bounds of a listing.
const (
	maxRepos     = 100_000
	maxPages     = 10_000
	maxAnswer    = 16 << 20 // bytes of a page
	maxObjects   = 1 << 16  // JSON objects of a page: each of them takes a thousand bytes, even one with nothing in it
	maxRefusal   = 8 << 10  // bytes of an answer that refuses
	perPage      = 100
	requestTime  = time.Minute
	listingTime  = 30 * time.Minute // but for what is waited for the forge's limits
	maxRedirects = 5
	passes       = 3 // of a listing that does not add up
)

// pauses are how long is waited before a page is asked for again that failed by the forge's fault.
var pauses = []time.Duration{time.Second, 5 * time.Second}

// Config says how a forge is reached.
type Config struct {
	Account   forge.Account     // as Admit returns it
	Transport http.RoundTripper // to anywhere; it must not follow redirects
	Token     string            // empty for none
	Memory    *Memory           // of the last listing; nil for none
	Agent     string            // User-Agent
	// Patience is how long, in all, the forge's limits are waited for within the listing; 0: not at all. One that
	// is there before anything was read is not waited for, unless the listing is made Anew.
	Patience time.Duration
	Anew     bool           // it was made just now, and is made again
	Progress func(Progress) // called in the listing's goroutine, which it holds up; nil for nobody
}

// Progress is how far a listing has come.
type Progress struct {
	Pages int       // that were asked for
	Repos int       // that were found
	Until time.Time // when the forge's limit is over, which is waited for; the zero time while nothing is
	// Trouble is why the page that is asked for now was asked for in vain before; empty where it was not.
	Trouble string
}

// Result is what an account has.
type Result struct {
	Repos []forge.Repo // by id
	Quota Quota
	Pages int
	Same  int // of the pages, those that were the same as last time
	// Told is how many the forge tells of at least, where it shows fewer than that, each time the same; else 0. What it
	// does not show may be there all the same.
	Told int
}

// Quota is what the forge says of how much more it may be asked. Resets is the zero time where it says
// nothing.
type Quota struct {
	Left   int
	Resets time.Time
}

// page is a part of what an account has.
type page struct {
	repos []forge.Repo
	next  int // 0: there is none, or untold
	total int // of all pages; 0 where that is not told
	was   int // of a page that is the same: the total that was told with it last
	bytes int // that it takes
	// untold tells that nothing in the answer says whether there is a next one: forges say nothing of it where all is
	// on one page, and what they say may be taken away on the way.
	untold bool
}

// announces tells that the forge says that there is a next page, which is more than that there may be one.
func (p *page) announces() bool { return p.next != 0 && !p.untold }

// sort is what an account may be.
type sort string

const (
	organisation sort = "organisation" // or a group
	user         sort = "user"
)

// pager asks a forge for a page of what an account of a sort has; the first is 1. What went wrong is
// read of the exchange, so that its errors are for the rest alone.
type pager interface {
	page(ctx context.Context, account string, of sort, n int) (page, error)
}

// pagers are made of the address of the API, and of a client that does all the rest.
var pagers = map[forge.Kind]func(api string, c *http.Client) (pager, error){
	forge.GitHub: newGitHub,
	forge.GitLab: newGitLab,
	forge.Gitea:  newGitea,
	forge.Gitee:  newGitee,
}

// List returns all that an account has and the token may see. It blocks for as long as that takes, half
// an hour at most, and the Patience for limits. The error is of type *Error, or of ctx.
func List(ctx context.Context, cfg Config) (*Result, error) {
	l, err := newLister(cfg)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	l.asks = newSpell(listingTime, cancel)
	defer l.asks.stop()
	r, err := l.account(bounded)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil && bounded.Err() != nil {
		return nil, failed(Failed, "%s has not told all of %s within %s", l.door.host(), cfg.Account.Name, listingTime)
	}
	var known *Error
	if err != nil && !errors.As(err, &known) {
		return nil, failed(Failed, "%s", l.door.clean(err.Error()))
	}
	return r, err
}

// lister lists one account once.
type lister struct {
	cfg   Config
	door  *door
	pager pager
	seen  Memory // the pages of this listing
	kept  int    // bytes of what this pass was told
	pages int
	same  int
	found int    // repositories of this pass
	vain  string // why the page that is asked for now was asked for in vain

	asks     *spell
	patience time.Duration // that is left
}

func newLister(cfg Config) (*lister, error) {
	d, err := newDoor(cfg)
	if err != nil {
		return nil, err
	}
	p, err := pagers[cfg.Account.Kind](cfg.Account.API(), d.client())
	if err != nil {
		return nil, failed(Failed, "%s", d.clean(err.Error()))
	}
	return &lister{cfg: cfg, door: d, pager: p, patience: cfg.Patience}, nil
}

// account lists an organisation of that name or, where there is none, a user.
func (l *lister) account(ctx context.Context) (r *Result, err error) {
	defer func() { l.remember(err) }()
	repos, told, err := l.whole(ctx, organisation)
	if missing(err) {
		repos, told, err = l.whole(ctx, user)
	}
	if missing(err) {
		e := failed(NotFound, "%s knows no organisation, group or user %s", l.door.host(), l.cfg.Account.Name)
		e.Try = "look at its name in the forge; what is private needs a token that may see it"
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	return &Result{Repos: repos, Quota: l.door.quota, Pages: l.pages, Same: l.same, Told: told}, nil
}

func missing(err error) bool { return classOf(err) == NotFound }

// classOf is the class of an error; empty where it has none.
func classOf(err error) Class {
	if e := new(Error); errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// page asks for a page, more than once where the forge is at fault, and again where its limit was waited for.
func (l *lister) page(ctx context.Context, of sort, n int) (p page, waited bool, err error) {
	for failures, limits := 0, 0; ; {
		p, err := l.ask(ctx, of, n)
		if err == nil && l.vain != "" {
			l.vain = ""
			l.tell(time.Time{})
		}
		var e *Error
		switch {
		case err == nil || !errors.As(err, &e):
			return p, waited, err
		case e.Class == Limited && (l.cfg.Anew || l.found > 0):
			if err := l.await(ctx, e, limits); err != nil {
				return page{}, waited, err
			}
			waited = true
			limits++
		case e.Class == Failed && failures < len(pauses):
			l.vain = e.Why
			l.tell(time.Time{})
			if err := sleep(ctx, pauses[failures]); err != nil {
				return page{}, waited, err
			}
			failures++
		default:
			return page{}, waited, err
		}
	}
}

func (l *lister) ask(ctx context.Context, of sort, n int) (page, error) {
	if err := l.door.closed(); err != nil {
		return page{}, err
	}
	x := &exchange{page: n}
	p, err := l.pager.page(context.WithValue(ctx, exchangeKey{}, x), l.cfg.Account.Name, of, n)
	if ctx.Err() != nil {
		return page{}, ctx.Err()
	}
	l.pages++
	if x.same != nil {
		l.same++
		p, told := x.same.page, total(x.header)
		p.total = cmp.Or(told, p.total)
		l.seen.add(x.url, remembered{x.same.etag, p})
		p.total, p.was = told, p.total
		if p.next == 0 && len(p.repos) > 0 {
			p.next, p.untold = n+1, true // what is the same is the page: behind it there may be more by now
		}
		return p, l.count(p)
	}
	if e := l.door.judge(x, err); e != nil {
		return page{}, e
	}
	p = bound(p)
	p.total = total(x.header)
	if p.next == 0 && promises(x.header, n) {
		p.next, p.untold = n+1, false
	}
	l.seen.add(x.url, remembered{x.etag, p})
	return p, l.count(p)
}
