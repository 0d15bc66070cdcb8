package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"gitmirror/internal/upstream"
)

// showing is what a repository shows: HEAD, "ref: refs/heads/main" or an
// object id or "" where it is not told, and the object of every ref.
type showing struct {
	head string
	refs map[string]string
}

// mirrored is an upstream and the name of its mirror.
type mirrored struct {
	name string
	url  string
	repo *upstream.Repo // where it is one of our own
}

// truth is what the upstream shows.
func (d *demo) truth(ctx context.Context, m *mirrored) (showing, error) {
	if m.repo == nil {
		return d.lsRemote(ctx, m.url)
	}
	head, list, err := m.repo.Refs()
	if err != nil {
		return showing{}, err
	}
	s := showing{head: head, refs: map[string]string{}}
	for _, r := range list {
		s.refs[r[0]] = r[1]
	}
	return s, nil
}

// lsRemote is what url shows, as far as it is mirrored.
func (d *demo) lsRemote(ctx context.Context, url string) (showing, error) {
	s := showing{refs: map[string]string{}}
	out, err := d.git(ctx, d.dir, "ls-remote", "--symref", url)
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(out) {
		oid, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		switch {
		case name == "HEAD" && (s.head == "" || strings.HasPrefix(oid, "ref: ")):
			s.head = oid
		case strings.HasSuffix(name, "^{}"):
		case strings.HasPrefix(name, "refs/heads/"), strings.HasPrefix(name, "refs/tags/"):
			s.refs[name] = oid
		}
	}
	return s, nil
}

// cloned is what a mirror clone at dir has: every ref there is, wanted or not.
func (d *demo) cloned(ctx context.Context, dir string) (showing, error) {
	s := showing{refs: map[string]string{}}
	out, err := d.git(ctx, dir, "for-each-ref", "--format=%(refname) %(objectname)")
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(out) {
		name, oid, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.refs[name] = oid
	}
	if head, err := d.git(ctx, dir, "symbolic-ref", "--quiet", "HEAD"); err == nil {
		s.head = "ref: " + head
	} else if s.head, err = d.git(ctx, dir, "rev-parse", "HEAD"); err != nil {
		return s, err
	}
	return s, nil
}

// differ lists what got shows otherwise than want. A HEAD that one side does
// not tell is not compared.
func differ(want, got showing) []Difference {
	var list []Difference
	if want.head != "" && got.head != "" && want.head != got.head {
		list = append(list, Difference{Ref: "HEAD", Want: want.head, Got: got.head})
	}
	all := maps.Clone(want.refs)
	maps.Copy(all, got.refs)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if want.refs[name] != got.refs[name] {
			list = append(list, Difference{Ref: name, Want: want.refs[name], Got: got.refs[name]})
		}
	}
	return list
}

// Difference is one thing that a mirror shows otherwise than upstream.
type Difference struct {
	Repo, Node string
	Ref        string
	Want, Got  string // object ids; empty where there is no such ref
}

func (d Difference) String() string {
	got, want := "is "+d.Got, "upstream has "+d.Want
	if d.Got == "" {
		got = "is missing"
	}
	if d.Want == "" {
		want = "upstream has no such ref"
	}
	return fmt.Sprintf("%s on %s: %s %s, %s", d.Repo, d.Node, d.Ref, got, want)
}

// Differences are all that were found; never empty.
type Differences []Difference

// namedDifferences is how many an error message lists.
const namedDifferences = 20

func (d Differences) Error() string {
	var lines []string
	for i, one := range d {
		if i == namedDifferences {
			lines = append(lines, fmt.Sprintf("and %d more", len(d)-i))
			break
		}
		lines = append(lines, one.String())
	}
	return strings.Join(lines, "\n")
}

// git runs git and returns what it printed, trimmed.
func (d *demo) git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(d.dir)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := d.spawner.Start(cmd); err != nil {
		return "", err
	}
	end := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer end()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("git %s: %w", args[0], errors.Join(err, errors.New(strings.TrimSpace(errOut.String()))))
	}
	return strings.TrimSpace(out.String()), nil
}
