package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func yesFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask; needed where no terminal is there to ask on", DisableDefaultText: true}
}

// confirm asks before something is lost. Where nobody can be asked it refuses;
// sure is the command line that would not ask.
func (s *session) confirm(ctx context.Context, effect, sure string) error {
	in, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || s.json {
		return &Failure{What: "not done without being asked to", Cause: printable(effect), Try: s.command("%s", sure), Code: codeNotConfirmed, Exit: exitUsage}
	}
	_, _ = fmt.Fprintf(s.Err, "%s\nGo on? [y/N] ", printable(effect))
	answer := make(chan string, 1)
	go func() { // ends with its line, or with the process
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(s.Err)
		return ctx.Err()
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		return &Failure{What: "nothing was changed", Cause: "the question was not answered with yes", Try: s.command("%s", sure), Code: codeNotConfirmed, Exit: exitFailed}
	}
}
