package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"
)

// mirrors is what the figures of the keeping of copies are measured with.
type mirrors struct {
	binary, dir string
	path        string // of a bare repository to mirror; empty: one is made
	size        int    // MiB of one that is made
	repeats     int
	clones      int // of the repeats, by a client that keeps what it gets
	syncs       int
	idle        int // repos
	window      time.Duration
}

// parts are the figures, each of which can be had alone.
var parts = []struct {
	name string
	run  func(*mirrors, context.Context) error
}{
	{"packs", (*mirrors).packs},
	{"clone", (*mirrors).clone},
	{"first", (*mirrors).first},
	{"idle", (*mirrors).idleRepos},
	{"start", (*mirrors).firstReading},
	{"upkeep", (*mirrors).upkeep},
}

// named are the figures that only names; nil where it names none.
func (m *mirrors) named(only string) (names []string) {
	for _, p := range parts {
		if only == "mirror" || slices.Contains(strings.Split(only, ","), p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// run measures the figures that are named.
func (m *mirrors) run(ctx context.Context, names []string) error {
	for _, p := range parts {
		if !slices.Contains(names, p.name) {
			continue
		}
		if load, err := os.ReadFile("/proc/loadavg"); err == nil {
			fmt.Printf("\nload %s\n", strings.Join(strings.Fields(string(load))[:3], " "))
		}
		if err := p.run(m, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// serve serves the repository that is to be mirrored, with one pack and no charts, as "r".
func (m *mirrors) serve(ctx context.Context) (up *upstream.Server, r *upstream.Repo, err error) {
	root := filepath.Join(m.dir, "upstream")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, nil, err
	}
	r = &upstream.Repo{Dir: filepath.Join(root, "r")}
	if _, err := os.Stat(r.Dir); err != nil {
		if m.path != "" {
			err = m.copyOf(ctx, r)
		} else {
			r, err = upstream.Create(r.Dir)
			if err == nil {
				err = fill(r, m.size)
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	packs, bytes, err := packsOf(r.Dir)
	if err != nil {
		return nil, nil, err
	}
	fmt.Printf("  the repository: %d MiB in %d packs\n", bytes>>20, packs)
	up, err = upstream.Serve(root, "127.0.0.1:0")
	return up, r, err
}

// copyOf takes the branches and tags of a repository that is there: one pack comes of it.
func (m *mirrors) copyOf(ctx context.Context, r *upstream.Repo) error {
	if _, err := upstream.Create(r.Dir); err != nil {
		return err
	}
	path, err := filepath.Abs(m.path)
	if err != nil {
		return err
	}
	if _, err := git(ctx, r.Dir, "fetch", "--quiet", "--no-tags", "file://"+path, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return err
	}
	if head, err := exec.CommandContext(ctx, "git", "-C", path, "symbolic-ref", "HEAD").Output(); err == nil {
		if _, err := r.Git("symbolic-ref", "HEAD", strings.TrimSpace(string(head))); err != nil {
			return err
		}
	}
	return nil
}

// fill gives a repository about so many MiB of history: text files in some hundred directories, of
// which each commit changes a few lines, and tags.
func fill(r *upstream.Repo, mib int) error {
	const files, lines, batch = 400, 60, 500
	state := uint64(1)
	word := func() uint64 { state = state*6364136223846793005 + 1442695040888963407; return state >> 32 }
	texts := make([][]string, files)
	for i := range texts {
		for range lines {
			texts[i] = append(texts[i], fmt.Sprintf("%08x %08x %08x", word(), word(), word()))
		}
	}
	for n := 0; ; n += batch {
		err := r.Edit(func(e *upstream.Edit) {
			for i := range batch {
				changed := map[string]string{}
				for range 3 {
					f := word() % files
					for range 4 {
						texts[f][word()%lines] = fmt.Sprintf("%08x %08x %08x", word(), word(), word())
					}
					changed[fmt.Sprintf("d%d/e%d/f%d", f%20, f%7, f)] = strings.Join(texts[f], "\n")
				}
				e.Commit("main", fmt.Sprintf("commit %d", n+i), changed)
			}
			e.LightTag(fmt.Sprintf("v%d", n), "main")
		})
		if err != nil {
			return err
		}
		if _, bytes, err := packsOf(r.Dir); err != nil {
			return err
		} else if bytes >= int64(mib)<<20 {
			_, err := r.Git("-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "--quiet")
			return err
		}
	}
}

// packsOf counts the packs below a directory, and their bytes.
func packsOf(dir string) (n int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pack") {
			return skipGone(err)
		}
		info, err := d.Info()
		if err == nil {
			n, bytes = n+1, bytes+info.Size()
		}
		return skipGone(err)
	})
	return n, bytes, err
}

func skipGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// git runs git and returns the processor time that it and its children took.
func git(ctx context.Context, dir string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// single starts a node that is alone.
func (m *mirrors) single(ctx context.Context, name string) (*process, error) {
	p := cluster{binary: m.binary, dir: filepath.Join(m.dir, name), timing: "normal"}.node("n1")
	return p, p.start(ctx)
}

// add adds a repo as soon as writes are accepted.
func (p *process) add(ctx context.Context, url, name, interval string) error {
	var err error
	if werr := until(ctx, "a write to be accepted", func() bool {
		_, err = p.client.Add(ctx, api.AddRepo{URL: url, Name: name, Interval: interval}, name)
		return err == nil
	}); werr != nil {
		return fmt.Errorf("%w: %w", werr, err)
	}
	return nil
}

// ready waits until so many repos are.
func (p *process) ready(ctx context.Context, n int) error {
	for {
		s, err := p.client.Status(ctx)
		if err == nil && s.Repos.ByState[api.StateReady] == n {
			return nil
		}
		wait(ctx, 10*time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// maintained has a copy put in order, or verified, and waits for that. It returns what that took
// of the processor.
func (p *process) maintained(ctx context.Context, name string, work api.Work) (time.Duration, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if _, err := p.client.Maintain(ctx, name, work); err != nil {
		return 0, err
	}
	for {
		r, err := p.client.Repo(ctx, name)
		if err == nil && len(r.Copies) > 0 && r.Copies[0].Upkeep != nil {
			if u := r.Copies[0].Upkeep; u.Error != "" {
				return 0, fmt.Errorf("%s of %s: %s", work, name, u.Error)
			} else if len(u.Waiting) == 0 && u.Doing == "" && !u.Leaving {
				break
			}
		}
		wait(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	after, err := p.cpu()
	return after - before, err
}

// seconds writes a median, and the least and most of what it is of.
func seconds(d []time.Duration) string {
	s := sorted(d)
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f s (%.2f to %.2f)", quantile(s, 0.5).Seconds(), s[0].Seconds(), s[len(s)-1].Seconds())
}

func ratio(some, others []time.Duration) float64 {
	return quantile(sorted(some), 0.5).Seconds() / quantile(sorted(others), 0.5).Seconds()
}
