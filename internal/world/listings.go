package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
)

// listedWithin is how long a source may take, when nothing is broken any more and somebody has had it listed, until
// what it claims is what its account has.
const listedWithin = time.Minute

// listAll has all sources listed that there are, lets go what they hold, and waits until each claims what its account
// has; or until the reason is true why it does not.
func (r *run) listAll() {
	var list []*account
	for _, a := range r.w.everyAccount() {
		if a.Feel(fine); a.added {
			list = append(list, a)
		}
	}
	synced := map[*account]time.Time{} // since when somebody waits for its listing
	var err error
	for end := time.Now().Add(listedWithin + requestBound); len(list) > 0; time.Sleep(time.Second) {
		var errs []error
		for i, a := range list {
			if err := r.unlisted(a, i, synced); err != nil {
				errs = append(errs, fmt.Errorf("the source %s: %w", a.name, err))
			}
		}
		if err = errors.Join(errs...); err == nil || time.Now().After(end) {
			break
		}
		for _, n := range r.w.Nodes {
			r.start(n)
		}
	}
	if err != nil {
		r.violated("%s after the last fault, and listed since: %v", listedWithin, err)
	}
}

// unlisted says what is not yet as an account has it, and does what people would.
func (r *run) unlisted(a *account, luck int, synced map[*account]time.Time) error {
	nodes := r.nodes()
	n := nodes[luck%len(nodes)]
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	var list api.SourceList
	if _, err := n.Get(ctx, "/api/v1/sources?consistent=true", &list); err != nil {
		return err
	}
	i := slices.IndexFunc(list.Sources, func(s api.Source) bool { return s.Name == a.name })
	if i < 0 {
		return nil
	}
	src := list.Sources[i]
	key := fmt.Sprintf("key %d", r.asked.Add(1))
	switch {
	case src.State == api.SourceRemoving:
		return errors.New("it is being removed")
	case src.State == api.SourcePaused:
		r.setPausedSource(a, luck, key, false)
		return errors.New("it was paused")
	case synced[a].IsZero():
		if began := time.Now(); r.syncSource(a, luck, key).Outcome == Done {
			synced[a] = began
		}
		return errors.New("it is to be listed")
	case src.State == api.SourceWaiting && strings.Contains(src.Reason, "rate limit") && src.Next != nil && a.answered(limiting):
		r.happened("source waits for its forge")
		return nil
	case src.State == api.SourceWaiting && len(src.Credentials) == 0 && strings.Contains(src.Reason, "credential") && a.with && !slices.ContainsFunc(nodes, (*Node).hasToken):
		r.happened("source waits for a credential")
		return nil
	case src.State == api.SourceHeld:
		r.letGo(a, n, key)
		return fmt.Errorf("it holds back %d", src.Hold.Lost)
	case src.State != api.SourceListed:
		return fmt.Errorf("it is %s (%s), listed by %q", src.State, src.Reason, src.Owner)
	case src.Listing == nil || src.Listing.FlawsTotal > 0 || src.Hold != nil:
		return fmt.Errorf("it is listed, with a flaw: %+v, %+v", src.Listing, src.Hold)
	}
	if err := r.claimsOtherwise(ctx, n, a, src); err != nil {
		return fmt.Errorf("listed as %+v by %s: %w", *src.Listing, src.Owner, err)
	}
	r.happened("source is listed")
	return nil
}

// claimsOtherwise says what a source claims otherwise than its account has it.
func (r *run) claimsOtherwise(ctx context.Context, n *Node, a *account, src api.Source) error {
	var page api.RepoList
	if _, err := n.Get(ctx, "/api/v1/repos?limit=1000&consistent=true", &page); err != nil {
		return err
	}
	got := map[string][]string{} // addresses, by number
	for _, row := range page.Repos {
		for _, c := range row.Claims {
			if c.Source == a.name && c.Path != "" { // which its index has
				number, _, _ := strings.Cut(c.Path, "@") // behind which is when it was made
				got[number] = row.URLs
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, p := range a.has {
		path := strconv.FormatInt(number, 10)
		urls := got[path]
		switch wanted := wanted(src.Selection, p); {
		case wanted && !slices.Contains(urls, p.url()):
			return fmt.Errorf("%s is %s in the account, and is mirrored from %v", path, p.url(), urls)
		case wanted:
			delete(got, path)
		}
	}
	if len(got) > 0 {
		return fmt.Errorf("it claims what the account does not have, or it does not want: %v", slices.Sorted(maps.Keys(got)))
	}
	return nil
}

// wanted tells whether a selection, as the API shows it, wants a repository.
func wanted(s *api.Selection, p *project) bool {
	if s == nil { // of an index all is
		return true
	}
	for _, is := range selections {
		if is.Match == s.Match && is.Exclude == s.Exclude && is.SkipArchived == s.SkipArchived {
			return is.wants(p)
		}
	}
	return false
}

// unlike says what of all that sources claim is not shown as its upstream has it. Whoever asks for it the first time
// has it looked at.
func (r *run) unlike(asked map[string]bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nodes := r.nodes()
	var page api.RepoList
	if _, err := nodes[0].Get(ctx, "/api/v1/repos?limit=1000&consistent=true", &page); err != nil {
		return err
	}
	for _, row := range page.Repos {
		u := r.w.upstream(row.URLs[0])
		if len(row.Claims) == 0 || u == nil {
			continue
		}
		if !asked[row.ID] {
			r.askFor(nodes[0], row.Name, 0)
			asked[row.ID] = true
		}
		for _, n := range nodes {
			shown, err := n.Read(ctx, row.Name)
			if err != nil {
				return fmt.Errorf("%s does not serve %s, which is wanted: %w", n.Name, row.Name, err)
			}
			if want := u.Refs(); !maps.Equal(shown.Refs, want) {
				return fmt.Errorf("%s shows %s as %v, upstream has %v", n.Name, row.Name, shown.Refs, want)
			}
		}
	}
	return nil
}

// mirrorAll waits until all that sources claim is shown as its upstream has it.
func (r *run) mirrorAll(within time.Duration) {
	asked := map[string]bool{}
	var err error
	for end := time.Now().Add(within); ; time.Sleep(time.Second) {
		if err = r.unlike(asked); err == nil {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	r.violated("%s after the last fault: %v", within, err)
}
