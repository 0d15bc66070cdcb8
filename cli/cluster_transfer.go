package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func clusterTransferCommand() command {
	return command{
		path: "cluster transfer-leader", args: "[NAME]", usage: "have another node lead", max: 1,
		about:    "Without a name it is a voter that is up, and not draining where there is one.",
		examples: []string{"gitmirror cluster transfer-leader", "gitmirror cluster transfer-leader n2"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return clusterTransfer(ctx, s, c.Args().First())
		},
	}
}

func clusterTransfer(ctx context.Context, s *session, name string) error {
	var l *api.Leader
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		l, err = s.client.Transfer(ctx, api.TransferLeader{To: name}, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("node ls"))
	}
	s.say("%s leads", l.Leader)
	return s.showJSON(l)
}
