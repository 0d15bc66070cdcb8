package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "gitmirror"

// allowed says which of our packages a package may import, and why no more.
// internal/* leaves may be imported by anyone, unless a rule says otherwise.
var allowed = map[string]struct {
	imports []string
	why     string
}{
	"":            {[]string{"cli"}, "main hands arguments, streams and signals to cli"},
	"api":         {nil, "the wire types are what clients see: they follow nothing of ours"},
	"ring":        {nil, "placement is a pure function"},
	"cluster":     {nil, "the consensus shell does not know the business"},
	"mirror":      {[]string{"mirror/..."}, "the engine must work, and be tested, without a cluster"},
	"fsm":         {[]string{"fsm/...", "source"}, "the state machine knows no network, clock or disk; how much a source may take away is arithmetic"},
	"coordinator": {[]string{"fsm", "fsm/command", "ring"}, "the leader decides from the table; raft and HTTP are its caller's"},
	"leader":      {[]string{"api", "cluster", "fsm", "fsm/command"}, "reaching the leader is raft, or one call"},
	"story":       {[]string{"fsm"}, "what the log says of a change is what the table's event says, and nothing else"},
	"membership":  {[]string{"peer"}, "whether this process may go on is asked of other nodes, and judged from what they say"},
	"agent":       {[]string{"fsm", "fsm/command", "mirror", "mirror/refs"}, "the agent joins the table and the mirror, and nothing else"},
	"peer":        {[]string{"api"}, "calls carry bytes; what they mean is decided by who implements them"},
	"server":      {[]string{"api", "fsm", "fsm/command", "peer", "source/forge"}, "the server renders and routes; it builds nothing"},
	"metrics":     {[]string{"api", "fsm", "leader", "mirror", "mirror/failure", "mirror/maintain", "mirror/refs", "mirror/schedule", "mirror/space", "peer", "server"}, "each number is counted in the words of who measures it, and read of what they say; it does nothing"},
	"cli":         {[]string{"api", "node", "demo", "cli/...", "source/forge", "source/forge/client"}, "the command line is a client of the API, and import of a forge's; only start runs a node"},
	"cli/render":  {[]string{"api"}, "tables are rendered from what the API answers"},
	"cli/doctor":  {[]string{"api"}, "what is looked at is this host, the network, and what the API says of the cluster"},
	"demo":        {[]string{"api", "cli/render", "mirror/refs"}, "the demo drives real processes from outside; to spoil a copy it must write its file"},
	"node": {[]string{"agent", "api", "cluster", "coordinator", "fsm", "fsm/command", "leader", "membership", "metrics", "mirror", "mirror/git", "mirror/past", "mirror/refs", "mirror/rhythm", "mirror/tree", "peer", "server", "source/forge", "source/forge/client", "source/index", "source/lister", "story"},
		"the composition root may know everything but its own users"},

	"source":              {nil, "what a listing changes is arithmetic"},
	"source/lister":       {[]string{"fsm", "fsm/command", "source", "source/forge", "source/forge/client", "source/index", "source/submodules"}, "an index's files are read of whoever has them, and what comes of it is the table's"},
	"mirror/tree":         {[]string{"mirror/objects"}, "the files of a commit are read of a repository, whosever it is"},
	"source/submodules":   {[]string{"source"}, "which upstreams submodules have is read of a file, whosever it is"},
	"source/index":        {[]string{"source"}, "an index is read of a tree, whosever it is"},
	"source/forge":        {[]string{"source"}, "which repositories of a forge are wanted is arithmetic"},
	"source/forge/client": {[]string{"source/forge"}, "forges are asked the same way for whoever wants to know"},

	"mirror/work":     {[]string{"mirror/failure", "mirror/refs"}, "the words that when and what share decide nothing"},
	"mirror/rhythm":   {nil, "how often upstreams change is arithmetic"},
	"mirror/objects":  {nil, "the objects of a repository are opened for who reads them in this process, whosever it is"},
	"mirror/commits":  {[]string{"mirror/objects"}, "when commits were made is read of a repository, whosever it is"},
	"mirror/schedule": {[]string{"mirror/failure", "mirror/refs", "mirror/rhythm", "mirror/work"}, "when a run begins has nothing to do with what it does"},
	"mirror/remote":   {[]string{"mirror/failure", "mirror/git", "mirror/wire"}, "how an upstream is spoken to has nothing to do with what is asked of it"},
	"mirror/detect":   {[]string{"mirror/remote", "mirror/wire"}, "whether refs have changed has nothing to do with how they are asked for: that is in mirror/remote"},
	"mirror/graph":    {nil, "what leads to what is arithmetic"},
	"mirror/proof":    {nil, "what follows from files that are the same is said of files, whosever they are"},
	"mirror/fetch":    {[]string{"mirror/failure", "mirror/git", "mirror/graph", "mirror/proof", "mirror/refs", "mirror/remote", "mirror/store", "mirror/wire"}, "objects are brought and proved the same way wherever they come from: how git gets to an upstream is in mirror/remote"},
	"mirror/gogit":    {[]string{"mirror/failure", "mirror/fetch", "mirror/graph", "mirror/objects", "mirror/proof", "mirror/refs", "mirror/remote", "mirror/store", "mirror/wire"}, "go-git keeps the promises of mirror/fetch, in its words: how an upstream is spoken to is in mirror/remote"},
	"mirror/maintain": {[]string{"mirror/git", "mirror/proof", "mirror/refs", "mirror/space", "mirror/store"}, "keeping copies in order needs nothing of where they come from, and decides nothing of what they show"},
	"mirror/sync": {[]string{"mirror/detect", "mirror/failure", "mirror/fetch", "mirror/past", "mirror/refs", "mirror/remote", "mirror/rhythm", "mirror/space", "mirror/store", "mirror/wire", "mirror/work"},
		"what a run does knows neither when it begins nor who is served"},
}

