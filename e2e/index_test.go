package e2e

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

var (
	indexEntries = flag.Int("index.entries", 12, "how many repositories an index lists to begin with")
	indexEdits   = flag.Int("index.edits", 4, "how often it is edited")
	indexSeed    = flag.Uint64("index.seed", 1, "of what is edited, and who is killed")
)

// An index that is edited again and again, in all the ways that people and editors do, while leaders and
// those who read it are killed: after each edit what is mirrored is what the files say, as this test reads
// them; what cannot be followed is told, and each upstream is cloned once.
func TestAnIndexIsEdited(t *testing.T) {
	t.Parallel()
	x := &edited{t: t, rand: rand.New(rand.NewPCG(*indexSeed, 11)), f: newCluster(t, 3), up: newForge(t), files: map[string]string{"DEFAULTS": "replicas: 1\n"},
		want: map[string]string{}, from: map[string]string{}, kills: map[string]bool{}}
	index, err := x.up.Repo("index")
	if err != nil {
		t.Fatal(err)
	}
	x.up.repos["index"] = index
	for range *indexEntries {
		x.add()
	}
	x.push()
	if out, stderr, code := x.at().command("source", "add", "index", x.up.URL("index"), "--name", "kernel", "--namespace", "up"); code != 0 {
		t.Fatalf("source add: %d %s %s", code, out, stderr)
	}
	x.follows("the first")
	x.cloned()
	edits := []func(){x.moves, x.breaks, x.empties, x.changes, x.rewrites, x.folders, x.grows, x.shrinks, x.defaults, x.spelled, x.cased, x.mends}
	for i := range *indexEdits {
		edit := edits[i%len(edits)]
		if i >= len(edits) {
			edit = edits[x.rand.IntN(len(edits))]
		}
		edit()
		for range x.rand.IntN(3) {
			x.grows()
		}
		began := time.Now()
		x.push()
		x.kill(i)
		x.follows(fmt.Sprint("edit ", i))
		followed := time.Since(began)
		x.cloned()
		t.Logf("edit %d: %d claims, %d errors, followed after %s, cloned after %s", i, len(x.want), len(x.bad), followed.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	}
	for name := range x.up.repos {
		if n := x.up.clones(name); n > 1 && !x.kills[name] {
			t.Errorf("%s was cloned %d times from upstream", name, n)
		}
	}
	t.Logf("%d entries in the end, %d upstreams, %d lost within a day", len(x.want), len(x.up.repos)-1, x.lost)
}

// edited is a cluster with an index, and what this test knows of that.
type edited struct {
	t     *testing.T
	rand  *rand.Rand
	f     *cluster
	up    *forge
	files map[string]string
	last  int // upstream that was made last

	want, from map[string]string // urls of what is claimed, and its files, by path
	lost       int               // within this day, unasked
	bad        map[string]bool   // files that cannot be understood, as they were pushed
	fresh      []string          // upstreams that were made since the last push
	approved   string            // the index, where that was approved since somebody was killed; empty where it was not
	kills      map[string]bool   // upstreams that may have been in the middle of their clone when somebody was killed
}

func (x *edited) at() *proc {
	for _, p := range x.f.nodes {
		if p.Running() {
			return p
		}
	}
	x.t.Fatal("no node runs")
	return nil
}

// upstream makes a repository, and returns its url.
func (x *edited) upstream() string {
	x.last++
	name := fmt.Sprintf("r%04d", x.last)
	r, err := x.up.Repo(name)
	if err != nil {
		x.t.Fatal(err)
	}
	x.up.repos[name] = r
	x.up.edit(name, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a.txt": name}) })
	x.fresh = append(x.fresh, name)
	return x.up.URL(name)
}

func (x *edited) add() {
	url := x.upstream()
	x.files[fmt.Sprintf("d%d/p%04d", x.last%7, x.last)] = "url: " + url + "\n"
}

// any are some of the files that say one entry.
func (x *edited) any(n int) []string {
	var list []string
	for _, path := range slices.Sorted(maps.Keys(x.files)) {
		if strings.HasPrefix(x.files[path], "url: http") {
			list = append(list, path)
		}
	}
	x.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(n, len(list))]
}

func (x *edited) grows() { x.add() }

func (x *edited) shrinks() {
	for _, path := range x.any(2) {
		delete(x.files, path)
	}
}

func (x *edited) moves() {
	for i, path := range x.any(3) {
		x.files[fmt.Sprintf("moved%d/%d-%d", x.last, i, x.rand.IntN(1000))] = x.files[path]
		delete(x.files, path)
	}
}

func (x *edited) folders() {
	from, to := fmt.Sprintf("d%d/", x.rand.IntN(7)), fmt.Sprintf("f%d/", x.last)
	for path, data := range maps.Clone(x.files) {
		if rest, in := strings.CutPrefix(path, from); in {
			x.files[to+rest] = data
			delete(x.files, path)
		}
	}
}

func (x *edited) cased() {
	for _, path := range x.any(2) {
		i := strings.LastIndexByte(path, '/') + 1
		to := path[:i] + strings.ToUpper(path[i:])
		if to == path {
			to = path[:i] + strings.ToLower(path[i:])
		}
		x.files[to] = x.files[path]
		if to != path {
			delete(x.files, path)
		}
	}
}

func (x *edited) changes() {
	for _, path := range x.any(2) {
		x.files[path] = "url: " + x.another() + "\n"
	}
}

// another is the url of another upstream for what is mirrored already: it has another history, which is
// held, and fetched to be judged by whoever comes to own it.
func (x *edited) another() string {
	url := x.upstream()
	x.kills[x.fresh[len(x.fresh)-1]] = true
	return url
}

func (x *edited) defaults() {
	x.files["DEFAULTS"] = fmt.Sprintf("replicas: %d\nlabels: {edit: \"%d\"}\n", 1+x.rand.IntN(2), x.last)
}

// spelled has files as other editors write them, and many entries in one.
func (x *edited) spelled() {
	for i, path := range x.any(3) {
		switch url := strings.TrimSpace(strings.TrimPrefix(x.files[path], "url: ")); i {
		case 0:
			x.files[path] = "\ufeffurl: " + url + "\n"
		case 1:
			x.files[path] = "url: " + url + "\r\nlabels:\r\n  a: b\r\n"
		case 2:
			x.files[path] = "url:\n- " + url + "\n"
		}
	}
	x.files[fmt.Sprintf("lists/l%d.txt", x.last)] = x.upstream() + " # one\n" + x.upstream() + "\n"
}

var badFiles = []string{
	"url: [\n",
	"url: https://example.invalid/x\nurl: https://example.invalid/y\n",
	"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
	"\xff\xfe",
	"url: ext::sh -c x\n",
	"# " + strings.Repeat("x", 5<<20),
}

func (x *edited) breaks() {
	for _, path := range x.any(2) {
		x.files[path] = badFiles[x.rand.IntN(len(badFiles))]
	}
}

// mends has what was bad gone, or good again.
func (x *edited) mends() {
	for path, data := range maps.Clone(x.files) {
		if slices.Contains(badFiles, data) {
			x.files[path] = "url: " + x.another() + "\n"
		}
	}
}

// empties takes all away, by mistake: nothing of it is followed before the files are back.
func (x *edited) empties() {
	files := x.files
	x.files = map[string]string{"README": "nothing"}
	x.push()
	x.await("to be held", func(s *api.Source) bool { return s.State == api.SourceHeld && s.Hold.Lost == len(x.want) })
	x.files = files
}

// rewrites begins the index anew: that is held, and nothing follows it, until a person says so.
func (x *edited) rewrites() {
	x.add()
	x.up.edit("index", func(e *upstream.Edit) {
		e.Rewrite("main")
		e.Replace("main", "anew", x.files)
	})
	name := strings.Replace(strings.TrimPrefix(x.up.URL("index"), "http://"), ":", "+", 1)
	was := maps.Clone(x.want)
	x.asked()
	x.await("to wait for its index", func(s *api.Source) bool { return s.State == api.SourceFailing && strings.Contains(s.Reason, "is held") })
	if got := x.at().wanted("kernel"); !maps.Equal(got, was) {
		x.t.Errorf("an index that is held is followed: %v, want %v", got, was)
	}
	if out, stderr, code := x.at().command("repo", "approve", name, "--yes"); code != 0 {
		x.t.Fatalf("repo approve: %d %s %s", code, out, stderr)
	}
	x.follows("what was approved")
	x.approved = name
}

func (x *edited) push() {
	x.up.edit("index", func(e *upstream.Edit) { e.Replace("main", fmt.Sprint("to ", x.last), x.files) })
	x.asked()
}

// asked has somebody look upstream, where there is a source yet.
func (x *edited) asked() {
	x.read()
	if _, _, code := x.at().command("source", "show", "kernel"); code == 5 {
		return
	}
	testlog.Eventually(x.t, "a node to be asked to read the index", func() bool {
		_, _, code := x.at().command("source", "sync", "kernel")
		return code == 0
	})
}

// read is what the files say, as this test reads them, and what becomes of the claims.
func (x *edited) read() {
	want, from := map[string]string{}, map[string]string{}
	x.bad = map[string]bool{}
	for path, data := range x.files {
		switch {
		case path == "DEFAULTS" || path == "README":
		case slices.Contains(badFiles, data):
			x.bad[path] = true
		case strings.HasSuffix(path, ".txt"):
			for line := range strings.Lines(data) {
				url := strings.Fields(line)[0]
				name := path[:strings.LastIndexByte(path, '/')+1] + strings.Replace(strings.TrimPrefix(url, "http://"), ":", "+", 1)
				want[name], from[name] = url, path
			}
		default:
			for _, word := range strings.Fields(strings.TrimPrefix(data, "\ufeff")) {
				if strings.HasPrefix(word, "http") {
					want[path], from[path] = word, path
				}
			}
		}
	}
	there := map[string]bool{} // urls that are new
	for path, url := range want {
		if _, had := x.want[path]; !had {
			there[url] = true
		}
	}
	lost := 0
	gone := map[string]bool{}
	for path, url := range x.want {
		if _, stays := want[path]; stays {
			continue
		}
		if x.bad[x.from[path]] {
			want[path], from[path] = url, x.from[path]
			continue
		}
		gone[path] = true
		if !there[url] {
			lost++
		}
	}
	if most := max(4, (len(x.want)+x.lost)/10); lost > 0 && x.lost+lost > most {
		for path := range gone {
			want[path], from[path] = x.want[path], x.from[path]
		}
	} else {
		x.lost += lost
	}
	x.want, x.from = want, from
}

// follows waits until what is claimed is what the files say, and lets go what is held beyond that.
func (x *edited) follows(what string) {
	x.t.Helper()
	var src *api.Source
	defer func() {
		if x.t.Failed() {
			x.differs(src)
		}
	}()
	testlog.EventuallyIn(x.t, 3*time.Minute, what+" to be followed", func() bool {
		s, err := x.at().client.Source(x.t.Context(), "kernel")
		src = s
		return err == nil && (s.State == api.SourceListed || s.State == api.SourceHeld) && s.Listing.FlawsTotal == len(x.bad) && maps.Equal(x.at().wanted("kernel"), x.want)
	})
	for path := range x.bad {
		if !slices.ContainsFunc(src.Listing.Flaws, func(f api.Flaw) bool { return f.File == path && f.Why != "" }) {
			x.t.Errorf("%s: nothing is said of %s: %+v", what, path, src.Listing.Flaws)
		}
	}
	if src.Hold == nil {
		return
	}
	if out, stderr, code := x.at().command("source", "approve", "kernel", "--yes"); code != 0 {
		x.t.Errorf("%s: source approve: %d %s %s", what, code, out, stderr)
	}
	lost := x.lost
	x.lost = -len(x.want) // what is approved is not counted
	x.read()
	x.lost = lost
	testlog.EventuallyIn(x.t, 3*time.Minute, what+" to be approved", func() bool {
		s, err := x.at().client.Source(x.t.Context(), "kernel")
		return err == nil && s.State == api.SourceListed && s.Hold == nil && maps.Equal(x.at().wanted("kernel"), x.want)
	})
}

// differs says what is not as the files say.
func (x *edited) differs(src *api.Source) {
	x.t.Logf("the source is %+v, its listing %+v; %d files are bad", src, src.Listing, len(x.bad))
	got := x.at().wanted("kernel")
	for path := range got {
		if got[path] != x.want[path] {
			x.t.Logf("%s is %q, want %q", path, got[path], x.want[path])
		}
	}
	for path := range x.want {
		if got[path] == "" {
			x.t.Logf("%s is nothing, want %q", path, x.want[path])
		}
	}
}

func (x *edited) await(what string, ok func(*api.Source) bool) {
	x.t.Helper()
	testlog.EventuallyIn(x.t, 3*time.Minute, "the source "+what, func() bool {
		s, err := x.at().client.Source(x.t.Context(), "kernel")
		return err == nil && ok(s)
	})
}

// kill kills who leads, or who reads the index, in the middle of it, and has who was killed before back.
func (x *edited) kill(i int) {
	for _, p := range x.f.nodes {
		if !p.Running() {
			p.start(nil)
		}
	}
	if i%2 == 1 {
		return
	}
	for _, name := range x.fresh {
		x.kills[name] = true
	}
	if x.approved != "" { // where only the victim had followed it, the others go back to what was before, and ask again
		testlog.EventuallyIn(x.t, 3*time.Minute, "what was approved to be on two nodes", func() bool {
			r, err := x.at().client.Repo(x.t.Context(), x.approved)
			return err == nil && r.Durable
		})
		x.approved = ""
	}
	victim := x.f.leader()
	if src, err := x.at().client.Source(x.t.Context(), "kernel"); i%4 == 0 && err == nil {
		for _, p := range x.f.nodes {
			if p.Name == src.Owner {
				victim = p
			}
		}
	}
	victim.Kill()
}

// cloned waits until all that is claimed is mirrored.
func (x *edited) cloned() {
	x.t.Helper()
	testlog.EventuallyIn(x.t, 20*time.Minute, "all that is claimed to be cloned", func() bool {
		for cursor := ""; ; {
			list, err := x.at().client.Repos(x.t.Context(), api.Query{Limit: 1000, Cursor: cursor})
			if err != nil || slices.ContainsFunc(list.Repos, notCloned) {
				return false
			}
			if cursor = list.NextCursor; cursor == "" {
				return true
			}
		}
	})
	x.fresh = nil
}

func notCloned(r api.Repo) bool { return len(r.Claims) > 0 && r.Generation == 0 }
