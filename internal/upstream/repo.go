// Package upstream makes sample repositories and serves them as a forge does:
// real git over real smart HTTP, with a log of what was asked. The demo, the
// benchmarks and the tests mirror from it.
package upstream

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Repo is a bare repository on disk.
type Repo struct{ Dir string }

// Create makes an empty bare repository whose HEAD is refs/heads/main.
func Create(dir string) (*Repo, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	r := &Repo{Dir: dir}
	if _, err := run(filepath.Dir(dir), nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", dir); err != nil {
		return nil, err
	}
	for _, kv := range [][2]string{{"uploadpack.allowFilter", "true"}, {"uploadpack.allowAnySHA1InWant", "true"}, {"gc.auto", "0"}} {
		if _, err := r.Git("config", kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Git runs git in the repository and returns what it printed, trimmed.
func (r *Repo) Git(args ...string) (string, error) { return run(r.Dir, nil, args...) }

// Refs returns HEAD ("ref: refs/heads/main") and every branch and tag with its
// object id, in git's order: what a mirror must show.
func (r *Repo) Refs() (head string, refs [][2]string, err error) {
	if head, err = r.Git("symbolic-ref", "HEAD"); err != nil {
		return "", nil, err
	}
	out, err := r.Git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
	if err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(out) {
		name, oid, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs = append(refs, [2]string{name, oid})
	}
	return "ref: " + head, refs, nil
}

// Edit collects changes to branches and tags, made all at once.
type Edit struct {
	repo   *Repo
	script bytes.Buffer
	mark   int
	clock  int64
	tips   map[string]string // of the branches this edit has touched; empty: begun anew
}

// Edit runs fn and applies what it asked for: objects first, then every ref.
func (r *Repo) Edit(fn func(e *Edit)) error {
	stamp := int64(1_700_000_000)
	if out, err := r.Git("log", "-1", "--all", "--format=%ct"); err == nil && out != "" {
		_, _ = fmt.Sscan(out, &stamp)
	}
	e := &Edit{repo: r, tips: map[string]string{}, clock: stamp + 60}
	fn(e)
	_, err := run(r.Dir, &e.script, "fast-import", "--quiet", "--force", "--date-format=raw")
	return err
}

// At has what is committed from now on be of that time, in seconds, a second later each.
func (e *Edit) At(t time.Time) { e.clock = t.Unix() - 1 }

// Commit adds a commit to a branch, after its tip, with files replaced or
// added, and further parents merged in. A branch that is not there begins.
func (e *Edit) Commit(branch, message string, files map[string]string, merge ...string) {
	e.commit(branch, message, "", files, merge...)
}

// Replace is Commit with those files alone: all others go.
func (e *Edit) Replace(branch, message string, files map[string]string) {
	e.commit(branch, message, "deleteall\n", files)
}

func (e *Edit) commit(branch, message, first string, files map[string]string, merge ...string) {
	e.mark++
	e.clock++
	fmt.Fprintf(&e.script, "commit refs/heads/%s\nmark :%d\ncommitter Sample <sample@example.invalid> %d +0000\n", branch, e.mark, e.clock)
	e.data(message)
	if from := e.tip(branch); from != "" {
		fmt.Fprintf(&e.script, "from %s\n", from)
	}
	for _, m := range merge {
		fmt.Fprintf(&e.script, "merge %s\n", e.tip(m))
	}
	e.script.WriteString(first)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&e.script, "M 100644 inline %s\n", path)
		e.data(files[path])
	}
	e.tips[branch] = fmt.Sprintf(":%d", e.mark)
}

// Branch sets a branch to another's tip, or to any commit git can name.
func (e *Edit) Branch(branch, target string) {
	from := e.tip(target)
	if from == "" {
		from = target
	}
	fmt.Fprintf(&e.script, "reset refs/heads/%s\nfrom %s\n\n", branch, from)
	e.tips[branch] = from
}

// LightTag sets refs/tags/name to a branch's tip; Tag makes an annotated one.
func (e *Edit) LightTag(name, branch string) {
	fmt.Fprintf(&e.script, "reset refs/tags/%s\nfrom %s\n\n", name, e.tip(branch))
}

// Tag makes an annotated tag of a branch's tip.
func (e *Edit) Tag(name, branch, message string) {
	e.clock++
	fmt.Fprintf(&e.script, "tag %s\nfrom %s\ntagger Sample <sample@example.invalid> %d +0000\n", name, e.tip(branch), e.clock)
	e.data(message)
}

// Rewrite begins a branch anew: its next commit has no parent.
func (e *Edit) Rewrite(branch string) {
	e.tips[branch] = ""
	fmt.Fprintf(&e.script, "reset refs/heads/%s\n\n", branch)
}

func (e *Edit) tip(branch string) string {
	if tip, ok := e.tips[branch]; ok {
		return tip
	}
	if out, err := e.repo.Git("rev-parse", "--verify", "--quiet", "refs/heads/"+branch); err == nil {
		return out
	}
	return ""
}

func (e *Edit) data(s string) { fmt.Fprintf(&e.script, "data %d\n%s\n", len(s), s) }

// Environ is an environment in which git sees no configuration of this
// machine and asks nobody anything.
func Environ(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false",
		"NO_PROXY=*",
	}
}

func run(dir string, stdin *bytes.Buffer, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, Environ(dir)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errOut.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
