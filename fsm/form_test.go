package fsm

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

// everything is a machine with a row that has something in each field.
func everything(t testing.TB) *machine {
	m := lived(t)
	m.ok(&command.PutNode{Node: &command.Node{Id: "d", Name: "node-d", Format: Format}})
	for _, n := range []string{"a", "b", "c"} {
		node := putNode(n)
		node.Node.Format = Format
		m.ok(node)
	}
	m.ok(&command.RaiseFormat{Format: Format})
	full := newRepo("full")
	full.Urls, full.UrlKeys = append(full.Urls, "https://other/full.git"), append(full.UrlKeys, "other/full")
	full.Labels = map[string]string{"b": "2", "a": "1"}
	full.Policy = &command.Policy{Replicas: 3, IntervalMs: 7000, RefPrefixes: []string{"refs/x/"}, MaxSize: 1 << 40, MaxObjectSize: 5, Accept: []string{"hasDotgit"}}
	full.Copies = []string{"a", "b", "c", "d"}
	dotted := newRepo("dotted")
	dotted.Urls[0] += ".git"
	m.ok(addRepos(full, dotted))
	for generation := range uint64(3) {
		p := publish("full", generation+1)
		p.BaseGeneration, p.BaseDigest = generation, digest(byte(generation))
		m.ok(p)
	}
	m.ok(reportReady("b", "full", 1))
	m.ok(reportCopy("c", "full", command.CopyState_COPY_STATE_BROKEN, 0))
	m.ok(m.placing("full", nil, []string{"d"}))
	for _, ref := range []string{"refs/heads/main", "refs/heads/next"} {
		m.ok(&command.Pin{Repo: "full", Ref: ref, Oid: strings.Repeat("a", 40)})
	}
	m.ok(&command.Approve{Repo: "full", Release: []*command.Release{{Ref: "refs/heads/next", Upstream: proto.String("")}}})
	m.ok(&command.Report{Node: "a", Condition: &command.NodeCondition{Disk: DiskLow, DiskMessage: "9 % free", Sick: "four broke"}, Health: []*command.HealthReport{{
		Repo: "full", Epoch: 1, ErrorClass: "auth", Message: "who are you", Parked: true, HoldReason: "emptied", HoldDigest: digest(7), HoldLost: 2, HoldSettled: 3,
		HoldFirst: []*command.Change{{Ref: "refs/heads/main", Old: "11"}}, HoldLosses: digest(8), MovedFrom: "https://other/full.git", MovedTo: "https://new/full", Fallback: "https://other/full.git"}}})
	m.ok(&command.Approve{Repo: "full", Losses: digest(8), Observed: digest(7)})
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "full", Name: proto.String("host/Full"), Paused: proto.Bool(true)}}})
	m.ok(&command.SetNodeDrain{Id: "c", Draining: true})
	m.ok(putSource("kernel"))
	full2 := entryOf("full2")
	full2.Extra, full2.Learned, full2.Submodules, full2.File = `{"a":1}`, true, true, "f"
	full2.Repo.Policy, full2.Repo.Labels = &command.Policy{Replicas: 1}, map[string]string{"x": "y"}
	m.ok(m.listing("kernel", []*command.Entry{entryOf("dotted"), full2, entryOf("passing")}, nil))
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "full2", Labels: map[string]string{"hand": "1"}, Unlabel: []string{"x"}, Name: proto.String("host/called")}}})
	m.ok(m.listing("kernel", nil, []string{"passing"}))
	m.ok(m.under("kernel", "full2", &command.Submodules{Done: true, Read: digest(6), Flaw: "one is no repository"}, submodule("full2", "part")))
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Entries: 2, Flaws: []*command.Flaw{{File: "f", Line: 1, Why: "x", Try: "y"}}, FlawsTotal: 1, Hold: &command.SourceHold{Digest: digest(4), Lost: 9, First: []string{"full2"}}}))
	m.ok(m.listed("kernel", &command.Listed{Error: "the index cannot be read"}))
	m.ok(m.under("kernel", "full2", &command.Submodules{Done: true, Flaw: "one would go", Hold: &command.SourceHold{Digest: digest(5), Lost: 1, First: []string{"full2 > host/Acme/part"}}}))
	m.ok(&command.ApproveSource{Id: "kernel", Digest: m.state.View().Hold(m.state.View().SourceByID("kernel")).Digest})
	m.ok(&command.SetSource{Id: "kernel", Paused: proto.Bool(true), Ref: proto.String("main"), Path: proto.String("l"), Again: 3})
	m.ok(&command.PutCredentials{Node: "b", Sources: []string{"acme"}, Unusable: []*command.Unusable{{Source: "tools", Why: "it is empty"}}})
	m.ok(putForge("acme"))
	m.ok(m.listing("acme", []*command.Entry{inForge("77", "acme/one", "one")}, nil))
	m.ok(publish(m.row("acme/one").ID, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("77", "acme/two", "two")}, nil))
	m.ok(m.listed("acme", &command.Listed{Generation: 1, Entries: 1, Again: 0, Skipped: 3, Left: 1}))
	m.ok(&command.SetSource{Id: "acme", Selection: &command.Selection{Match: "^t", Topics: []string{"x"}, MaxSize: 9}})
	m.ok(&command.OwnSource{Id: "acme", Epoch: 1, Owner: "b"})
	m.ok(m.listed("acme", &command.Listed{Error: "rate limit", Tries: 2, RestMs: 60_000, Limited: true, Revision: 1}))
	acme := m.listing("acme", nil, nil)
	acme.Course = &command.Course{RanMs: 5000, Pages: 12, Found: 1200, Changed: 7, RestMs: 60_000}
	m.ok(acme)
	m.ok(addRepos(newRepo("gone")))
	m.ok(&command.RemoveRepos{Ids: []string{"gone"}})
	return m
}

// TestTheFormOfSnapshots pins what stands on disk, and with it the digest by which nodes of
// different builds compare their tables.
func TestTheFormOfSnapshots(t *testing.T) {
	const path = "testdata/everything.snapshot"
	data := everything(t).snapshot()
	if *update {
		if err := os.WriteFile(path, []byte(hex.EncodeToString(data)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pinned, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(pinned)); hex.EncodeToString(data) != want {
		t.Errorf("a snapshot is\n%x, not\n%s", data, want)
	}
	again := newMachine(t)
	if err := again.state.Restore(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.snapshot(), data) {
		t.Error("a snapshot of what was restored differs")
	}
}
