package cli

import (
	"context"
	"fmt"
	"log/slog"

	"gitmirror/internal/network"
	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

type clusterRecoverOptions struct {
	dirs []string
	yes  bool
}

func clusterRecoverCommand() command {
	return command{
		path: "cluster recover", args: "[DIRECTORY...]", max: unlimited, usage: "have the cluster go on from one node's log when its quorum is lost for good", local: true,
		about: `For a cluster of which so many nodes are lost that the rest will never decide
again. It works on the data directory of a node of this host that does not run.
Without --yes it changes nothing: it says how far the log is, and of several
directories which is the furthest. With --yes it makes a cluster of that one node, as a new
incarnation of the old one: every other node has to start with an empty
directory. What had been acknowledged and is not in that log is lost.`,
		examples: []string{"gitmirror cluster recover --data /var/lib/gitmirror", "gitmirror cluster recover --data d1 d2 d3", "gitmirror cluster recover --data d1 --yes"},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "data", Usage: "data `DIRECTORY` of a node that does not run", TakesFile: true},
			yesFlag(),
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := clusterRecoverOptions{dirs: append([]string{c.String("data")}, c.Args().Slice()...), yes: c.Bool("yes")}
			switch {
			case o.dirs[0] == "":
				return usagef("gitmirror cluster recover --help", "gitmirror cluster recover needs --data DIRECTORY")
			case o.yes && len(o.dirs) > 1:
				return usagef("gitmirror cluster recover --data DIRECTORY --yes", "--yes takes --data alone, that of the node whose log is the furthest")
			}
			return clusterRecover(ctx, s, o)
		},
	}
}

// recoverable is what cluster recover prints as JSON.
type recoverable struct {
	Nodes     []node.Remains `json:"nodes"`
	Furthest  string         `json:"furthest"` // directory
	Recovered bool           `json:"recovered"`
}

func clusterRecover(ctx context.Context, s *session, o clusterRecoverOptions) error {
	if o.yes {
		r, err := node.Recover(ctx, o.dirs[0], network.Host, slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			return err
		}
		s.say("%s, in %s, is a cluster of one now: %s, which was %s. Its log ends with %s.", r.Name, r.Dir, r.ClusterID, r.Former[len(r.Former)-1], atEntry(r.Last))
		s.remark("Start it as ever. Then, for each node that was lost: gitmirror node rm NAME --yes; each other one starts with an empty --data directory and --join.")
		return s.showJSON(recoverable{Nodes: []node.Remains{r}, Furthest: r.Dir, Recovered: true})
	}
	var list []node.Remains
	for _, dir := range o.dirs {
		r, err := node.Examine(ctx, dir)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	best, err := node.Furthest(list)
	if err != nil {
		return err
	}
	for _, r := range list {
		s.say("%s, in %s: its log ends with %s, its newest snapshot with %s; it is in term %d of cluster %s", r.Name, r.Dir, atEntry(r.Log), atEntry(r.Snapshot), r.Term, r.ClusterID)
	}
	if furthest := list[best]; len(list) > 1 {
		as := ""
		for i, r := range list {
			if i != best && r.Last == furthest.Last {
				as += fmt.Sprintf("; %s, in %s, is as far", r.Name, r.Dir)
			}
		}
		s.say("The furthest is %s, in %s, with %s%s.", furthest.Name, furthest.Dir, atEntry(furthest.Last), as)
	}
	s.remark("Nothing was changed. Compare all directories that are left, on every host: the furthest has the latest term, and of one term the latest entry. Then: gitmirror cluster recover --data %s --yes", shellWord(list[best].Dir))
	return s.showJSON(recoverable{Nodes: list, Furthest: list[best].Dir})
}

func atEntry(p node.Position) string {
	if p.Index == 0 {
		return "no entry"
	}
	return fmt.Sprintf("entry %d of term %d", p.Index, p.Term)
}
