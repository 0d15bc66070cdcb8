package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/fsm/command"
	"gitmirror/source"
)

// Few ids, so that commands meet.
var (
	someNode   = rapid.SampledFrom([]string{"a", "b", "c", "d", ""})
	someRepo   = rapid.SampledFrom([]string{"one", "two", "three", "four", ""})
	someCount  = rapid.Uint64Range(0, 4)
	someNodes  = rapid.SliceOfN(someNode, 0, 3)
	someBool   = rapid.Bool()
	someSource = rapid.SampledFrom([]string{"kernel", "others", "forge"})
	somePath   = rapid.SampledFrom([]string{"p", "q", "Q", "r", ""})
	someRun    = rapid.SampledFrom([]string{"", "run-1", "run-2"})
)

func someCommand(t *rapid.T, v *View) proto.Message {
	repo, node := someRepo.Draw(t, "repo"), someNode.Draw(t, "node")
	row := v.Repo(repo)
	if row == nil {
		row = &Repo{Rarely: ordinary}
	}
	if owner := v.Node(row.Owner); owner != nil && rapid.IntRange(0, 3).Draw(t, "owner") > 0 {
		node = owner.ID
	}
	// Mostly the guard that is right, so that commands get through.
	guess := func(right uint64) uint64 {
		if rapid.IntRange(0, 4).Draw(t, "guess") > 0 {
			return right
		}
		return someCount.Draw(t, "wrong")
	}
	switch rapid.SampledFrom([]uint32{1, 2, 2, 3, 4, 5, 6, 7, 8, 10, 10, 11, 12, 12, 12, 13, 13, 14, 15, 16, 17, 20, 21, 21, 22, 22, 30, 31, 32, 33, 33, 33, 33, 34, 35, 36}).Draw(t, "number") {
	case 1:
		return &command.FoundCluster{ClusterId: node}
	case 2:
		return &command.PutNode{
			Node: &command.Node{Id: node, Name: someNode.Draw(t, "name"), Weight: uint32(someCount.Draw(t, "weight")),
				Peer: someNode.Draw(t, "peer"), Run: someRun.Draw(t, "run"), Format: uint32(someCount.Draw(t, "format"))},
			ReplacesRun: someRun.Draw(t, "replaces"),
		}
	case 3:
		return setNode(node, command.NodeState(rapid.IntRange(0, 6).Draw(t, "state")))
	case 4:
		return &command.RemoveNode{Id: node, AcceptLoss: someBool.Draw(t, "loss")}
	case 5:
		return &command.RaiseFormat{Format: uint32(rapid.IntRange(0, int(Format)).Draw(t, "format"))}
	case 6:
		return &command.Tick{}
	case 8:
		return &command.RecoverCluster{ClusterId: node, Former: someNode.Draw(t, "former"), Node: node}
	case 7:
		return &command.SetNodeDrain{Id: node, Draining: someBool.Draw(t, "draining")}
	case 10:
		r := newRepo(repo)
		r.Name = "host/" + someRepo.Draw(t, "name")
		r.Copies, r.Owner = someNodes.Draw(t, "copies"), someNode.Draw(t, "owner")
		r.Labels = map[string]string{"x": node, "y": repo}
		r.Policy = &command.Policy{Replicas: uint32(someCount.Draw(t, "replicas")), MaxSize: int64(someCount.Draw(t, "max size")), Accept: someNodes.Draw(t, "flaws")}
		return addRepos(r, newRepo(someRepo.Draw(t, "second")))
	case 11:
		return &command.RemoveRepos{Ids: []string{repo}}
	case 22:
		return &command.RestoreRepos{Ids: []string{repo}}
	case 30:
		if name := someSource.Draw(t, "source"); name != "forge" {
			return putSource(name)
		}
		c := putForge("forge")
		c.Source.Owner = node
		return c
	case 35:
		c := &command.OwnSource{Id: someSource.Draw(t, "source"), Owner: node}
		if src := v.SourceByID(c.Id); src != nil {
			c.Epoch = guess(src.Epoch)
		}
		return c
	case 36:
		return &command.PutCredentials{Node: node, Sources: rapid.SampledFrom([][]string{nil, {"forge"}, {"forge", "other"}, {"z", "a"}}).Draw(t, "credentials")}
	case 31:
		c := &command.SetSource{Id: someSource.Draw(t, "source"), Paused: proto.Bool(someBool.Draw(t, "paused")), Again: someCount.Draw(t, "again")}
		if c.Id == "forge" && someBool.Draw(t, "select") {
			c.Selection = &command.Selection{Match: someRepo.Draw(t, "match")}
		}
		return c
	case 32:
		return &command.RemoveSource{Id: someSource.Draw(t, "source")}
	case 34:
		return &command.ApproveSource{Id: someSource.Draw(t, "source"), Digest: digest(byte(someCount.Draw(t, "digest")))}
	case 33:
		c := &command.Listing{Source: someSource.Draw(t, "source"), Approved: digest(byte(someCount.Draw(t, "approved")))}
		if src := v.SourceByID(c.Source); src != nil {
			owner, epoch := src.Owner, src.Epoch
			if index := v.Repo(src.Index); index != nil {
				owner, epoch = index.Owner, index.Epoch
			}
			if c.Epoch = guess(epoch); v.Node(owner) != nil {
				c.Node = v.Node(owner).ID
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			e := entryOf(somePath.Draw(t, "path"))
			from := newRepo(someRepo.Draw(t, "from"))
			e.Repo.Id = someRepo.Draw(t, "new id") + "-claimed"
			e.Repo.Urls, e.Repo.UrlKeys, e.Alias = from.Urls, from.UrlKeys, from.Name
			for range rapid.IntRange(0, 2).Draw(t, "fallbacks") {
				other := newRepo(someRepo.Draw(t, "other"))
				e.Repo.Urls, e.Repo.UrlKeys = append(e.Repo.Urls, other.Urls[0]), append(e.Repo.UrlKeys, other.UrlKeys[0])
			}
			e.Hash = digest(byte(someCount.Draw(t, "hash")))[:16]
			if c.Source == "forge" { // whose entries get other names
				e.Repo.Name = "forge/" + somePath.Draw(t, "called")
			}
			if c.Source != "forge" && someBool.Draw(t, "renamed") {
				e.From = somePath.Draw(t, "path before")
			}
			e.Submodules = someBool.Draw(t, "submodules")
			e.Repo.Policy = &command.Policy{Replicas: uint32(someCount.Draw(t, "replicas"))}
			e.Repo.Labels = map[string]string{"x": node}
			c.Put = append(c.Put, e)
		}
		c.Take = rapid.SliceOfN(somePath, 0, 2).Draw(t, "take")
		if someBool.Draw(t, "done") {
			c.Done = &command.Listed{Generation: someCount.Draw(t, "generation"), Hold: &command.SourceHold{Digest: digest(byte(someCount.Draw(t, "held")))}}
			if someBool.Draw(t, "failed") {
				c.Done = &command.Listed{Error: "no", Tries: 1, RestMs: int64(someCount.Draw(t, "rest")), Limited: someBool.Draw(t, "limited")}
			}
		}
		if src := v.SourceByID(c.Source); src != nil && someBool.Draw(t, "submodules") {
			var above []*Claim
			v.Above(src.Num, func(claim *Claim) bool { above = append(above, claim); return true })
			if len(above) == 0 {
				return c
			}
			of := rapid.SampledFrom(above).Draw(t, "of")
			c.Submodules = &command.Submodules{Of: of.Path, Done: someBool.Draw(t, "all"), Read: digest(byte(someCount.Draw(t, "read")))}
			if someBool.Draw(t, "flawed") {
				c.Submodules.Flaw = "no"
			}
			if row := v.Repo(of.Repo); v.Node(row.Owner) != nil {
				c.Node, c.Epoch = v.Node(row.Owner).ID, guess(row.Epoch)
			}
			for i, e := range c.Put {
				e.Path = source.Under(of.Path, e.Path)
				c.Take = append(c.Take, source.Under(of.Path, fmt.Sprint(i)))
			}
			c.Done, c.Take = nil, c.Take[:0]
			v.Claims(src.Num, source.Under(of.Path, ""), func(claim *Claim) bool {
				if len(c.Take) < 2 && source.IsUnder(claim.Path, of.Path) && someBool.Draw(t, "drop") {
					c.Take = append(c.Take, claim.Path)
				}
				return true
			})
		}
		return c
	case 12:
		p := publish(repo, guess(row.Generation+1))
		p.Node, p.Epoch, p.FromGeneration = node, guess(row.Epoch), guess(row.Generation)
		p.Restored, p.Complete = someBool.Draw(t, "restored"), someBool.Draw(t, "complete")
		p.BaseGeneration, p.BaseDigest = someCount.Draw(t, "base"), digest(4)
		p.Recovered = rapid.SliceOfN(someCount, 0, 2).Draw(t, "recovered")
		p.Heard = guess(row.Word())
		return p
	case 13:
		return &command.Report{
			Node:      node,
			Condition: &command.NodeCondition{Disk: rapid.SampledFrom([]string{"", DiskLow, DiskFull}).Draw(t, "disk"), Sick: someRun.Draw(t, "sick")},
			Copies: []*command.CopyReport{{
				Repo: repo, State: command.CopyState(rapid.IntRange(0, 4).Draw(t, "state")),
				Generation: guess(row.Generation), Gone: someBool.Draw(t, "gone"),
			}},
			Health: []*command.HealthReport{{
				Repo: repo, Epoch: guess(row.Epoch),
				ErrorClass: rapid.SampledFrom([]string{"", "auth"}).Draw(t, "class"),
				HoldReason: rapid.SampledFrom([]string{"", "empty"}).Draw(t, "hold"),
				HoldLost:   uint32(someCount.Draw(t, "lost")), HoldLosses: digest(byte(someCount.Draw(t, "losses"))),
				HoldFirst: []*command.Change{{Ref: "refs/heads/main", Old: "1"}}, Heard: guess(row.Word()),
				Fallback:  rapid.SampledFrom(append([]string{"", ""}, row.URLs()...)).Draw(t, "fallback"),
				MovedFrom: newRepo(repo).Urls[0], MovedTo: rapid.SampledFrom([]string{"", "https://new/1", "https://new/2"}).Draw(t, "moved to"),
			}},
		}
	case 20:
		return &command.SetPolicy{Repo: repo, MaxSize: proto.Int64(int64(someCount.Draw(t, "size"))), MaxObjectSize: proto.Int64(int64(someCount.Draw(t, "object"))), Accept: &command.Flaws{Ids: someNodes.Draw(t, "flaws")}}
	case 21:
		c := &command.RepoChange{Repo: repo, Policy: &command.SetPolicy{Replicas: proto.Uint32(uint32(someCount.Draw(t, "replicas")))},
			Labels: map[string]string{"z": node}, Unlabel: []string{"x"}, Paused: rapid.SampledFrom([]*bool{nil, proto.Bool(true), proto.Bool(false)}).Draw(t, "paused")}
		if someBool.Draw(t, "renamed") {
			c.Name = proto.String("host/" + someRepo.Draw(t, "called"))
		}
		if someBool.Draw(t, "aliased") {
			c.Aliases = &command.Aliases{Names: rapid.SliceOfN(rapid.SampledFrom([]string{"host/one", "host/two", "host/five", ""}), 0, 2).Draw(t, "aliases")}
		}
		if someBool.Draw(t, "moved") {
			from := newRepo(someRepo.Draw(t, "upstream"))
			c.Upstream = &command.Upstream{Urls: from.Urls, Keys: from.UrlKeys}
		}
		return &command.ChangeRepos{Repos: []*command.RepoChange{c}}
	case 14:
		return &command.Place{Rows: []*command.Placement{{
			Repo: repo, RowVersion: guess(row.Version),
			Add: someNodes.Draw(t, "add"), Leave: someNodes.Draw(t, "leave"),
		}}}
	}
	if rapid.Bool().Draw(t, "pin") {
		return &command.Pin{Repo: repo, Ref: "refs/heads/" + node, Oid: strings.Repeat("a", 40)}
	}
	if row.Hold != nil || len(row.Pins) > 0 {
		c := &command.Approve{Repo: repo}
		if row.Hold != nil {
			c.Losses, c.Observed = row.Hold.Losses[:], row.Hold.Observed[:]
		}
		for _, p := range row.Pins {
			c.Release = append(c.Release, &command.Release{Ref: p.Ref, Upstream: rapid.SampledFrom([]*string{nil, proto.String(""), proto.String(p.OID)}).Draw(t, "upstream")})
		}
		return c
	}
	return assign(repo, guess(row.Epoch), node)
}

// TestSameLogSameState applies one random history to two machines, and to a
// third one that is restored from a snapshot now and then.
func TestSameLogSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, two, three := New(), New(), New()
		now := epoch
		n := rapid.IntRange(1, 60).Draw(t, "entries")
		for index := uint64(1); index <= uint64(n); index++ {
			before := one.View()
			now = now.Add(time.Duration(rapid.IntRange(-60, 1800).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 19).Draw(t, "jump") == 0 {
				now = now.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, "hours")) * time.Hour)
			}
			request := rapid.SampledFrom([]string{"", "", "", "r1", "r2", "r3"}).Draw(t, "request")
			msg := someCommand(t, before)
			data, err := Encode(msg, request, now)
			if err != nil {
				t.Fatal(err)
			}
			first := one.Apply(index, data)
			if first.Err != nil {
				t.Fatal(first.Err)
			}
			for _, s := range []*State{two, three} {
				if r := s.Apply(index, data); !proto.Equal(first.Outcome, r.Outcome) {
					t.Fatalf("outcomes %v and %v", first, r)
				}
			}
			checkRows(t, before, one.View())
			checkOrigins(t, msg, before, one.View())
			checkDigest(t, one.View())
			checkEncoding(t, one.View())
			checkDecoding(t, one.View())
			if one.View().Digest() != three.View().Digest() {
				t.Fatal("the same log made different digests")
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				snapshot := snapshotOf(t, three)
				three = New()
				if err := three.Restore(bytes.NewReader(snapshot)); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := snapshotOf(t, one)
		if !bytes.Equal(want, snapshotOf(t, two)) || !bytes.Equal(want, snapshotOf(t, three)) {
			t.Fatal("the same log made different states")
		}
	})
}

