package coordinator

import (
	"cmp"
	"slices"

	"github.com/oklog/ulid/v2"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// NewRepo is what somebody asks to have mirrored.
type NewRepo struct {
	URLs   []string
	Name   string // empty: from the first URL
	Policy policy.Policy
	Labels map[string]string
}

// maxURLs is how many one may have that is asked for.
const maxURLs = 10

// admit checks one request and turns it into a row without copies.
func (c *Coordinator) admit(n NewRepo) (*command.NewRepo, error) {
	upstream, name, err := c.admitURLs(n.URLs)
	if err != nil {
		return nil, err
	}
	row := &command.NewRepo{Id: ulid.Make().String(), Name: giturl.NormalName(cmp.Or(n.Name, name)), Labels: n.Labels, Urls: upstream.Urls, UrlKeys: upstream.Keys}
	if err := giturl.CheckName(row.Name); err != nil {
		return nil, err
	}
	p, err := n.Policy.Admit()
	if err == nil { // here, for Admit of the log refuses all of a batch
		err = fsm.AdmitPolicy(p, c.cfg.State.View().Format())
	}
	if err != nil {
		return nil, err
	}
	row.Policy = fsm.PolicyCommand(p)
	return row, policy.AdmitLabels(n.Labels)
}

// admitURLs checks where a repo is to come from, and gives it a name.
func (c *Coordinator) admitURLs(urls []string) (upstream *command.Upstream, name string, err error) {
	if len(urls) == 0 || len(urls) > maxURLs {
		return nil, "", refusal.New(refusal.URLInvalid, "a repo has 1 to %d upstream URLs, not %d", maxURLs, len(urls))
	}
	upstream = &command.Upstream{}
	for i, raw := range urls {
		u, err := giturl.Parse(raw)
		if err != nil {
			return nil, "", err
		}
		if addr, ok := u.Literal(); ok {
			if err := c.cfg.Egress.Check(addr); err != nil {
				return nil, "", refusal.New(refusal.AddressDenied, "%s", err)
			}
		}
		if slices.Contains(upstream.Keys, u.Key()) {
			return nil, "", refusal.New(refusal.URLInvalid, "%s is given twice", u)
		}
		upstream.Urls, upstream.Keys = append(upstream.Urls, u.String()), append(upstream.Keys, u.Key())
		if i == 0 {
			name = u.Name()
		}
	}
	return upstream, name, nil
}
