package e2e

import (
	"flag"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

var (
	soakFor   = flag.Duration("soak.for", 10*time.Second, "how long repositories are pushed to")
	soakRepos = flag.Int("soak.repos", 5, "how many")
	soakSeed  = flag.Uint64("soak.seed", 1, "of what is pushed")
)

// Copies that are pushed to all the time stay small and in few packs, on nodes of which one is
// killed and comes back: packs within their bound, bytes those that must stay and a fifth at most,
// no object that git fsck minds, and no more memory at the end than after a while.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := &soak{t: t, rand: rand.New(rand.NewPCG(*soakSeed, *soakSeed)), f: newCluster(t, 3), up: newForge(t), memory: map[string][]int{}}
	for i := range *soakRepos {
		s.begin(fmt.Sprint("soaked", i))
	}
	down := s.f.nodes[2]
	began, quarter := time.Now(), *soakFor/4
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; time.Since(began) < *soakFor; n++ {
		<-tick.C
		s.push(n)
		s.look(n)
		switch at := time.Since(began); {
		case down != nil && down.Running() && at > quarter:
			down.Kill()
			t.Logf("%s is killed after %s", down.Name, at.Round(time.Second))
		case down != nil && !down.Running() && at > 2*quarter:
			down.start(nil)
			t.Logf("%s is back after %s", down.Name, at.Round(time.Second))
			down = nil
		}
	}
	t.Logf("%d pushes, %d of them forced, %d branches deleted; most packs of a copy meanwhile: %d", s.pushes, s.forced, s.deleted, s.most)
	s.settled()
	s.packed()
	s.whole()
	s.flat()
}

// soak is a cluster, its repositories, and what was seen of them.
type soak struct {
	t      *testing.T
	rand   *rand.Rand
	f      *cluster
	up     *forge
	names  []string
	ids    map[string]string
	topics []topicOf // the eldest first

	pushes, forced, deleted, most int
	memory                        map[string][]int // MiB that are held by each node that was never killed, every five seconds
}

const soakBranches = 8

func (s *soak) begin(name string) {
	s.up.sample(name)
	s.up.edit(name, func(e *upstream.Edit) {
		for i := range soakBranches {
			e.Branch(fmt.Sprint("b", i), "main")
		}
	})
	first := s.f.nodes[0]
	first.write(func() error {
		_, err := first.client.Add(s.t.Context(), api.AddRepo{URL: s.up.URL(name), Name: name, Replicas: 3, Interval: "5s"}, "add-"+name)
		return err
	})
	s.names = append(s.names, name)
	if s.ids == nil {
		s.ids = map[string]string{}
	}
	s.ids[name] = first.await(name, "ready", func(r *api.Repo) bool { return r.State == "ready" }).ID
}

// push changes one of the repositories: one push in five is forced, one in eleven makes a branch
// as well, which is deleted some time after.
func (s *soak) push(n int) {
	name := s.names[n%len(s.names)]
	branch := fmt.Sprint("b", s.rand.IntN(soakBranches))
	s.up.edit(name, func(e *upstream.Edit) {
		if n%5 == 4 {
			e.Branch(branch, "main")
			s.forced++
		}
		noise := make([]byte, 4<<10)
		for i := range noise {
			noise[i] = byte('!' + s.rand.IntN(90))
		}
		e.Commit(branch, fmt.Sprint("push ", n), map[string]string{fmt.Sprint("f", s.rand.IntN(20)): string(noise)})
		if n%11 == 0 {
			topic := fmt.Sprint("topic", n)
			e.Branch(topic, branch)
			e.Commit(topic, "new", map[string]string{"topic": fmt.Sprint(n)})
			s.topics = append(s.topics, topicOf{name, topic})
		}
	})
	s.pushes++
	if n%11 == 10 && len(s.topics) > 0 {
		if _, err := s.up.repos[s.topics[0].repo].Git("update-ref", "-d", "refs/heads/"+s.topics[0].branch); err != nil {
			s.t.Fatal(err)
		}
		s.topics = s.topics[1:]
		s.deleted++
	}
}

// topicOf is a branch that is to be deleted.
type topicOf struct{ repo, branch string }

// look notes how many packs there are, and how much memory the nodes hold.
func (s *soak) look(n int) {
	if n%5 != 0 {
		return
	}
	for _, p := range s.f.nodes {
		if !p.Running() {
			continue
		}
		for _, id := range s.ids {
			packs, _ := filepath.Glob(filepath.Join(p.Dir, "repos", "*", id+".git", "objects", "pack", "*.pack"))
			s.most = max(s.most, len(packs))
		}
		if p != s.f.nodes[2] {
			own, _ := resident(p.Pid())
			s.memory[p.Name] = append(s.memory[p.Name], own)
		}
	}
}

