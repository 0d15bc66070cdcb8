package world

import (
	"context"
	"time"

	"gitmirror/api"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// sourceSteps are what people do with sources, and what becomes of the accounts that these follow. Which
// account, s.Repo says; the first step that is about one has people add the source.
var sourceSteps = map[string]func(*run, Step){
	"source":         func(r *run, s Step) { r.work.Go(func() { r.addSource(r.accountOf(s), s) }) },
	"source-set":     (*run).setSource,
	"source-sync":    func(r *run, s Step) { a := r.wantedAccount(s); r.work.Go(func() { r.syncSource(a, s.Node, r.key(s)) }) },
	"source-pause":   (*run).pauseSource,
	"source-approve": (*run).approveSource,
	"source-rm":      (*run).removeSource,
	"account":        (*run).editAccount,
	"account-purge":  (*run).purgeAccount,
	"account-mood":   (*run).moodOfAccount,
	"hand":           (*run).byHand,
}

// selected is what people want of an account: as they say it, and as it is meant.
type selected struct {
	api.Selection
	wants func(*project) bool
}

var selections = []selected{
	{api.Selection{}, func(*project) bool { return true }},
	{api.Selection{SkipArchived: true}, func(p *project) bool { return !p.archived }},
	{api.Selection{Match: "^[ab]"}, func(p *project) bool { return p.name[0] == 'a' || p.name[0] == 'b' }},
	{api.Selection{Exclude: "^c", SkipArchived: true}, func(p *project) bool { return p.name[0] != 'c' && !p.archived }},
}

// wants tells whether a selection, as the log has it, wants a repository.
func wants(s *command.Selection, p *project) bool {
	for _, is := range selections {
		if p != nil && is.Match == s.GetMatch() && is.Exclude == s.GetExclude() && is.SkipArchived == s.GetSkipArchived() {
			return is.wants(p)
		}
	}
	return false
}

func (r *run) accountOf(s Step) *account { return r.w.account(s.Repo % accounts) }

// wantedAccount is the account of a step. Where nobody has asked for its source yet, people do.
func (r *run) wantedAccount(s Step) *account {
	a := r.accountOf(s)
	a.mu.Lock()
	asked := a.added
	a.added = true
	a.mu.Unlock()
	if !asked {
		r.work.Go(func() { r.addSource(a, s) })
	}
	return a
}

// aboutSource asks for something that is about a source.
func (r *run) aboutSource(what string, a *account, first int, key string, do func(ctx context.Context, c *api.Client, key string) error) Operation {
	return r.ask(Operation{What: what, Subject: a.name, Key: key}, first, func(ctx context.Context, n *Node, key string) (string, error) {
		return "", do(ctx, n.Client, key)
	})
}

func (r *run) addSource(a *account, s Step) {
	a.mu.Lock()
	a.added = true
	a.mu.Unlock()
	wish := api.AddSource{Kind: a.kind, Name: a.name, Account: a.name, BaseURL: "https://" + forgeOf(a.name), Selection: &selections[s.Other%len(selections)].Selection}
	if a.kind == indexed {
		wish = api.AddSource{Kind: a.kind, Name: a.name, URL: a.index.URL, Namespace: a.name}
	}
	r.aboutSource("source add", a, s.Node, r.key(s), func(ctx context.Context, c *api.Client, key string) error {
		_, err := c.AddSource(ctx, wish, key)
		return err
	})
}

func (r *run) setSource(s Step) {
	a := r.wantedAccount(s)
	if a.kind == indexed { // all of it is wanted
		r.missed(s)
		return
	}
	r.work.Go(func() {
		r.aboutSource("source set", a, s.Node, r.key(s), func(ctx context.Context, c *api.Client, key string) error {
			_, err := c.SetSource(ctx, a.name, api.SetSource{Selection: &selections[s.Other%len(selections)].Selection}, key)
			return err
		})
	})
}

// syncSource has a forge listed now.
func (r *run) syncSource(a *account, first int, key string) Operation {
	return r.ask(Operation{What: "source sync", Subject: a.name, Key: key}, first, func(ctx context.Context, n *Node, key string) (string, error) {
		if a.kind == indexed {
			r.w.heard.asked(n.Name, nameOf(a.index))
		}
		_, err := n.Client.SyncSource(ctx, a.name, key)
		return "", err
	})
}

// pauseSource has a forge left alone for a while.
func (r *run) pauseSource(s Step) {
	a := r.wantedAccount(s)
	r.work.Go(func() {
		r.setPausedSource(a, s.Node, r.key(s), true)
		time.Sleep(pausedFor)
		r.setPausedSource(a, s.Node+1, r.key(s), false)
	})
}

func (r *run) setPausedSource(a *account, first int, key string, paused bool) Operation {
	return r.aboutSource("source pause", a, first, key, func(ctx context.Context, c *api.Client, key string) error {
		_, err := c.SetSource(ctx, a.name, api.SetSource{Paused: &paused}, key)
		return err
	})
}

// approveSource lets go what is held, as a node shows it.
func (r *run) approveSource(s Step) {
	a, n := r.wantedAccount(s), r.node(s.Node)
	r.work.Go(func() { r.letGo(a, n, r.key(s)) })
}

func (r *run) letGo(a *account, n *Node, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), requestBound)
	defer cancel()
	src, err := n.Client.Source(ctx, a.name)
	if err != nil || src.Hold == nil || src.Hold.Approved {
		return
	}
	r.aboutSource("source approve", a, r.indexOf(n), key, func(ctx context.Context, c *api.Client, key string) error {
		_, err := c.ApproveSource(ctx, a.name, api.ApproveSource{Digest: src.Hold.Digest}, key)
		return err
	})
}

