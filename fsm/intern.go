package fsm

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/fsm/command"
)

// interner keeps one value of each policy and each set of labels: a million
// rows have a handful of them. It holds no state of its own, only memory, and
// is rebuilt by a restore.
type interner struct {
	policies map[string]*Policy
	labels   map[string]map[string]string
}

// What a policy means where it says nothing.
const (
	DefaultReplicas = 2
	DefaultInterval = time.Minute
)

var defaultRefPrefixes = []string{"refs/heads/", "refs/tags/"}

// newPolicy resolves the defaults. What members of the cluster's format do not see
// counts for nobody.
func (s *State) newPolicy(p *command.Policy) Policy {
	policy := Policy{
		Replicas:    int(p.GetReplicas()),
		Interval:    time.Duration(p.GetIntervalMs()) * time.Millisecond,
		RefPrefixes: p.GetRefPrefixes(),
	}
	if s.tables.format >= FormatLimits {
		policy.MaxSize, policy.MaxObject = p.GetMaxSize(), p.GetMaxObjectSize()
	}
	if s.tables.format >= FormatFlaws {
		policy.Accept = p.GetAccept()
	}
	if policy.Replicas == 0 {
		policy.Replicas = DefaultReplicas
	}
	if policy.Interval == 0 {
		policy.Interval = DefaultInterval
	}
	if len(policy.RefPrefixes) == 0 {
		policy.RefPrefixes = defaultRefPrefixes
	}
	return policy
}

// policy returns the one value that is equal to p in all that snapshots know of it.
func (in *interner) policy(p Policy) *Policy {
	p.record = string(marshal(nil, policyRecord(0, &p)))
	if in.policies == nil {
		in.policies = map[string]*Policy{}
	}
	known := in.policies[p.record]
	if known == nil {
		known = &p
		in.policies[p.record] = known
	}
	return known
}

func (in *interner) labelSet(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	var key strings.Builder
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		key.WriteString(strconv.Quote(k))
		key.WriteString(strconv.Quote(labels[k]))
	}
	if in.labels == nil {
		in.labels = map[string]map[string]string{}
	}
	known := in.labels[key.String()]
	if known == nil {
		known = labels
		in.labels[key.String()] = known
	}
	return known
}
