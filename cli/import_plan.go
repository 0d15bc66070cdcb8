package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"gitmirror/api"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// importPlan is what the lines of a list come to so far: a line is judged by what those
// before it have made of the table, or would make of it. It is safe for concurrent use.
type importPlan struct {
	mu    sync.Mutex
	rows  map[string]*api.Repo // that were there before, by ID, as they are by now
	added map[string]string    // names of those that would be added, by the key of their URL
	names map[string]bool      // that would be given away, in lower case
}

func newImportPlan() *importPlan {
	return &importPlan{rows: map[string]*api.Repo{}, added: map[string]string{}, names: map[string]bool{}}
}

// now is a repository as the lines before this one leave it.
func (p *importPlan) now(was *api.Repo) *api.Repo {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row := p.rows[was.ID]; row != nil {
		return row
	}
	return was
}

// change notes what a line makes of a repository.
func (p *importPlan) change(was *api.Repo, set api.SetRepo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	row := *was
	row.Policy = set.On(row.Policy)
	if row.Labels = maps.Clone(row.Labels); row.Labels == nil {
		row.Labels = map[string]string{}
	}
	for key, value := range set.Labels {
		if delete(row.Labels, key); value != nil {
			row.Labels[key] = *value
		}
	}
	if set.Name != nil && *set.Name != row.Name {
		row.Aliases = append(slices.DeleteFunc(slices.Clone(row.Aliases), func(a string) bool { return a == *set.Name }), row.Name)
		row.Name = *set.Name
		p.names[strings.ToLower(row.Name)] = true
	}
	p.rows[was.ID] = &row
}

// taken says why a repository could not be given a name.
func (p *importPlan) taken(ctx context.Context, s *session, was *api.Repo, name string) *api.Problem {
	p.mu.Lock()
	given := p.names[strings.ToLower(name)]
	p.mu.Unlock()
	taken := refusal.New(refusal.ConflictName, "the name %s is taken", name)
	if !given {
		other, err := s.client.Repo(ctx, name)
		if err != nil || other.ID == was.ID {
			return nil
		}
		taken.Existing = other.Name
	}
	return api.ProblemOf(taken)
}

// add judges a line whose URL nothing mirrors yet: a line before it may have asked for that,
// or for its name. With update it gets the name that the last line gives it.
func (p *importPlan) add(r *importResult, raw string, update bool) {
	u, err := giturl.Parse(raw)
	again := r.Problem != nil && is(r.Problem, refusal.ConflictURL) && r.was == nil
	if r.Would == "" && !again || err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, there := p.added[u.Key()]
	wanted := r.Would
	if again {
		wanted = r.name
	}
	refuse := func(code refusal.Code, try, format string, args ...any) {
		r.Would, r.Problem = "", api.ProblemOf(refusal.New(code, format, args...).Try("%s", try))
	}
	switch {
	case there && (r.name == "" || strings.EqualFold(r.name, name)):
		r.Would, r.Problem, r.same = "", nil, true
	case there && !update:
		refuse(refusal.ConflictURL, "keep one of the two lines", "a line before it asks for this upstream, as %s", name)
	case again && !there:
	case p.names[strings.ToLower(wanted)]:
		refuse(refusal.ConflictName, "give another name in one of the two lines", "a line before it asks for the name %s", wanted)
	case there:
		r.Would, r.Problem, r.Changed, r.was = "", nil, true, &api.Repo{Name: name}
		r.Differs = []string{"name " + name + " -> " + wanted}
		fallthrough
	default:
		p.added[u.Key()] = wanted
		p.names[strings.ToLower(wanted)] = true
	}
}
