package world

import (
	"runtime"
	"strings"
)

// bubble names the one that the caller is in, as stacks do.
func bubble() string {
	buf := make([]byte, 1<<10)
	head, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), "\n")
	i := strings.Index(head, "synctest bubble ")
	if i < 0 {
		return ""
	}
	return strings.TrimSuffix(head[i:], "]:")
}

// forgiven are calls in which a goroutine may be left: raft never answers a transfer of
// leadership that it was asked for when it had just lost it, nor what was queued when it was
// shut down, and who waits for that is left.
var forgiven = []string{"LeadershipTransfer", "transferTo", "cluster.(*Cluster).await"}

// left are the stacks of the goroutines that are left of a bubble.
func left(of string) (stacks []string) {
	buf := make([]byte, 16<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		if !strings.Contains(head, of+"]") && !strings.Contains(head, of+",") {
			continue
		}
		pardoned := false
		for _, call := range forgiven {
			pardoned = pardoned || strings.Contains(stack, call)
		}
		if !pardoned {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
