package cli

import (
	"context"
	"fmt"
	"slices"
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
			return completion(s, c.Args().First())
		},
	}
}

func completion(s *session, shell string) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[shell]
	if script == "" {
		return usagef("gitmirror completion bash", "there is no completion for the shell %q, but for bash, zsh and fish", shell)
	}
	_, err := fmt.Fprint(s.Out, script)
	return err
}

const bashCompletion = `# gitmirror completion for bash: source <(gitmirror completion bash)
_gitmirror() {
  local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} words=() n=-1 i w
  for ((i = 0; i <= COMP_CWORD; i++)); do # bash parts words at colons and equals signs
    w=${COMP_WORDS[i]}
    if ((n >= 0)) && [[ $w == [:=]* || ${words[n]} == *[:=] ]] && [[ $line == *"${words[n]}$w"* ]]; then
      words[n]+=$w
    else
      words[++n]=$w
    fi
  done
  local found=($("${words[@]}" --generate-bash-completion 2>/dev/null)) typed=${words[n]}
  COMPREPLY=("${found[@]#"${typed%"${typed##*[:=]}"}"}")
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
if [[ "$funcstack[1]" == _gitmirror ]]; then # it was found by its name, and is called now
  _gitmirror "$@"
else
  compdef _gitmirror gitmirror
fi
`

const fishCompletion = `# gitmirror completion for fish
function __gitmirror_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  set -l found (command $words "$typed" --generate-bash-completion 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\n' $found
  else
    __fish_complete_path "$typed"
  end
end
complete -c gitmirror -f -a '(__gitmirror_complete)'
`

// choices are the values that a flag takes, where they are few.
func choices(command *urfave.Command, flag string) []string {
	switch flag {
	case "state":
		return api.StateNames
	case "output", "o":
		if command.HelpName == "gitmirror repo ls" || command.Name == "ls" && hasFlag(command, "state") {
			return []string{"table", "wide", "json"}
		}
		return []string{"table", "json"}
	case "raft-timing":
		return raftTimings
	case "log-level":
		return logLevels
	case "log-format":
		return logFormats
	}
	return nil
}

// wanted is the flag whose value comes next, empty where none does.
func wanted(command *urfave.Command, words []string) string {
	if command == nil || len(words) == 0 || !strings.HasPrefix(words[len(words)-1], "-") {
		return ""
	}
	name := strings.TrimLeft(words[len(words)-1], "-")
	for _, f := range command.Flags {
		if _, isBool := f.(*urfave.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return name
		}
	}
	return ""
}

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
	switch flag := wanted(command, words); {
	case flag == "repo":
		found = p.reposLike(ctx, flags, typed)
	case flag != "":
		found = choices(command, flag)
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
func (p program) names(ctx context.Context, command *urfave.Command, flags []givenFlag, typed string) []string {
	switch {
	case command.Name == "completion":
		return []string{"bash", "zsh", "fish"}
	case !strings.HasPrefix(command.ArgsUsage, "NAME"):
		return nil
	case strings.HasPrefix(command.UsageText, "gitmirror source "):
		return p.ofNode(ctx, flags, func(ctx context.Context, client *api.Client) (found []string) {
			if list, err := client.Sources(ctx); err == nil {
				for _, s := range list.Sources {
					found = append(found, s.Name)
				}
			}
			return found
		})
	case strings.HasPrefix(command.UsageText, "gitmirror node "):
		return p.ofNode(ctx, flags, func(ctx context.Context, client *api.Client) (found []string) {
			if list, err := client.Nodes(ctx); err == nil {
				for _, n := range list.Nodes {
					found = append(found, n.Name)
				}
			}
			return found
		})
	}
	if command.UsageText != "" && strings.HasPrefix(command.UsageText, "gitmirror trash ") {
		return p.ofNode(ctx, flags, func(ctx context.Context, client *api.Client) (found []string) {
			if list, err := client.Trash(ctx, api.TrashQuery{Pattern: typed, Limit: 100}); err == nil {
				for _, r := range list.Trash {
					found = append(found, r.Name)
				}
			}
			return found
		})
	}
	return p.reposLike(ctx, flags, typed)
}

// reposLike are names of repositories that have what is typed in them.
func (p program) reposLike(ctx context.Context, flags []givenFlag, typed string) []string {
	return p.ofNode(ctx, flags, func(ctx context.Context, client *api.Client) (found []string) {
		if list, err := client.Repos(ctx, api.Query{Pattern: typed, Limit: 100}); err == nil {
			for _, r := range list.Repos {
				found = append(found, r.Name)
			}
		}
		return found
	})
}

// ofNode asks the node that a command with those flags would ask, while a shell waits.
func (p program) ofNode(ctx context.Context, flags []givenFlag, ask func(context.Context, *api.Client) []string) []string {
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
	return ask(ctx, client)
}
