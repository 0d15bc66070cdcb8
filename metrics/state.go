package metrics

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gitmirror/api"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/space"
	"gitmirror/server"
)

// Reading is what is true of a node at a moment.
type Reading struct {
	Raft   Raft
	Table  server.Counts
	Mirror mirror.Load
}

// Raft is how the node stands with its consensus.
type Raft struct {
	Leads         bool
	Term          uint64
	Committed     uint64        // index
	Contact       time.Duration // since a leader was heard; negative where none ever was
	LeaderChanges uint64
}

// state exports a Reading, of one moment for all of a scrape.
type state struct{ read func() Reading }

// fact is one metric of a Reading.
type fact struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Reading) []sample
}

type sample struct {
	value  float64
	labels []string
}

func gauge(name, help string, of func(Reading) float64) fact {
	return fact{prometheus.NewDesc(prefix+name, help, nil, nil), prometheus.GaugeValue, func(r Reading) []sample { return []sample{{of(r), nil}} }}
}

// gauges have a sample for each thing that a label can say.
func gauges(name, help, label string, values []string, of func(Reading, string) float64) fact {
	return fact{prometheus.NewDesc(prefix+name, help, []string{label}, nil), prometheus.GaugeValue, func(r Reading) (list []sample) {
		for _, v := range values {
			list = append(list, sample{of(r, v), []string{v}})
		}
		return list
	}}
}

// ofSources have a sample for each source. There are a thousand of them at most, which people have named.
func ofSources(name, help string, of func(server.SourceCounts) float64) fact {
	return fact{prometheus.NewDesc(prefix+"source_"+name, help, []string{"source_name"}, nil), prometheus.GaugeValue, func(r Reading) (list []sample) {
		for _, s := range r.Table.Sources {
			list = append(list, sample{of(s), []string{s.Name}})
		}
		return list
	}}
}

func total(name, help string, of func(Reading) float64) fact {
	f := gauge(name, help, of)
	f.kind = prometheus.CounterValue
	return f
}

// lanes are what the lanes of the schedule are called.
var lanes = []string{"checks", "fetches", "first_copies", "copies"}

func lane(r Reading, name string) schedule.Line {
	switch name {
	case "checks":
		return r.Mirror.Checks
	case "fetches":
		return r.Mirror.Fetches
	case "first_copies":
		return r.Mirror.Firsts
	}
	return r.Mirror.Copies
}

// shares are those of the repositories that are as fresh as that, or fresher.
var shares = []string{"0.5", "0.95", "1"}

