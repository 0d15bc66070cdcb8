package coordinator

import (
	"slices"
	"strings"
	"unicode/utf8"

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

// Bounds of what is asked for.
const (
	maxURLs   = 10
	maxLabels = 32
	maxLabel  = 200
)

// admit checks one request and turns it into a row without copies.
func (c *Coordinator) admit(n NewRepo) (*command.NewRepo, error) {
	row := &command.NewRepo{Id: ulid.Make().String(), Name: n.Name, Labels: n.Labels}
	if len(n.URLs) == 0 || len(n.URLs) > maxURLs {
		return nil, refusal.New(refusal.URLInvalid, "a repo has 1 to %d upstream URLs, not %d", maxURLs, len(n.URLs))
	}
	for i, raw := range n.URLs {
		u, err := giturl.Parse(raw)
		if err != nil {
			return nil, err
		}
		if addr, ok := u.Literal(); ok {
			if err := c.cfg.Egress.Check(addr); err != nil {
				return nil, refusal.New(refusal.AddressDenied, "%s", err)
			}
		}
		row.Urls = append(row.Urls, u.String())
		if !slices.Contains(row.UrlKeys, u.Key()) {
			row.UrlKeys = append(row.UrlKeys, u.Key())
		} else {
			return nil, refusal.New(refusal.URLInvalid, "%s is given twice", u)
		}
		if i == 0 && row.Name == "" {
			row.Name = u.Name()
		}
	}
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
	return row, checkLabels(n.Labels)
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return refusal.New(refusal.LabelsInvalid, "%d labels are too many, at most %d are kept", len(labels), maxLabels)
	}
	for k, v := range labels {
		bad := func(s string) bool {
			return len(s) > maxLabel || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
		}
		if k == "" || bad(k) || bad(v) {
			return refusal.New(refusal.LabelsInvalid, "label %.40q is empty, longer than %d bytes or has control characters", k, maxLabel)
		}
	}
	return nil
}
