package cluster

import (
	"testing"

	"go.uber.org/goleak"
)

// A probe that memberlist has under way when it is shut down ends with its own
// timeout: nothing waits for it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"),
		// raft never answers what was queued when it shut down: see await.
		goleak.IgnoreAnyFunction("gitmirror/cluster.(*Cluster).await.func1"))
}
