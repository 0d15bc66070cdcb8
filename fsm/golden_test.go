package fsm

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

var update = flag.Bool("update", false, "write the golden files; only ever for a new command")

// samples has one command of each number, every field set. A new field gets a
// new sample: what an old release wrote must stay readable.
var samples = map[uint32]proto.Message{
	1: &command.FoundCluster{ClusterId: "cluster-1", Format: 2},
	2: &command.PutNode{Node: &command.Node{Id: "n1", Name: "node-1", Peer: "10.0.0.1:7655", Http: "http://10.0.0.1:7654", Zone: "west", Weight: 2, Version: "1.0.0", Run: "run-2", Format: 2}, ReplacesRun: "run-1"},
	3: &command.SetNodeState{Id: "n1", State: command.NodeState_NODE_STATE_DRAINING},
	4: &command.RemoveNode{Id: "n1"},
	5: &command.RaiseFormat{Format: 2},
	6: &command.Tick{},
	7: &command.SetNodeDrain{Id: "n1", Draining: true},
	8: &command.RecoverCluster{ClusterId: "cluster-2", Former: "cluster-1", Node: "n1"},
	10: addRepos(&command.NewRepo{
		Id: "r1", Name: "host/a", Urls: []string{"https://host/a"}, UrlKeys: []string{"host/a"},
		Policy: &command.Policy{Replicas: 3, IntervalMs: 5000, RefPrefixes: []string{"refs/heads/"}},
		Labels: map[string]string{"b": "2", "a": "1"}, Copies: []string{"n1", "n2"}, Owner: "n1",
	}),
	11: &command.RemoveRepos{Ids: []string{"r1", "r2"}},
	12: &command.Publish{
		Repo: "r1", Node: "n1", Epoch: 2, FromGeneration: 3, Generation: 4, Candidate: "c1",
		Digest: digest(1), RefsDigest: digest(2), Refs: 5, Head: "ref: refs/heads/main",
		Changes:      []*command.Change{{Ref: "refs/heads/main", Old: "11", New: "22", Kind: command.ChangeKind_CHANGE_KIND_FORCED}},
		ChangesTotal: 6, Baseline: true, Restored: true,
		BaseGeneration: 3, BaseDigest: digest(4), Complete: true, Rebuilt: true, Pinned: true, Recovered: []uint64{1, 2}, Heard: 9,
	},
	13: &command.Report{
		Node:      "n1",
		Copies:    []*command.CopyReport{{Repo: "r1", State: command.CopyState_COPY_STATE_LEAVING, Generation: 4, Gone: true}},
		Health:    []*command.HealthReport{{Repo: "r1", Epoch: 2, ErrorClass: "auth", Message: "no", HoldReason: "empty", HoldDigest: digest(3), HoldLost: 2, HoldSettled: 3, HoldFirst: []*command.Change{{Ref: "refs/heads/main", Old: "11", New: "22", Kind: command.ChangeKind_CHANGE_KIND_FORCED}}, HoldLosses: digest(5), Heard: 9}},
		Condition: &command.NodeCondition{Disk: DiskFull, DiskMessage: "4 % free", Sick: "four copies broke"},
	},
	14: &command.Place{Rows: []*command.Placement{{Repo: "r1", RowVersion: 7, Add: []string{"n1"}, Leave: []string{"n2"}}}},
	20: &command.SetPolicy{Repo: "r1", MaxSize: proto.Int64(5 << 30), MaxObjectSize: proto.Int64(0), Accept: &command.Flaws{Ids: []string{"hasDotgit"}}},
	21: &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "r1", Policy: &command.SetPolicy{Replicas: proto.Uint32(3), IntervalMs: proto.Int64(7000)},
		Labels: map[string]string{"b": "2", "a": "1"}, Unlabel: []string{"c"}, Upstream: &command.Upstream{Urls: []string{"https://host/b"}, Keys: []string{"host/b"}},
		Name: proto.String("host/b"), Aliases: &command.Aliases{Names: []string{"host/a"}}, Paused: proto.Bool(true)}}},
	22: &command.RestoreRepos{Ids: []string{"r1", "r2"}},
	30: &command.PutSource{Source: &command.NewSource{Id: "s1", Name: "kernel", Namespace: "upstream", Ref: "refs/heads/main", Path: "l",
		Index: &command.NewRepo{Id: "i1", Name: "host/index", Urls: []string{"https://host/index"}, UrlKeys: []string{"host/index"}, Copies: []string{"n1"}, Owner: "n1"}}},
	31: &command.SetSource{Id: "s1", Paused: proto.Bool(true), Ref: proto.String("refs/heads/main"), Path: proto.String("l"), Again: 7},
	32: &command.RemoveSource{Id: "s1"},
	33: &command.Listing{Source: "s1", Node: "n1", Epoch: 2, Take: []string{"l/b"}, Approved: digest(6),
		Put: []*command.Entry{{Path: "l/a", File: "l/a.yaml", Hash: digest(1)[:16], Alias: "host/a", Extra: "{}", Learned: true, Submodules: true,
			Repo: &command.NewRepo{Id: "r1", Name: "upstream/l/a", Urls: []string{"https://host/a"}, UrlKeys: []string{"host/a"}, Policy: &command.Policy{Replicas: 3}, Labels: map[string]string{"a": "1"}}}},
		Done: &command.Listed{Generation: 3, Ref: "refs/heads/main", Path: "l", Again: 7, Entries: 9, Added: 1, Changed: 2, Gone: 3, Kept: 4, FlawsTotal: 5, Error: "no",
			Flaws: []*command.Flaw{{File: "l/c", Line: 2, Why: "not YAML", Try: "write YAML"}}, Hold: &command.SourceHold{Digest: digest(2), Lost: 8, First: []string{"l/d"}}},
		Submodules: &command.Submodules{Of: "l/a", Done: true, Read: digest(1), Flaw: "no", Hold: &command.SourceHold{Digest: digest(3), Lost: 1, First: []string{"l/a > host/b"}}},
		Course:     &command.Course{RanMs: 5000, Pages: 12, Found: 1200, Changed: 7, RestMs: 60_000}},
	35: &command.OwnSource{Id: "s1", Epoch: 3, Owner: "n2"},
	36: &command.PutCredentials{Node: "n1", Sources: []string{"acme", "tools"}, Unusable: []*command.Unusable{{Source: "other", Why: "no such file"}}},
	34: &command.ApproveSource{Id: "s1", Digest: digest(2)},
	16: &command.Approve{Repo: "r1", Losses: digest(5), Observed: digest(3), Unpin: []string{"refs/heads/main"}},
	17: &command.Pin{Repo: "r1", Ref: "refs/heads/main", Oid: "00112233445566778899aabbccddeeff00112233"},
	15: &command.AssignOwners{Rows: []*command.Ownership{{Repo: "r1", Epoch: 2, Owner: "n1"}}},
}

func goldenPath(number uint32) string {
	return filepath.Join("testdata", fmt.Sprintf("%d-%s.golden", number, commands[number].name))
}

func TestGoldenFiles(t *testing.T) {
	for number := range samples {
		if _, known := commands[number]; !known {
			t.Errorf("sample %d is of no command", number)
		}
	}
	for number, kind := range commands {
		t.Run(kind.name, func(t *testing.T) {
			sample := samples[number]
			if sample == nil {
				t.Fatalf("command %d has no sample", number)
			}
			data, err := Encode(sample, "request-1", epoch)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(goldenPath(number), []byte(hex.EncodeToString(data)+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(goldenPath(number))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(data); got != strings.TrimSpace(string(golden)) {
				t.Errorf("the encoding of command %d changed: nodes of two releases would disagree\ngot  %s\nwant %s", number, got, golden)
			}
			if cmd, err := decode(data); err != nil || cmd.number != number || cmd.requestID != "request-1" || cmd.atMS != epoch.UnixMilli() {
				t.Errorf("decode: %+v, %v", cmd, err)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) != len(commands) {
		t.Errorf("%d golden files for %d commands: a retired number keeps its line in commands as a comment (%v)", len(files), len(commands), err)
	}
}
