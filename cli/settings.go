package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

// setting is something of a node that a flag says, or else the environment, or else a file.
type setting struct {
	flag  urfave.Flag
	check func(c *urfave.Context, name string) error // beyond its type; nil: any value will do
}

func (s setting) name() string { return s.flag.Names()[0] }

// The groups of settings in help, and in what config init writes.
const (
	groupPlace     = "Identity, kept in node.json"
	groupCluster   = "Cluster"
	groupUpstreams = "How often upstreams are asked"
	groupDisk      = "Disk and memory"
	groupAccess    = "Who may connect, and where to"
	groupLog       = "Log"
)

// What is one of few words.
var (
	raftTimings = []string{"fast", "normal", "slow"}
	logLevels   = []string{"debug", "info", "warn", "error"}
	logFormats  = []string{"text", "json"}
)

// settings are all there are, made anew for each command that takes them.
func settings() []setting {
	return []setting{
		{&urfave.StringFlag{Name: "name", Category: groupPlace, Usage: "`NAME` of the node, unique in the cluster", DefaultText: kept("the host name")}, nil},
		{&urfave.StringFlag{Name: "http", Category: groupPlace, Usage: "`HOST:PORT` of the API and git", DefaultText: kept(node.DefaultHTTP)}, nil},
		{&urfave.StringFlag{Name: "peer", Category: groupPlace, Usage: "`HOST:PORT`, TCP and UDP, for the other nodes", DefaultText: kept(node.DefaultPeer)}, nil},
		{&urfave.StringFlag{Name: "advertise", Category: groupPlace, Usage: "`HOST:PORT` that other nodes reach --peer at, where that is another"}, nil},
		{&urfave.StringFlag{Name: "advertise-http", Category: groupPlace, Usage: "`HOST:PORT` that clients reach --http at, where that is another"}, nil},
		{&urfave.StringSliceFlag{Name: "join", Category: groupCluster, Usage: "peer `HOST:PORT` of a member of the cluster to join; repeatable"}, nil},
		{&urfave.IntFlag{Name: "bootstrap-expect", Category: groupCluster, Usage: "without a cluster, found one with the others in --join once `N` nodes are there, this one included", DefaultText: "0: join, or found one alone"}, count},
		{&urfave.StringFlag{Name: "raft-timing", Category: groupCluster, Usage: "`PACE` at which a dead leader is noticed: fast, normal, or slow for far or busy networks", Value: "normal"}, words(raftTimings...)},
		{&urfave.DurationFlag{Name: "replace-after", Category: groupCluster, Usage: "`DURATION` a node is down before its copies are made anew elsewhere", Value: 10 * time.Minute, DefaultText: "10m"}, wait},
		{&urfave.DurationFlag{Name: "min-interval", Category: groupUpstreams, Usage: "`DURATION` that a repository is left alone at least whose interval is learned", Value: 45 * time.Second, DefaultText: "45s"}, atLeastSecond},
		{&urfave.DurationFlag{Name: "max-interval", Category: groupUpstreams, Usage: "`DURATION` that a repository is left alone at most whose interval is learned", Value: 8 * time.Hour, DefaultText: "8h"}, atLeastSecond},
		{&urfave.StringSliceFlag{Name: "hosts", Category: groupUpstreams, Usage: "`HOST=RATE` of checks that the whole cluster makes at a host of upstreams, like github.com=600/m (s, m or h); the same on each node; repeatable", DefaultText: "as many as the intervals come to"}, rates},
		{&urfave.Float64Flag{Name: "min-free", Category: groupDisk, Usage: "`PERCENT` of the disk that stays free: below it no new copy is made, below half of it nothing is fetched; 0: never mind", Value: 10}, percent},
		{&urfave.StringFlag{Name: "max-size", Category: groupDisk, Usage: "`SIZE` that the copy of a repository may have, unless it has a limit of its own", Value: "50GiB"}, least(1 << 20)},
		{&urfave.StringFlag{Name: "max-object-size", Category: groupDisk, Usage: "`SIZE` that one object may have, unless its repository has a limit of its own", Value: "2GiB"}, least(1 << 20)},
		{&urfave.StringFlag{Name: "git-memory", Category: groupDisk, Usage: "`SIZE` of memory that one git process, or one fetch by go-git, may take", Value: "2GiB"}, least(64 << 20)},
		{&urfave.StringFlag{Name: "engine", Category: groupDisk, Usage: "`ENGINE` that brings objects: git, go-git for a host without git, whose clients get packs from other nodes, or auto for git where it is there", Value: node.EngineAuto}, words(node.Engines...)},
		{&urfave.StringSliceFlag{Name: "allow-upstream", Category: groupAccess, Usage: "`CIDR` of private or loopback addresses that upstreams may have; repeatable"}, nil},
		{&urfave.StringSliceFlag{Name: "source-token", Category: groupAccess, Usage: "`SOURCE[@HOST]=FILE` of the token that a forge is listed with, mode 0600; of another forge than the kind's own with its HOST[:PORT]; repeatable"}, tokens},
		{&urfave.StringSliceFlag{Name: "allow-host", Category: groupAccess, Usage: "`NAME` that clients know this node by, besides its IP addresses and the one advertised; repeatable"}, hostNames},
		{&urfave.BoolFlag{Name: "insecure-peers", Category: groupAccess, Usage: "take a --peer address that others can reach: peers do not authenticate each other yet", DisableDefaultText: true}, nil},
		{&urfave.BoolFlag{Name: "insecure-api", Category: groupAccess, Usage: "take writes on a --http address that others can reach: clients do not authenticate yet", DisableDefaultText: true}, nil},
		{&urfave.StringFlag{Name: "log-level", Category: groupLog, Usage: "`LEVEL` of the log: debug, info, warn or error", Value: "info"}, words(logLevels...)},
		{&urfave.StringFlag{Name: "log-format", Category: groupLog, Usage: "`FORMAT` of the log: text or json", Value: "text"}, words(logFormats...)},
	}
}

