package commits_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/commits"
	"gitmirror/mirror/objects"
)

var read commits.Reader

// grown is a bare repository with merges, tags of tags, a branch that is merged nowhere, in
// packs, and a commit each hour before end.
func grown(t *testing.T, end time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo.git")
	gittest.Run(t, t.TempDir(), "init", "-q", "--bare", dir)
	var stream strings.Builder
	for i := range 200 {
		at := end.Add(-time.Duration(200-i) * time.Hour).Unix()
		branch := []string{"main", "main", "side"}[i%3]
		if i == 150 {
			branch = "alone"
		}
		fmt.Fprintf(&stream, "commit refs/heads/%s\nmark :%d\ncommitter a <a@b> %d +0000\ndata 1\nx\n", branch, i+1, at)
		if i%3 == 1 && i > 3 {
			fmt.Fprintf(&stream, "merge refs/heads/side\n")
		}
		fmt.Fprintf(&stream, "M 644 inline f%d\ndata 2\n%02d\n", i%7, i%100)
	}
	fmt.Fprintf(&stream, "tag v1\nfrom :100\ntagger a <a@b> %d +0000\ndata 1\nx\n", end.Unix())
	in := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(in, []byte(stream.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	gittest.Run(t, dir, "-c", "alias.in=!git fast-import --quiet <"+in, "in")
	gittest.Run(t, dir, "-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "-m", "x", "v2", "v1")
	gittest.Run(t, dir, "tag", "blob", "main:f1")
	return dir
}

// What is read is what git says.
func TestCommitsAreThoseThatGitTells(t *testing.T) {
	end := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	dir := grown(t, end)
	for _, refs := range [][]string{{"main"}, {"side", "alone"}, {"v2"}, {"blob"}, {"main", "v1", "alone", "main"}} {
		for _, hours := range []int{0, 10, 77, 1000} {
			since := end.Add(-time.Duration(hours) * time.Hour)
			var tips []string
			for _, ref := range refs {
				tips = append(tips, strings.TrimSpace(gittest.Run(t, dir, "rev-parse", ref)))
			}
			got, err := read.Since(t.Context(), dir, tips, since)
			if err != nil {
				t.Fatal(err)
			}
			var want []time.Time
			if refs[0] != "blob" {
				for _, line := range strings.Fields(gittest.Run(t, dir, append([]string{"log", "--format=%ct", "--since=" + strconv.FormatInt(since.Unix()-1, 10)}, refs...)...)) {
					n, _ := strconv.ParseInt(line, 10, 64)
					want = append(want, time.Unix(n, 0))
				}
			}
			slices.SortFunc(want, func(a, b time.Time) int { return b.Compare(a) })
			if !slices.EqualFunc(got, want, time.Time.Equal) {
				t.Errorf("%v since %d hours: %d commits, git has %d", refs, hours, len(got), len(want))
			}
		}
	}
}

// A copy that lacks what a tip leads to has no times, and neither has one that is too large.
func TestWhatCannotBeReadIsSaid(t *testing.T) {
	dir := grown(t, time.Now())
	if _, err := read.Since(t.Context(), dir, []string{strings.Repeat("1", 40)}, time.Time{}); err == nil {
		t.Error("a commit is read that is not there")
	}
	large := filepath.Join(dir, "objects", "pack", "pack-large.idx")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	tip := strings.TrimSpace(gittest.Run(t, dir, "rev-parse", "main"))
	if _, err := read.Since(t.Context(), dir, []string{tip}, time.Time{}); !errors.Is(err, objects.ErrTooLarge) {
		t.Errorf("a gigabyte of indexes: %v", err)
	}
}

// What is read of a tree with a long history ends soon.
func TestNoMoreIsToldThanIsOfUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo.git")
	gittest.Run(t, t.TempDir(), "init", "-q", "--bare", dir)
	var stream strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 1\nx\n", 1_700_000_000+i)
	}
	in := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(in, []byte(stream.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	gittest.Run(t, dir, "-c", "alias.in=!git fast-import --quiet <"+in, "in")
	tip := strings.TrimSpace(gittest.Run(t, dir, "rev-parse", "main"))
	got, err := read.Since(t.Context(), dir, []string{tip}, time.Time{})
	if err != nil || len(got) != 2000 || got[0].Unix() != 1_700_002_499 {
		t.Errorf("%d commits: %v", len(got), err)
	}
}