// settled waits until all nodes have what upstream has, what was held approved.
func (s *soak) settled() {
	s.t.Helper()
	first := s.f.nodes[0]
	for _, name := range s.names {
		testlog.EventuallyIn(s.t, 3*time.Minute, name+" to be followed", func() bool {
			out, err := first.client.Sync(s.t.Context(), name, 20*time.Second)
			if err == nil && out.Outcome == api.SyncHeld {
				first.command("repo", "approve", name, "--yes")
			}
			return err == nil && (out.Outcome == api.SyncChanged || out.Outcome == api.SyncUnchanged)
		})
		first.await(name, "at one generation on all", func(r *api.Repo) bool { return len(r.Copies) == 3 && oneGeneration(r) })
	}
}

// packed waits until the packs of each copy are within their bound, of themselves.
func (s *soak) packed() {
	s.t.Helper()
	began := time.Now()
	for _, p := range s.f.nodes {
		for _, name := range s.names {
			testlog.EventuallyIn(s.t, 10*time.Minute, fmt.Sprintf("the packs of %s on %s to be few", name, p.Name), func() bool {
				packs, _ := filepath.Glob(filepath.Join(p.Dir, "repos", "*", s.ids[name]+".git", "objects", "pack", "*.pack"))
				return len(packs) <= 3+max(0, bits.Len(uint(s.objects(p, name)/1000))-1)
			})
		}
	}
	s.t.Logf("all packs are within their bound %s after the last push", time.Since(began).Round(time.Second))
}

// objects counts those of a copy by its packs' indexes.
func (s *soak) objects(p *proc, name string) (n int) {
	indexes, _ := filepath.Glob(filepath.Join(p.Dir, "repos", "*", s.ids[name]+".git", "objects", "pack", "*.idx"))
	for _, index := range indexes {
		data, err := os.ReadFile(index)
		if err != nil || len(data) < 8+1024 {
			continue // it has gone meanwhile
		}
		last := data[8+1020:]
		n += int(last[0])<<24 | int(last[1])<<16 | int(last[2])<<8 | int(last[3])
	}
	return n
}

// whole has all copies verified, and wants no more bytes than it may take, and nothing that
// git fsck minds.
func (s *soak) whole() {
	s.t.Helper()
	first, asked := s.f.nodes[0], time.Now()
	for _, name := range s.names {
		first.write(func() error {
			_, err := first.client.Maintain(s.t.Context(), name, api.Verify)
			return err
		})
	}
	var bytes, used int64
	for _, name := range s.names {
		row := first.await(name, "verified", func(r *api.Repo) bool {
			return !slices.ContainsFunc(r.Copies, func(c api.Copy) bool {
				u := c.Upkeep
				return u == nil || len(u.Waiting) > 0 || u.Doing != "" || u.Checked == nil || u.Checked.Before(asked) || u.Read == nil || u.Read.Before(asked)
			})
		})
		for _, c := range row.Copies {
			if u := c.Upkeep; u.Error != "" || u.Bytes > u.Used+u.Used/5+64<<10 {
				s.t.Errorf("%s on %s: %d bytes, of which %d must stay; %s", name, c.Node, u.Bytes, u.Used, u.Error)
			}
			bytes, used = bytes+c.Upkeep.Bytes, used+c.Upkeep.Used
		}
	}
	s.t.Logf("%d KiB of packs in %d copies, %d KiB of them must stay", bytes>>10, 3*len(s.names), used>>10)
	for _, name := range s.names[:min(3, len(s.names))] {
		s.up.shows(name, s.f.nodes)
	}
	for _, p := range s.f.nodes {
		p.stop() // git's fsck takes a pack that goes while it reads for one that is damaged
		for _, name := range s.names {
			gittest.Run(s.t, p.repoDir(s.ids[name]), "-c", "safe.directory=*", "fsck", "--full", "--no-dangling")
		}
	}
}

// flat wants the memory of the last quarter to be about that of the second.
func (s *soak) flat() {
	for name, list := range s.memory {
		quarter := len(list) / 4
		if quarter == 0 {
			continue
		}
		median := func(some []int) int {
			some = slices.Sorted(slices.Values(some))
			return some[len(some)/2]
		}
		early, late := median(list[quarter:2*quarter]), median(list[3*quarter:])
		s.t.Logf("%s holds %d MiB, then %d MiB", name, early, late)
		if late > early+early/5+16 {
			s.t.Errorf("%s held %d MiB after a while, and %d MiB at the end", name, early, late)
		}
	}
}
