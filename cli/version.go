package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

// build is what this binary was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the sources were not those of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand() command {
	return command{
		path: "version", usage: "print what this binary is", local: true,
		examples: []string{"gitmirror version", "gitmirror version -o json"},
		run: func(_ context.Context, s *session, _ *urfave.Context) error {
			b := readBuild()
			return s.show(b, func(p render.Printer) error {
				_, err := fmt.Fprintf(p.Out, "gitmirror %s\n", b)
				return err
			})
		},
	}
}

func readBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	commit := ""
	if b.Commit != "" {
		commit = "commit " + b.Commit[:min(12, len(b.Commit))] + ", "
		if b.Modified {
			commit = "commit " + b.Commit[:min(12, len(b.Commit))] + " with changes, "
		}
	}
	return fmt.Sprintf("%s (%s%s, %s)", b.Version, commit, b.Go, b.Platform)
}
