package cluster

import (
	"testing"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func TestFoundingSurvivesACrashHalfway(t *testing.T) {
	s, err := openStore(Config{Dir: t.TempDir()}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	s.serve(func() uint64 { return 0 })
	defer s.Close()
	conf := raftConfig(Config{ID: uuid.NewString(), Timing: TimingNormal, TrailingLogs: 1}.withDefaults(""))

	// What raft writes first.
	if err := s.stable.SetUint64([]byte(termKey), bootstrapTerm); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is something to keep
		if err := s.found(conf, nil, "127.0.0.1:1"); err != nil {
			t.Fatal(err)
		}
		var entry raft.Log
		if err := s.GetLog(1, &entry); err != nil || entry.Type != raft.LogConfiguration {
			t.Fatalf("first entry %v, %v, want the configuration", entry.Type, err)
		}
	}
}
