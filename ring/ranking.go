package ring

import (
	"cmp"
	"slices"
)

// ranking is a list of repos to be brought into order: the least key first, then by hash.
// What decides stands in the list, since looking it up would cost more than the sorting.
type ranking []ranked

type ranked struct {
	key, hash uint64
	repo      int
}

// sort returns the repos in their order.
func (r ranking) sort() []int {
	slices.SortFunc(r, func(a, b ranked) int {
		switch {
		case a.key != b.key:
			return cmp.Compare(a.key, b.key)
		case a.hash != b.hash:
			return cmp.Compare(a.hash, b.hash)
		}
		return cmp.Compare(a.repo, b.repo)
	})
	repos := make([]int, len(r))
	for i := range r {
		repos[i] = r[i].repo
	}
	return repos
}
