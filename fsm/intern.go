package fsm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"gitmirror/internal/policy"
)

// interner keeps one value of each policy and each set of labels: a million
// rows have a handful of them. It holds no state of its own, only memory, and
// is rebuilt by a restore.
type interner struct {
	policies map[string]*Policy
	labels   map[string]map[string]string
}

// policy returns the one value that is equal to p in all that snapshots know of it.
func (in *interner) policy(p policy.Policy) *Policy {
	record := string(marshal(nil, policyRecord(0, p)))
	if in.policies == nil {
		in.policies = map[string]*Policy{}
	}
	known := in.policies[record]
	if known == nil {
		known = &Policy{Policy: p, record: record}
		in.policies[record] = known
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