func snapshotOf(t *rapid.T, s *State) []byte {
	var b bytes.Buffer
	if err := s.Capture().Persist(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkRows wants every row whole, and found in each way it should be found.
func checkRows(t *rapid.T, before, v *View) {
	live, removed, aliases, keys := 0, 0, 0, 0
	v.Repos("", func(r *Repo) bool {
		if err := soundRow(v, r); err != nil {
			t.Fatalf("row %+v: %v", r, err)
		}
		if r.Removed {
			removed++
		} else {
			live++
			aliases, keys = aliases+len(r.Aliases), keys+len(r.urlKeys)
		}
		old := before.Repo(r.ID)
		if old != nil && (r.Epoch < old.Epoch || r.Generation < old.Generation && r.AddedAt().Equal(old.AddedAt())) {
			t.Fatalf("row went back from %+v to %+v", old, r)
		}
		if old != nil && old.Owner != r.Owner && old.Epoch == r.Epoch {
			t.Fatalf("the owner changed without a new epoch: %+v to %+v", old, r)
		}
		if old != nil && !old.Removed && !r.Removed && old.Generation > 0 && served(old) && !served(r) && !brokeDown(old, r) && !nodeGone(v, old) {
			t.Fatalf("the last ready copy went: %+v to %+v", old, r)
		}
		return true
	})
	if aliases != v.tables.byAlias.Len() || keys != v.tables.byURL.Len() {
		t.Fatalf("rows have %d other names and %d keys, and %d and %d lead to them", aliases, keys, v.tables.byAlias.Len(), v.tables.byURL.Len())
	}
	if err := soundSources(v); err != nil {
		t.Fatal(err)
	}
	for _, src := range v.Sources() {
		if old := before.SourceByNum(src.Num); old != nil && (src.Epoch < old.Epoch || src.Owner != old.Owner && src.Epoch == old.Epoch) {
			t.Fatalf("the owner changed without a new epoch, or one went back: %+v to %+v", old, src)
		}
	}
	var trashed sum
	v.Trashed(func(r *Trashed) bool {
		if row := v.Repo(r.ID); row != nil && !row.Removed || v.tables.trash.find(r.ID) != r || r.Owner != 0 {
			t.Fatalf("%s is in the trash and live, or not found there by its id", r.ID)
		}
		trashed = trashed.plus(sumOf(marshal(nil, trashedRecord(r))))
		return true
	})
	if trashed != v.tables.trash.sum || v.TrashedLen() != v.tables.trash.byID.Len() {
		t.Fatal("the sum of the trash is not that of what is in it")
	}
	if live != v.Len() || removed != v.RemovedLen() {
		t.Fatalf("%d live and %d removed rows, the view says %d and %d", live, removed, v.Len(), v.RemovedLen())
	}
}

// checkOrigins wants it known of each row where what it serves came from, until something of another address is published,
// or a check has told of it; and rows that follow what one of their claims says, where nobody has set them to another and no
// row has what they all say.
func checkOrigins(t *rapid.T, msg proto.Message, before, v *View) {
	if before.Format() < formatCourse {
		return
	}
	upstream := false
	switch msg.(type) {
	case *command.Publish, *command.Report:
		upstream = true
	}
	l, listing := msg.(*command.Listing)
	v.Repos("", func(r *Repo) bool {
		old := before.Repo(r.ID)
		if was := before.tables.lapsedFrom(r.upstreamKeys()[0]); len(l.GetPut()) < 2 && old == nil && r.live() && was != nil && v.tables.lapsedFrom(r.upstreamKeys()[0]) == was {
			t.Fatalf("%s is new, and %s serves what %s had: %+v", r.ID, was.ID, was.Origin(), was)
		}
		if r.Removed || old == nil || old.Removed || old.Version == r.Version {
			return true
		}
		if !upstream && old.Generation > 0 && old.Origin() != r.Origin() {
			t.Fatalf("%T: what was of %s is of %s by now: %+v %v, was %+v %v", msg, old.Origin(), r.Origin(), r, r.upstreamKeys(), old, old.upstreamKeys())
		}
		claims := v.ClaimsOn(r.ID)
		if !listing || len(claims) == 0 || r.Sourced.Hand || r.Sourced.ByHand&setUpstream != 0 {
			return true
		}
		if !slices.ContainsFunc(claims, func(c *Claim) bool {
			other := v.RepoByURLKey(c.Keys[0])
			return other != nil && other != r || c.Keys[0] == r.upstreamKeys()[0] || c.Hash == (source.Hash{}) // to be taken up anew
		}) {
			t.Fatalf("a row follows %v, and none of its claims does, like %+v", r.upstreamKeys(), claims[0])
		}
		return true
	})
}

// served tells whether a row has a ready copy.
func served(r *Repo) bool {
	return slices.ContainsFunc(r.Copies, func(c Copy) bool { return c.State == CopyReady })
}

// brokeDown tells whether a ready copy was reported broken: the one way in
// which the last one may be lost.
func brokeDown(old, r *Repo) bool {
	for _, c := range r.Copies {
		if was, _ := old.Copy(c.Node); c.State == CopyBroken && was.State == CopyReady {
			return true
		}
	}
	return false
}

// nodeGone tells whether a node that had a ready copy is no member any more: people may have
// that in spite of what is lost.
func nodeGone(v *View, old *Repo) bool {
	return slices.ContainsFunc(old.Copies, func(c Copy) bool { return c.State == CopyReady && v.Node(c.Node) == nil })
}

func soundRow(v *View, r *Repo) error {
	for i, c := range r.Copies {
		if v.Node(c.Node) == nil || i > 0 && r.Copies[i-1].Node >= c.Node {
			return fmt.Errorf("copy %+v of no node, or out of order", c)
		}
		if c.Generation > r.Generation {
			return fmt.Errorf("copy %+v is ahead of the row", c)
		}
	}
	if r.Owner != 0 {
		if c, holds := r.Copy(r.Owner); !holds || c.State == CopyLeaving {
			return fmt.Errorf("owner without a copy")
		}
	}
	if r.Removed {
		if len(r.Copies) == 0 || r.Owner != 0 {
			return fmt.Errorf("removed, but without copies or with an owner")
		}
		return nil
	}
	if v.Repo(r.ID) != r || v.RepoByName(r.Name) != r || v.RepoByURLKey(r.upstreamKeys()[0]) != r {
		return fmt.Errorf("not found by id, name or url")
	}
	for _, name := range r.Aliases {
		if v.RepoByName(name) != r {
			return fmt.Errorf("not found as %s", name)
		}
	}
	return nil
}
