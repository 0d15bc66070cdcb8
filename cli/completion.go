package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// completionMarker is the last word of a command line that is only to be
// completed; the word before it is what has been typed so far.
const completionMarker = "--generate-bash-completion"

func completionCommand() command {
	return command{
		path: "completion", args: "bash|zsh|fish", usage: "print a script with which the shell completes our commands", min: 1, max: 1, local: true,
		examples: []string{"source <(gitmirror completion bash)", "gitmirror completion zsh > ~/.zfunc/_gitmirror", "gitmirror completion fish > ~/.config/fish/completions/gitmirror.fish"},
		run: func(_ context.Context, s *session, c *urfave.Context) error {
			return completion(s, c.App, c.Args().First())
		},
	}
}

func completion(s *session, app *urfave.App, shell string) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion}[shell]
	if shell == "fish" {
		var err error
		if script, err = app.ToFishCompletion(); err != nil {
			return fmt.Errorf("make the fish completion: %w", err)
		}
		script = strings.ReplaceAll(script, "`", "") // they mark a value's name in help
	}
	if script == "" {
		return usagef("gitmirror completion bash", "there is no completion for the shell %q, but for bash, zsh and fish", shell)
	}
	_, err := fmt.Fprint(s.Out, script)
	return err
}

const bashCompletion = `# gitmirror completion for bash: source <(gitmirror completion bash)
_gitmirror() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[@]:0:COMP_CWORD+1}" --generate-bash-completion 2>/dev/null))
}
complete -o default -F _gitmirror gitmirror
`

const zshCompletion = `#compdef gitmirror
_gitmirror() {
  local -a found
  found=("${(@f)$("${(@)words[1,CURRENT]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then
    compadd -- "${found[@]}"
  else
    _files
  fi
}
compdef _gitmirror gitmirror
`

// nameDeadline bounds the question for names while a shell waits.
const nameDeadline = 500 * time.Millisecond

// complete prints what the last of words could become: a command, a flag, or
// the name of a repo or node where one is wanted.
func complete(ctx context.Context, p program, app *urfave.App, words []string) {
	typed := ""
	if n := len(words); n > 0 {
		words, typed = words[:n-1], words[n-1]
	}
	command, children, flags := resolve(app, words)
	var found []string
	switch {
	case strings.HasPrefix(typed, "-"):
		if command != nil {
			for _, f := range command.Flags {
				for _, name := range visibleNames(f) {
					found = append(found, "--"+name)
				}
			}
		}
		found = append(found, "--help")
	case len(children) > 0:
		for _, c := range children {
			found = append(found, c.Name)
		}
	case command != nil:
		found = p.names(ctx, command, flags, typed)
	}
	for _, f := range found {
		if strings.HasPrefix(f, typed) {
			_, _ = fmt.Fprintln(p.Out, f)
		}
	}
}

// resolve walks down the tree as far as the words are commands.
func resolve(app *urfave.App, words []string) (command *urfave.Command, children []*urfave.Command, flags []givenFlag) {
	children = app.Commands
	given, flags, _ := split(app, words)
	for _, w := range given {
		next := child(children, w.text)
		if next == nil {
			break
		}
		command, children = next, next.Subcommands
	}
	return command, children, flags
}

// names are those of what there is, as the node says that the command would ask.
func (p program) names(ctx context.Context, command *urfave.Command, flags []givenFlag, typed string) (found []string) {
	ctx, cancel := context.WithTimeout(ctx, nameDeadline)
	defer cancel()
	var addrs []string
	data := ""
	for _, f := range flags {
		switch {
		case f.is("addr"):
			addrs = append(addrs, f.value)
		case f.is("data"):
			data = f.value
		}
	}
	where, err := p.findPlace(addrs, data)
	if err != nil {
		return nil
	}
	client := api.NewClient(where.addrs...)
	defer client.Close()
	switch {
	case command.Name == "completion":
		return []string{"bash", "zsh", "fish"}
	case !strings.HasPrefix(command.ArgsUsage, "NAME"):
	case strings.HasPrefix(command.UsageText, "gitmirror node "):
		if list, err := client.Nodes(ctx); err == nil {
			for _, n := range list.Nodes {
				found = append(found, n.Name)
			}
		}
	default:
		if list, err := client.Repos(ctx, api.Query{Pattern: typed, Limit: 100}); err == nil {
			for _, r := range list.Repos {
				found = append(found, r.Name)
			}
		}
	}
	return found
}
