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

// NewSource is what somebody asks to be a source: an index repository, or an account of a forge.
type NewSource struct {
	URL, Name, Namespace, Ref, Path string
	Forge                           *command.Forge // in the place of the url; nil for an index
}

// AddSource admits a source, has its index placed where nothing mirrors that yet, and returns its name.
func (c *Coordinator) AddSource(ctx context.Context, n NewSource, key string) (name string, err error) {
	if err := fsm.AdmitSources(c.cfg.State.View().Format()); err != nil {
		return "", err
	}
	var row *command.NewRepo
	if n.Forge == nil {
		if row, err = c.admit(NewRepo{URLs: []string{n.URL}}); err != nil {
			return "", err
		}
		if n.Name == "" {
			n.Name = path.Base(strings.TrimSuffix(row.Name, "/"))
		}
	} else {
		if err := fsm.AdmitForges(c.cfg.State.View().Format()); err != nil {
			return "", err
		}
		if n.Name == "" {
			n.Name = path.Base(n.Forge.GetAccount())
		}
	}
	n.Name, n.Namespace = giturl.NormalName(n.Name), giturl.NormalName(n.Namespace)
	if err := giturl.CheckName(n.Name); err != nil || strings.Contains(n.Name, "/") {
		return "", refusal.New(refusal.NameInvalid, "%.100q cannot be the name of a source", n.Name).Try("use letters, of any script, digits and . _ ~ + -; set it with --name")
	}
	if n.Namespace = strings.Trim(n.Namespace, "/"); n.Namespace != "" {
		if err := giturl.CheckName(n.Namespace); err != nil {
			if r := refusal.Of(err); r != nil {
				err = r.Try("%s", strings.Replace(r.Hint, "--name", "--namespace", 1))
			}
			return "", err
		}
	}
	src := &command.NewSource{Id: ulid.Make().String(), Name: n.Name, Namespace: n.Namespace, Ref: n.Ref, Path: strings.Trim(n.Path, "/"), Index: row, Forge: n.Forge}
	if row != nil {
		c.placeNew([]*command.NewRepo{row})
	} else if owner := lister(c.cfg.State.View(), &fsm.Source{Name: n.Name}); owner != nil {
		src.Owner = owner.ID
	}
	if err := c.Do(ctx, &command.PutSource{Source: src}, key); err != nil {
		return "", c.sourceThere(src, err)
	}
	return n.Name, nil
}

// sourceThere says of a source that cannot be added what has its name.
func (c *Coordinator) sourceThere(src *command.NewSource, err error) error {
	view, r := c.cfg.State.View(), refusal.Of(err)
	there := view.SourceByName(src.GetName())
	if r == nil || r.Code != refusal.ConflictName || there == nil {
		return err
	}
	same, of := false, ""
	if there.IsForge() {
		of = there.Forge.GetKind() + " " + there.Forge.GetBase() + "/" + there.Forge.GetAccount()
	} else if row := view.Repo(there.Index); row != nil {
		of = "index " + row.URLs()[0]
	}
	if f := src.GetForge(); f != nil {
		same = there.IsForge() && there.Forge.GetKind() == f.GetKind() && there.Forge.GetBase() == f.GetBase() && strings.EqualFold(there.Forge.GetAccount(), f.GetAccount())
	} else if row := view.RepoByURLKey(src.GetIndex().GetUrlKeys()[0]); row != nil {
		same = row.ID == there.Index
	}
	out := refusal.New(refusal.ConflictName, "there is a source %s already, of %s", there.Name, of)
	if out.Existing = there.Name; same { // another name would make a second source of it
		out = out.Try("gitmirror source show %s", there.Name)
	}
	return out
}