var facts = []fact{
	gauge("raft_is_leader", "1 on the node that leads, else 0.", func(r Reading) float64 { return one(r.Raft.Leads) }),
	gauge("raft_term", "The term of raft this node is in.", func(r Reading) float64 { return float64(r.Raft.Term) }),
	gauge("raft_commit_index", "The end of what this node knows to be committed.", func(r Reading) float64 { return float64(r.Raft.Committed) }),
	gauge("raft_applied_index", "The last command that this node's table has; raft's own entries are none, so that a few may be missing to the commit index for ever.", func(r Reading) float64 { return float64(r.Table.Index) }),
	gauge("raft_last_contact_seconds", "How long ago this node heard from a leader: 0 on the leader, +Inf where it never did.", func(r Reading) float64 {
		if r.Raft.Contact < 0 {
			return math.Inf(1)
		}
		return r.Raft.Contact.Seconds()
	}),
	gauge("raft_voters", "Nodes that vote, as the table and raft have them.", func(r Reading) float64 { return float64(r.Table.Voters) }),
	total("leader_changes_total", "How often this node saw another node lead than before; the first one counts.", func(r Reading) float64 { return float64(r.Raft.LeaderChanges) }),
	gauge("tolerated_failures", "How many more voters may fail; 0 without a leader.", func(r Reading) float64 { return float64(r.Table.Tolerates) }),
	gauges("nodes", "Members by state, as this node's table has them.", "state", words(api.NodeStates), func(r Reading, state string) float64 { return float64(r.Table.Nodes[state]) }),
	gauges("repositories", "Repositories of the whole cluster by the state that is shown, as this node's table has them.", "state", api.StateNames, func(r Reading, state string) float64 { return float64(r.Table.Repos[state]) }),
	gauges("failing_repositories", "Repositories of the whole cluster whose upstream cannot be followed, by why, as this node's table has them.", "error_class", words(failure.Classes), func(r Reading, class string) float64 { return float64(r.Table.Failing[class]) }),
	gauge("under_replicated_repositories", "Published repositories of the whole cluster that lack copies, or whose copies lack the newest for a minute.", func(r Reading) float64 { return float64(r.Table.Below) }),
	ofSources("repositories", "Repositories that a source wants mirrored, as this node's table has them.", func(s server.SourceCounts) float64 { return float64(s.Repos) }),
	ofSources("errors", "Errors of a source's last listing, which are not followed; 0 while it is paused.", func(s server.SourceCounts) float64 { return float64(s.Errors) }),
	ofSources("held", "1 while a source would take away more than it may without a person's word; 0 while it is paused.", func(s server.SourceCounts) float64 { return one(s.Held) }),
	ofSources("failing", "1 while a source cannot be listed, or no node may list it; 0 while it is paused.", func(s server.SourceCounts) float64 { return one(s.Fails) }),
	ofSources("listed_timestamp_seconds", "When a source was last listed, in Unix seconds, 0 where it never was: a forge is each hour, an index when it has changed.", func(s server.SourceCounts) float64 {
		if s.Listed.IsZero() {
			return 0
		}
		return float64(s.Listed.UnixMilli()) / 1000
	}),
	gauge("owned_repositories", "Repositories whose upstream this node asks.", func(r Reading) float64 { return float64(r.Table.Held.Owned) }),
	gauges("copies", "Copies on this node by what is to become of them: to be made, held, or to be deleted.", "state", []string{"wanted", "held", "leaving"}, func(r Reading, state string) float64 {
		switch held := r.Table.Held; state {
		case "wanted":
			return float64(held.Wanted)
		case "held":
			return float64(held.Copies - held.Wanted)
		default:
			return float64(held.Leaving)
		}
	}),
	gauge("copy_packs", "Packs that the copies on this node lie in, some minutes ago: for each copy a few, where maintenance keeps up.", func(r Reading) float64 { return float64(r.Mirror.CopyPacks) }),
	gauge("stale_repositories", "Repositories of this node's whose last check is older than three of their intervals.", func(r Reading) float64 { return float64(r.Mirror.Stale) }),
	gauges("repository_staleness_seconds", "How long ago this node's repositories were checked: that share of them not longer ago; 0 where there are none.", "share", shares, func(r Reading, share string) float64 { return oldest(r.Mirror.Ages, share).Seconds() }),
	gauges("sync_running", "Runs of repositories that are under way: checks of upstreams, fetches from them for copies that are here, first copies, and copies from peers.", "lane", lanes, func(r Reading, l string) float64 { return float64(lane(r, l).Running) }),
	gauges("sync_queue_length", "Repositories that are due and wait for a place among those.", "lane", lanes, func(r Reading, l string) float64 { return float64(lane(r, l).Waiting) }),
	gauges("sync_queue_oldest_seconds", "How long the one of those that wait has been due that has been for longest.", "lane", lanes, func(r Reading, l string) float64 { return lane(r, l).Oldest.Seconds() }),
	gauge("packs_running", "Packs that are being made for clients.", func(r Reading) float64 { return float64(r.Mirror.Packs.Running) }),
	gauge("pack_queue_length", "Clients that wait for a place to have a pack made.", func(r Reading) float64 { return float64(r.Mirror.Packs.Waiting) }),
	gauge("disk_free_bytes", "Free bytes of the disk with the copies, some seconds ago.", func(r Reading) float64 { return float64(r.Mirror.Disk.FreeBytes) }),
	gauge("disk_size_bytes", "Bytes of the disk with the copies.", func(r Reading) float64 { return float64(r.Mirror.Disk.Bytes) }),
	gauge("disk_free_ratio", "The free share of it, of bytes or inodes, whichever is less: what --min-free is about.", func(r Reading) float64 { return r.Mirror.Disk.FreePercent / 100 }),
	gauges("disk_state", "1 for the state that the disk is in: low takes no new copy, full fetches nothing, failing takes no write.", "state", []string{"well", string(space.Low), string(space.Full), string(space.Failing)}, func(r Reading, state string) float64 {
		now := string(r.Mirror.Condition.Disk.State)
		if now == "" {
			now = "well"
		}
		return one(now == state)
	}),
	gauge("copies_out_of_service", "1 while this node serves none of its copies, because too many could not be read.", func(r Reading) float64 { return one(r.Mirror.Condition.Sick != "") }),
}

// oldest is the age that a share of the ages, which are sorted, does not exceed.
func oldest(ages []time.Duration, share string) time.Duration {
	of, err := strconv.ParseFloat(share, 64)
	if err != nil || len(ages) == 0 {
		return 0
	}
	return ages[int(math.Ceil(of*float64(len(ages))))-1]
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (s *state) Describe(to chan<- *prometheus.Desc) {
	for _, f := range facts {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(to chan<- prometheus.Metric) {
	r := s.read()
	slices.Sort(r.Mirror.Ages)
	for _, f := range facts {
		for _, x := range f.of(r) {
			to <- prometheus.MustNewConstMetric(f.desc, f.kind, x.value, x.labels...)
		}
	}
}