// kept is the default of what node.json keeps.
func kept(first string) string { return "as before; at first " + first }

func words(list ...string) func(*urfave.Context, string) error {
	return func(c *urfave.Context, name string) error { return oneOf(name, c.String(name), list...) }
}

func wait(c *urfave.Context, name string) error {
	switch d := c.Duration(name); {
	case d <= 0:
		return usagef("gitmirror start --help", "--%s %s is no time to wait", name, d)
	case d%time.Millisecond != 0:
		return usagef("gitmirror start --help", "--%s %s is finer than a millisecond", name, d)
	}
	return nil
}

func atLeastSecond(c *urfave.Context, name string) error {
	if d := c.Duration(name); d >= 0 && d < time.Second {
		return usagef("gitmirror start --"+name+" 1m", "--%s %s is less than 1s", name, d)
	}
	if err := wait(c, name); err != nil {
		return err
	}
	if least, most := c.Duration("min-interval"), c.Duration("max-interval"); name == "max-interval" && most < least {
		return usagef("gitmirror start --help", "--max-interval %s is less than --min-interval %s", plain(most), plain(least))
	}
	return nil
}

// rates refuses what is no HOST=RATE.
func rates(c *urfave.Context, name string) error {
	_, err := ratesOf(c.StringSlice(name))
	return err
}

// ratesOf are checks a second, by host.
func ratesOf(list []string) (map[string]float64, error) {
	rates := map[string]float64{}
	for _, text := range list {
		host, rate, ok := strings.Cut(text, "=")
		number, unit, _ := strings.Cut(rate, "/")
		n, err := strconv.ParseFloat(number, 64)
		seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
		host = strings.ToLower(strings.TrimSpace(host))
		if !ok || err != nil || seconds == 0 || host == "" || strings.ContainsAny(host, "/ @") || !(n > 0 && n < 1e6) {
			return nil, usagef("gitmirror start --hosts github.com=600/m", "--hosts %q is no HOST=RATE, like github.com=600/m or git.example.org:8443=2/s", text)
		}
		if _, twice := rates[host]; twice {
			return nil, usagef("gitmirror start --help", "--hosts has %s twice", host)
		}
		rates[host] = n / seconds
	}
	return rates, nil
}

// tokens refuses what is no SOURCE=FILE or SOURCE@HOST=FILE.
func tokens(c *urfave.Context, name string) error {
	_, err := tokensOf(c.StringSlice(name))
	return err
}