func (r *run) removeSource(s Step) {
	a := r.wantedAccount(s)
	r.work.Go(func() {
		r.aboutSource("source rm", a, s.Node, r.key(s), func(ctx context.Context, c *api.Client, key string) error {
			return c.RemoveSource(ctx, a.name, key)
		})
	})
}

// feltFor is how long the forge of an account answers otherwise: so that all tries at a listing meet it.
const feltFor = 45 * time.Second

// moodOfAccount has the forge of an account answer otherwise for a while, in which it is listed; most often when it was
// listed before, so that there is something to lose.
func (r *run) moodOfAccount(s Step) {
	a, mood := r.wantedAccount(s), accountMoods[1+(s.Other+3*s.Node)%(len(accountMoods)-1)]
	r.work.Go(func() {
		if s.Other%4 < 3 {
			within(10*time.Second, func() bool { src := r.shown(a); return src != nil && src.Listing != nil })
		}
		if !a.turns(mood) {
			r.missed(s) // it does already
			return
		}
		r.happened("account " + string(mood))
		r.syncSource(a, s.Node, r.key(s))
		time.Sleep(feltFor)
		a.Feel(fine)
		r.syncSource(a, s.Node+1, r.key(s))
	})
}

// editAccount changes what an account has. Every other time people have the source listed after it, and always after a
// rename, which is told from a new one only if both were listed.
func (r *run) editAccount(s Step) {
	a := r.wantedAccount(s)
	luck, renamed := s.Node+3*s.Repo, false
	switch s.Other % 7 {
	case 0:
		_, shared := r.w.account((s.Repo + 1) % accounts).some(luck)
		a.grow(1+s.Node%3, map[bool]*project{true: shared}[s.Node%2 == 0])
	case 1, 2:
		renamed = true
		a.edit(luck, func(p project) *project { return a.rename(p) })
	case 3:
		if a.kind != indexed {
			a.edit(luck, func(p project) *project { p.archived = !p.archived; return &p })
		}
	case 4:
		a.edit(luck, func(project) *project { return nil })
	case 5:
		a.anew(luck)
	case 6:
		if _, p := a.some(luck); p != nil {
			p.of.Push("main")
		}
	}
	a.publish()
	if renamed || s.Node%2 == 0 {
		r.work.Go(func() { r.syncSource(a, s.Node, r.key(s)) })
	}
}

// purgeAccount deletes much or all of what an account has, or brings all back, and has the source listed; as a rule
// when it was listed before, so that there is something to lose.
func (r *run) purgeAccount(s Step) {
	a := r.wantedAccount(s)
	r.work.Go(func() {
		within(10*time.Second, func() bool { src := r.shown(a); return src != nil && src.Listing != nil })
		switch s.Other % 4 {
		case 0, 1:
			a.purge(1 + s.Node%2) // of what has nothing left, all is held
		case 2:
			a.purge(0)
		case 3:
			a.comeBack()
		}
		a.publish()
		r.syncSource(a, s.Node, r.key(s))
	})
}

// handedOver is how long after people have wanted something it is gone from its account.
const handedOver = 3 * time.Second

// byHand has people want something of an account too or, by an odd number, not any more. By the others it is
// gone from the account soon after.
func (r *run) byHand(s Step) {
	a := r.wantedAccount(s)
	number, p := a.some(s.Node)
	if p == nil || p.url() != p.of.URL { // it is elsewhere by now
		r.missed(s)
		return
	}
	u, key := p.of, r.key(s)
	r.touch(nameOf(u))
	if s.Other%2 == 0 {
		r.work.Go(func() {
			r.added(u, r.ask(Operation{What: "by hand", Subject: nameOf(u), Key: key}, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
				_, err := n.Client.Add(ctx, wish(u), key)
				return "", err
			}))
			if s.Other%4 == 2 {
				time.Sleep(handedOver)
				a.drop(number)
				a.publish()
				r.syncSource(a, s.Node+1, r.key(s))
			}
		})
		return
	}
	was := r.forgotten(nameOf(u))
	r.work.Go(func() {
		out := r.ask(Operation{What: "not by hand", Subject: nameOf(u), Key: key}, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			return "", n.Client.Remove(ctx, nameOf(u), key)
		})
		if out.Code == string(refusal.Claimed) { // people do not want it, a source does
			out.Outcome = Done
		}
		r.removed(u, was, out)
	})
}
