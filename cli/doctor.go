package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/doctor"
	"gitmirror/cli/render"
	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

func doctorCommand() command {
	return command{
		path: "doctor", usage: "look for what keeps a node of this host from working well",
		about: `Run it on the host of a node, as its user. It looks at git, the limit of open files, the data
directory and its disk, whether each other node is reached at each port and what its clock
says, and whether the names of upstreams resolve; where no node answers, at the ports that one
would take: those that the data directory's node had, or the usual ones. Each finding says what to do. Exits 1 where something fails.`,
		examples: []string{"gitmirror doctor --data /var/lib/gitmirror", "gitmirror doctor -o json"},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "http", Usage: "`HOST:PORT` that a node here would take for clients", DefaultText: kept(node.DefaultHTTP)},
			&urfave.StringFlag{Name: "peer", Usage: "`HOST:PORT` that it would take for other nodes", DefaultText: kept(node.DefaultPeer)},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			data := cmp.Or(s.data, os.Getenv(dataEnv))
			had := node.Place{}
			if data != "" {
				had = node.Kept(data)
			}
			return examine(ctx, s, doctor.Host{Data: data, Held: data != "" && node.Runs(data), Git: node.GitVersion,
				Listens: []string{cmp.Or(c.String("http"), had.HTTP, node.DefaultHTTP), cmp.Or(c.String("peer"), had.Peer, node.DefaultPeer)}})
		},
	}
}

// checks is the form of what doctor has seen in JSON.
type checks struct {
	Checks []doctor.Check `json:"checks"`
}

func examine(ctx context.Context, s *session, h doctor.Host) error {
	s.patience = 0 // it is one of the findings that nobody answers
	s.absent.Do(func() {})
	asks, stop := context.WithTimeout(ctx, cmp.Or(s.timeout/2, askedOfCluster))
	defer stop()
	if h.Status, h.Unheard = firstWord(asks, s); h.Unheard != nil {
		h.Status = nil
	} else if rows, err := s.repos(asks, repoLsOptions{limit: mostExamined}); err == nil {
		h.Upstreams = upstreamHosts(rows.Repos)
	}
	list := h.Examine(ctx)
	err := s.show(checks{list}, func(p render.Printer) error {
		for _, c := range list {
			if s.quiet && c.State == doctor.OK {
				continue
			}
			if err := p.Finding(c.State, c.Name, c.Detail, c.Try); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && doctor.Worst(list) == doctor.Fail {
		err = told(exitFailed)
	}
	return err
}

// firstWord is what the node says of the cluster, for which it has less time than for all that
// it is asked: one that is frozen says nothing for any time.
func firstWord(ctx context.Context, s *session) (*api.Status, error) {
	bound := cmp.Or(s.timeout/2, probeTimeout) // what follows needs the rest
	ctx, stop := context.WithTimeout(ctx, bound)
	defer stop()
	st, err := askStatus(ctx, s)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s has not answered within %s", strings.Join(s.client.Addrs(), ", "), bound)
	}
	return st, err
}

// mostExamined is how many repos are asked for, for the hosts of their upstreams.
const mostExamined = 10_000

func upstreamHosts(rows []api.Repo) []string {
	hosts := map[string]bool{}
	for _, r := range rows {
		for _, raw := range r.URLs {
			if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
				hosts[u.Hostname()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}