// tokensOf are paths of files, by source, and the host of the forge where that is not the kind's own.
func tokensOf(list []string) (map[string]string, error) {
	files := map[string]string{}
	for _, text := range list {
		key, file, ok := strings.Cut(text, "=")
		source, host, elsewhere := strings.Cut(key, "@")
		if !ok || source == "" || file == "" || strings.ContainsAny(source, "/ :") || elsewhere && host == "" || strings.ContainsAny(host, "/ @") {
			return nil, usagef("gitmirror start --source-token acme=/etc/gitmirror/acme.token", "--source-token %.40q is no SOURCE=FILE or SOURCE@HOST=FILE", key)
		}
		for other := range files {
			if other, _, _ := strings.Cut(other, "@"); strings.EqualFold(other, source) {
				return nil, usagef("gitmirror start --help", "--source-token has %s twice", source)
			}
		}
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		files[key] = path
	}
	return files, nil
}

// hostNames refuses what no client can know a node by.
func hostNames(c *urfave.Context, name string) error {
	for _, host := range c.StringSlice(name) {
		if host == "" || strings.ContainsAny(host, " \t/@*?#") {
			return usagef("gitmirror start --"+name+" mirror.example.org", "--%s %q is no name of a host", name, host)
		}
	}
	return nil
}

func count(c *urfave.Context, name string) error {
	if n := c.Int(name); n < 0 {
		return usagef("gitmirror start --"+name+" 3", "--%s %d is no number of nodes", name, n)
	}
	return nil
}

func percent(c *urfave.Context, name string) error {
	if p := c.Float64(name); !(p >= 0 && p <= 50) {
		return usagef("gitmirror start --"+name+" 10", "--%s %g is not between 0 and 50 percent", name, p)
	}
	return nil
}

// least refuses a size that nothing would fit in.
func least(n int64) func(*urfave.Context, string) error {
	return func(c *urfave.Context, name string) error {
		switch got, err := size(c, name); {
		case err != nil:
			return err
		case got < n:
			return usagef("gitmirror start --help", "--%s has to be %s at least", name, humanize.IBytes(uint64(n)))
		}
		return nil
	}
}

// oneOf refuses a flag's value that is not one of the words.
func oneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	hint := ""
	if near := nearest(value, words); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return usagef("gitmirror start --"+flag+" "+words[0], "--%s %q is none of %s%s", flag, value, strings.Join(words, ", "), hint)
}

// settingFlags are the flags of a command that takes all settings: those of the settings, and
// where the data directory and the file are.
func settingFlags() []urfave.Flag {
	flags := []urfave.Flag{
		&urfave.StringFlag{Name: "data", Usage: "data `DIRECTORY`, made if missing", Value: "gitmirror-data", TakesFile: true},
		&urfave.StringFlag{Name: "config", Usage: "`FILE` of settings", DefaultText: "config.yaml in the data directory, where there is one", TakesFile: true},
	}
	for _, s := range settings() {
		flags = append(flags, s.flag)
	}
	return flags
}

// The origins of values that are from no flag, variable or file.
const (
	fromFlag    = "flag"
	fromNode    = "node.json"
	fromDefault = "default"
)

// configured are the settings of one command line, each from the first that has it: a flag,
// the environment, the file.
type configured struct {
	c       *urfave.Context
	list    []setting
	data    string
	file    string            // where the file is, or would be
	present bool              // it is there
	origins map[string]string // by setting
}

