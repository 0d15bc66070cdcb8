package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func repoRestoreCommand() command {
	return command{
		path: "repo restore", args: "NAME REF", usage: "set a ref back to a tip that is kept", min: 2, max: 2,
		about: `Without --to it is where the ref was last. It stays there, whatever upstream shows,
until repo approve NAME REF lets it follow again. What it replaces is kept in turn.`,
		examples: []string{"gitmirror repo restore github.com/acme/big main", "gitmirror repo restore github.com/acme/big refs/tags/v1 --to 3f2a9c1d"},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "to", Usage: "the kept tip, by `OID` or its first 7 digits or more: see repo refs NAME --kept"},
			yesFlag(),
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoRestore(ctx, s, c.Args().First(), api.Restore{Ref: c.Args().Get(1), To: c.String("to")}, c.Bool("yes"))
		},
	}
}

func repoRestore(ctx context.Context, s *session, name string, rs api.Restore, yes bool) error {
	ctx, cancel := s.whole(ctx)
	defer cancel()
	if !yes {
		to := s.keptTip(ctx, name, rs)
		effect := fmt.Sprintf("Set %s of %s back to %s, for every client, until it is let follow upstream again: repo approve %s %s", rs.Ref, name, to, name, rs.Ref)
		sure := "repo restore " + name + " " + rs.Ref
		if rs.To != "" {
			sure += " --to " + rs.To
		}
		if err := s.confirm(ctx, effect, sure+" --yes"); err != nil {
			return err
		}
	}
	var pin *api.Pin
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		pin, err = s.client.Restore(ctx, name, rs, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("repo ls"))
	}
	for { // the owner publishes it
		var r *api.RefList
		err := s.read(ctx, func(ctx context.Context) (err error) {
			r, err = s.client.Refs(ctx, name, api.RefQuery{Pattern: pin.Ref, Limit: pageSize})
			return err
		})
		if err == nil && showsPin(r, pin) && s.everywhere(ctx, name, r.Generation) {
			break
		}
		if !sleep(ctx, restorePoll) {
			return &Failure{What: pin.Ref + " is to be restored, and is not served yet", Cause: "the owner has not published it", Code: codeTimeout, Exit: exitTimeout, Try: s.command("repo show %s", name)}
		}
	}
	s.say("%s of %s is at %s again, and stays there until: %s", pin.Ref, name, shortOID(pin.OID), s.command("repo approve %s %s", name, pin.Ref))
	return s.showJSON(pin)
}

// keptTip says to which tip a ref would be set back, as far as that is known.
func (s *session) keptTip(ctx context.Context, name string, rs api.Restore) string {
	list, err := s.client.Refs(ctx, name, api.RefQuery{Pattern: rs.Ref, Kept: true, Limit: pageSize})
	if err == nil {
		for _, r := range list.Refs {
			named := r.Ref == rs.Ref || r.Ref == "refs/heads/"+rs.Ref || r.Ref == "refs/tags/"+rs.Ref
			if named && strings.HasPrefix(r.OID, strings.ToLower(rs.To)) && r.At != nil {
				return shortOID(r.OID) + ", where it was until " + r.At.Local().Format("2006-01-02 15:04")
			}
		}
	}
	if rs.To != "" {
		return rs.To
	}
	return "where it was last"
}

// restorePoll is how often a restored ref is looked for.
const restorePoll = 200 * time.Millisecond

// everywhere tells whether every copy that clients get is at that generation.
func (s *session) everywhere(ctx context.Context, name string, generation uint64) bool {
	r, err := s.repo(ctx, name)
	if err != nil {
		return false
	}
	for _, c := range r.Copies {
		if c.State == "ready" && c.Away == "" && c.Generation < generation {
			return false
		}
	}
	return true
}

func showsPin(l *api.RefList, pin *api.Pin) bool {
	for _, r := range l.Refs {
		if r.Ref == pin.Ref && !r.Kept && r.OID == pin.OID {
			return true
		}
	}
	return false
}
