package server

import (
	"fmt"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/fsm"
)

// mostWaiting is how many repos are named of what is left on a draining node.
const mostWaiting = 10

// waiting lists the first of what is left on a draining node, and why it is.
func (sh shape) waiting(n *fsm.Node) (list []api.DrainWaiting) {
	sh.view.HeldBy(n.Num, func(r *fsm.Repo) bool {
		if cp, _ := r.Copy(n.Num); !r.Removed && cp.State != fsm.CopyLeaving {
			list = append(list, api.DrainWaiting{Repo: r.Name, Why: sh.whyWaits(r, n)})
		}
		return len(list) < mostWaiting
	})
	return list
}

// whyWaits says why a copy does not leave a draining node yet.
func (sh shape) whyWaits(r *fsm.Repo, n *fsm.Node) string {
	if sh.leaderless {
		return "no leader: nothing is given away until a majority of the voters is back"
	}
	equals, copies := 0, 0
	var not []string
	for _, c := range r.Copies {
		o := sh.view.Node(c.Node)
		if o == nil || o.Num == n.Num || c.State == fsm.CopyLeaving {
			continue
		}
		copies++
		switch {
		case o.Draining():
			not = append(not, o.Name+" is draining")
		case o.State == fsm.NodeDown:
			not = append(not, o.Name+" is down, and waited for until --replace-after is over")
		case sh.away(o) != "":
			not = append(not, o.Name+" is "+sh.away(o))
		case c.State == fsm.CopyWanted:
			not = append(not, "that on "+o.Name+" is being made")
		case c.State == fsm.CopyBroken:
			not = append(not, "that on "+o.Name+" is broken")
		case c.Generation < r.Generation:
			not = append(not, "that on "+o.Name+" is behind")
		default:
			equals++
		}
	}
	if equals < r.Policy.Replicas {
		slices.Sort(not)
		if copies < r.Policy.Replicas {
			not = append(not, "no other node takes one yet")
		}
		return strings.TrimSuffix(fmt.Sprintf("%d of %d copies elsewhere are as new: %s", equals, r.Policy.Replicas, strings.Join(not, ", ")), ": ")
	}
	if r.Owner == n.Num {
		return "it gets another owner in a moment"
	}
	return "it leaves in a moment"
}