// configure reads the environment and, where withFile is set, the file, and checks every value.
func configure(c *urfave.Context, withFile bool) (*configured, error) {
	s := &configured{c: c, list: settings(), origins: map[string]string{}}
	for _, name := range []string{"data", "config"} {
		if v := os.Getenv(variable(name)); v != "" && !c.IsSet(name) {
			_ = c.Set(name, v) // a string takes any
		}
	}
	s.data, s.file = c.String("data"), c.String("config")
	named := s.file != ""
	if !named {
		s.file = filepath.Join(s.data, configName)
	}
	var file map[string]entry
	if withFile {
		var err error
		if file, s.present, err = readConfig(s.file, s.list); err != nil {
			return nil, err
		}
		if named && !s.present {
			return nil, usagef("gitmirror config init --config "+s.file, "there is no %s", s.file)
		}
	}
	for _, x := range s.list {
		if err := s.take(x, file); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// take takes over one setting from where it is said.
func (s *configured) take(x setting, file map[string]entry) error {
	name := x.name()
	from, values := fromDefault, []string(nil)
	e, written := file[name]
	switch v := os.Getenv(variable(name)); {
	case s.c.IsSet(name):
		from = fromFlag
	case v != "":
		from, values = "$"+variable(name), []string{v}
	case written:
		from, values = fmt.Sprintf("%s line %d", s.file, e.line), e.values
	}
	s.origins[name] = from
	for _, v := range values {
		if err := s.c.Set(name, v); err != nil {
			f := usagef("mend it there; gitmirror config init --help has the settings", "%s: %s %q cannot be read", from, name, v)
			if f.Cause = expects(x.flag); f.Cause != "" {
				f.Try = fmt.Sprintf("%s: %s, in the place of %s", name, example(x.flag), v)
			}
			return f
		}
	}
	if x.check == nil {
		return nil
	}
	err := x.check(s.c, name)
	if f := (*Failure)(nil); errors.As(err, &f) && len(values) > 0 {
		f.Cause = fmt.Sprintf("--%s is from %s", name, from)
	}
	return err
}

// example is a value that a setting takes.
func example(f urfave.Flag) string {
	switch f := f.(type) {
	case *urfave.DurationFlag:
		return plain(f.Value)
	case *urfave.BoolFlag:
		return "true"
	}
	return "3"
}

// misspelt are variables of the environment that are no settings, and look like one, each with the
// setting that may be meant.
func misspelt(environ []string) (words []string) {
	names := []string{"addr", "data", "config"}
	for _, s := range settings() {
		names = append(names, s.name())
	}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		said, ours := strings.CutPrefix(name, "GITMIRROR_")
		said = strings.ToLower(strings.ReplaceAll(said, "_", "-"))
		if near := nearest(said, names); ours && near != "" && !slices.Contains(names, said) {
			words = append(words, fmt.Sprintf("$%s is no setting; did you mean $%s?", name, variable(near)))
		}
	}
	slices.Sort(words)
	return words
}

// variable is the environment's name of a flag.
func variable(flag string) string {
	return "GITMIRROR_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// config is what a node is started with.
func (s *configured) config() node.Config {
	c := s.c
	bytes := func(name string) int64 { n, _ := size(c, name); return n } // checked
	cfg := node.Config{
		Dir: s.data, Join: c.StringSlice("join"), Expect: c.Int("bootstrap-expect"), Timing: c.String("raft-timing"), ReplaceAfter: c.Duration("replace-after"), MinFree: c.Float64("min-free"),
		MaxSize: bytes("max-size"), MaxObject: bytes("max-object-size"), GitMemory: bytes("git-memory"), Engine: c.String("engine"),
		AllowUpstream: c.StringSlice("allow-upstream"), AllowHost: c.StringSlice("allow-host"),
		InsecurePeers: c.Bool("insecure-peers"), InsecureAPI: c.Bool("insecure-api"), Version: readBuild().Version, Commit: readBuild().Commit, OwnProcess: true,
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = -1
	}
	cfg.SourceTokens, _ = tokensOf(c.StringSlice("source-token")) // checked
	cfg.Hosts, _ = ratesOf(c.StringSlice("hosts"))                // checked
	cfg.Bounds.Least, cfg.Bounds.Most = c.Duration("min-interval"), c.Duration("max-interval")
	said := func(name string) string { // by a flag
		if s.origins[name] == fromFlag {
			return c.String(name)
		}
		return ""
	}
	first := func(name string) string {
		if s.origins[name] != fromFlag {
			return c.String(name)
		}
		return ""
	}
	cfg.Name, cfg.HTTP, cfg.Peer, cfg.Advertise, cfg.AdvertiseHTTP = said("name"), said("http"), said("peer"), said("advertise"), said("advertise-http")
	cfg.First = node.Place{Name: first("name"), HTTP: first("http"), Peer: first("peer"), Advertise: first("advertise"), AdvertiseHTTP: first("advertise-http")}
	return cfg
}
