package coordinator

import (
	"context"
	"path"
	"strings"

	"github.com/oklog/ulid/v2"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// NewSource is what somebody asks to be a source: an index repository.
type NewSource struct {
	URL, Name, Namespace, Ref, Path string
}

// AddSource admits a source, has its index placed where nothing mirrors that yet, and returns its name.
func (c *Coordinator) AddSource(ctx context.Context, n NewSource, key string) (name string, err error) {
	if err := fsm.AdmitSources(c.cfg.State.View().Format()); err != nil {
		return "", err
	}
	row, err := c.admit(NewRepo{URLs: []string{n.URL}})
	if err != nil {
		return "", err
	}
	if n.Name == "" {
		n.Name = path.Base(strings.TrimSuffix(row.Name, "/"))
	}
	n.Name, n.Namespace = giturl.NormalName(n.Name), giturl.NormalName(n.Namespace)
	if err := giturl.CheckName(n.Name); err != nil || strings.Contains(n.Name, "/") {
		return "", refusal.New(refusal.NameInvalid, "%.100q cannot be the name of a source", n.Name).Try("use letters, of any script, digits and . _ ~ + -; set it with --name")
	}
	if n.Namespace = strings.Trim(n.Namespace, "/"); n.Namespace != "" {
		if err := giturl.CheckName(n.Namespace); err != nil {
			return "", err
		}
	}
	c.placeNew([]*command.NewRepo{row})
	src := &command.NewSource{Id: ulid.Make().String(), Name: n.Name, Namespace: n.Namespace, Ref: n.Ref, Path: strings.Trim(n.Path, "/"), Index: row}
	return n.Name, c.Do(ctx, &command.PutSource{Source: src}, key)
}
