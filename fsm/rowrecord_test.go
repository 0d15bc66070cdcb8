package fsm

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/fsm/snapshot"
	"gitmirror/internal/policy"
)

// checkEncoding wants rows encoded as the generated code does it.
func checkEncoding(t rapid.TB, v *View) {
	v.Repos("", func(r *Repo) bool {
		if got, want := appendRepo(nil, r, 7), marshal(nil, repoRecord(r, 7)); !bytes.Equal(got, want) {
			t.Fatalf("row %s is encoded as\n%x, not\n%x", r.Name, got, want)
		}
		return true
	})
}

func TestRowsAreEncodedAsTheGeneratedCodeDoesIt(t *testing.T) {
	m := everything(t)
	checkEncoding(t, m.state.View())
	// Every field of the message is in the one or the other row.
	seen := new(snapshot.Repo)
	m.state.View().Repos("", func(r *Repo) bool {
		var rec snapshot.Record
		if err := proto.Unmarshal(appendRepo(nil, r, 7), &rec); err != nil {
			t.Fatal(err)
		}
		proto.Merge(seen, rec.GetRepo())
		return true
	})
	fields := seen.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if !seen.ProtoReflect().Has(fields.Get(i)) {
			t.Errorf("no row has %s: give one to everything()", fields.Get(i).Name())
		}
	}
}

// Policies that differ in any field are two.
func TestPoliciesAreSharedWhereTheyAreEqual(t *testing.T) {
	var in interner
	base := policy.Policy{Replicas: 2, Interval: time.Minute, RefPrefixes: []string{"refs/heads/"}}
	if one, again := in.policy(base), in.policy(base); one != again {
		t.Error("equal policies are two")
	}
	for i := range reflect.TypeFor[policy.Policy]().NumField() {
		other := base
		f := reflect.ValueOf(&other).Elem().Field(i)
		switch {
		case f.CanInt():
			f.SetInt(f.Int() + int64(time.Millisecond))
		default:
			f.Set(reflect.ValueOf([]string{"x"}))
		}
		if in.policy(other) == in.policy(base) {
			t.Errorf("policies that differ in %s are one", reflect.TypeFor[policy.Policy]().Field(i).Name)
		}
	}
}

// repoRecord is a row in the terms of the generated code.
func repoRecord(r *Repo, policy uint32) *snapshot.Record {
	rec := &snapshot.Repo{
		Id: r.ID, Name: r.Name, Urls: r.URLs(), UrlKeys: r.upstreamKeys(), Policy: policy, Labels: r.Labels,
		Removed: r.Removed, Owner: uint32(r.Owner), Epoch: r.Epoch,
		Generation: r.Generation, Digest: digestBytes(r.Digest), RefsDigest: digestBytes(r.RefsDigest),
		Refs: r.Refs, Head: r.Head(), Candidate: r.candidate,
		AddedMs: r.addedMS, ChangedMs: r.changedMS, Version: r.Version,
		Copies: make([]*snapshot.Copy, len(r.Copies)),
	}
	for i, c := range r.Copies {
		rec.Copies[i] = &snapshot.Copy{Node: uint32(c.Node), State: c.State.String(), Generation: c.Generation}
	}
	rec.BaseGeneration, rec.BaseDigest, rec.PublishedEvent = r.baseNumber, digestBytes(r.baseDigest), r.event
	for _, g := range r.Lost {
		rec.Lost = append(rec.Lost, &snapshot.Generation{Number: g.Number, Digest: digestBytes(g.Digest)})
	}
	rec.Error = failureRecord(r.Error)
	if h := r.Hold; h != nil {
		rec.Hold = &snapshot.Hold{Reason: h.Reason, SinceMs: toMS(h.Since), Observed: digestBytes(h.Observed),
			Lost: h.Lost, Settled: h.Settled, First: h.First, Losses: digestBytes(h.Losses)}
	}
	if a := r.Approved; a != nil {
		rec.Approved = &snapshot.Approval{AtMs: toMS(a.At), Observed: digestBytes(a.Observed), Losses: digestBytes(a.Losses),
			Count: a.Count, First: a.First, Index: a.Index, Unpinned: a.Unpinned}
	}
	for _, rel := range r.Released {
		rec.Released = append(rec.Released, &snapshot.Release{Ref: rel.Ref, Oid: rel.OID, Upstream: rel.Upstream, AtMs: toMS(rel.At), Index: rel.Index})
	}
	for _, p := range r.Pins {
		rec.Pins = append(rec.Pins, &snapshot.Pin{Ref: p.Ref, Oid: p.OID})
	}
	rec.Aliases, rec.Paused, rec.Came, rec.CameIndex = r.Aliases, r.Paused, r.came, r.cameAt
	if m := r.Moved; m != nil {
		rec.Moved = &snapshot.Moved{From: m.From, To: m.To, SinceMs: toMS(m.Since)}
	}
	if r.Sourced != nil {
		rec.Sourced = sourcedRecord(r.Sourced)
	}
	if f := r.Fallback; f != nil {
		rec.Fallback = &snapshot.Fallback{Url: f.URL, SinceMs: toMS(f.Since)}
	}
	return &snapshot.Record{Kind: &snapshot.Record_Repo{Repo: rec}}
}

// A row that has any of what few rows have does not share that with those that have none: a
// field that is forgotten there would be gone with the next command.
func TestARowThatHasSomethingIsNotOrdinary(t *testing.T) {
	if !new(Rarely).isOrdinary() {
		t.Error("nothing is something")
	}
	for f := range reflect.TypeFor[Rarely]().Fields() {
		if !f.IsExported() {
			continue // urls, of which the form of rows is told
		}
		r := new(Rarely)
		to := reflect.ValueOf(r).Elem().FieldByIndex(f.Index)
		switch f.Type.Kind() {
		case reflect.Map:
			to.Set(reflect.MakeMap(f.Type))
			to.SetMapIndex(reflect.Zero(f.Type.Key()), reflect.Zero(f.Type.Elem()))
		case reflect.Slice:
			to.Set(reflect.MakeSlice(f.Type, 1, 1))
		case reflect.Pointer:
			to.Set(reflect.New(f.Type.Elem()))
		case reflect.Bool:
			to.SetBool(true)
		default:
			t.Fatalf("this test has nothing for %s", f.Name)
		}
		if r.isOrdinary() {
			t.Errorf("%s is forgotten", f.Name)
		}
	}
}