// forbidden are imports of others' packages that a package must not have, even
// through one of ours.
var forbidden = map[string][]string{
	"fsm":  {"github.com/hashicorp/raft", "gitmirror/internal/disk", "net/http", "os/exec", "math/rand", "math/rand/v2"},
	"ring": {"math/rand", "math/rand/v2", "net", "os", "time"},
	"api":  {"github.com/urfave/cli/v2"},

	"mirror/detect": {"net", "net/http", "gitmirror/internal/egress"},
	"mirror/fetch":  {"net", "net/http", "gitmirror/internal/egress"},
	"mirror/sync":   {"net", "net/http", "gitmirror/internal/egress"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestWhoMayImportWhom(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name := local(p.ImportPath)
		seen[name] = true
		rule, ok := allowed[root(name)]
		if own, exact := allowed[name]; exact {
			rule, ok = own, true
		}
		if strings.HasPrefix(name, "internal/") || name == "e2e" {
			checkLeaf(t, name, p.Imports)
			continue
		}
		for _, imp := range p.Imports {
			if name != "metrics" && (strings.HasPrefix(imp, "github.com/prometheus/") || strings.Contains(imp, "/go-metrics")) {
				t.Errorf("%s imports %s: who measures says what was done, and package metrics alone how that is exported", name, imp)
			}
		}
		if !ok {
			t.Errorf("package %s has no rule here: say what it may import, and why", name)
			continue
		}
		for _, imp := range p.Imports {
			if ours := local(imp); imp != ours && !strings.HasPrefix(ours, "internal/") && !permits(rule.imports, ours) {
				t.Errorf("%s imports %s: %s", name, ours, rule.why)
			}
			if slices.Contains(forbidden[name], imp) {
				t.Errorf("%s imports %s: %s", name, imp, rule.why)
			}
			if slices.Contains(drivers, local(imp)) {
				t.Errorf("%s imports %s, which is for tests", name, imp)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("there is a rule for %q, but no such package", name)
		}
	}
}

// drivers drive the product from outside, for tests and benchmarks: none of it imports them.
var drivers = []string{"internal/bench", "internal/clustertest", "internal/simschedule", "internal/world", "e2e"}

// checkLeaf: what anyone may import imports none of us but other leaves.
func checkLeaf(t *testing.T, name string, imports []string) {
	if slices.Contains(drivers, name) {
		return
	}
	for _, imp := range imports {
		if ours := local(imp); imp != ours && !strings.HasPrefix(ours, "internal/") {
			t.Errorf("%s imports %s: an internal leaf may be imported by anyone, so it imports none of us", name, ours)
		}
	}
}

func permits(list []string, name string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "/..."); ok {
			return name == prefix || strings.HasPrefix(name, prefix+"/")
		}
		return name == p
	})
}

// local cuts the module's name off one of our import paths; others stay whole.
func local(path string) string {
	if path == module {
		return ""
	}
	return strings.TrimPrefix(path, module+"/")
}

func root(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}
