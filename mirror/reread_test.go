package mirror

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gitmirror/mirror/maintain"
	"gitmirror/mirror/proof"
)

// recalling are objects that are told what was proved before.
type recalling struct {
	Objects
	next  proof.Proof
	fails int
	known []proof.Proof
}

func (o *recalling) Reread(_ context.Context, _ string, _ []string, known proof.Proof) (proof.Proof, error) {
	o.known = append(o.known, known)
	if o.fails--; o.fails >= 0 {
		return proof.Proof{}, errUnreadable
	}
	return o.next, nil
}

func (*recalling) Index(context.Context, string, string) error { return nil }
func (*recalling) Tree(string, string) (Tree, error)           { return nil, errUnreadable }

// What a verification has proved is there for the next one, beside the copy; what cannot be read is as if nothing had
// been proved; and two that fail take the copy out of service.
func TestAVerificationBeginsWhereTheLastOneEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 1)
		some := proof.Proof{Files: []proof.File{{Name: "pack/x.pack", Seal: strings.Repeat("1", 40)}}, Whole: []string{strings.Repeat("2", 40)}}
		o := &recalling{next: some}
		w.objects = o
		same := func(a, b proof.Proof) bool { return string(a.Encode()) == string(b.Encode()) }
		for range 3 {
			if v := w.Read(ctx, w.copies[0]); v != maintain.Whole {
				t.Errorf("a copy that can be read is %v", v)
			}
			o.next = proof.Proof{} // what says nothing takes the place of nothing
		}
		if len(o.known) != 3 || !o.known[0].Empty() || !same(o.known[1], some) || !same(o.known[2], some) {
			t.Errorf("it was told %+v", o.known)
		}
		data, err := w.copies[0].Proved()
		if err != nil {
			t.Fatal(err)
		}
		data = slices.Clone(data)
		data[len(data)-3] ^= 1
		if err := w.copies[0].SetProved(data); err != nil {
			t.Fatal(err)
		}
		if v := w.Read(ctx, w.copies[0]); v != maintain.Whole || !o.known[3].Empty() {
			t.Errorf("%v; of what cannot be read it was told %+v", v, o.known[3])
		}
		o.fails = 1
		if v := w.Read(ctx, w.copies[0]); v != maintain.Whole || !w.served(t, 0) {
			t.Errorf("one that failed once is %v", v)
		}
		o.fails = 2
		if v := w.Read(ctx, w.copies[0]); v != maintain.Broken || w.served(t, 0) {
			t.Errorf("one that failed twice is %v", v)
		}
		cancel()
		w.workers.Wait()
	})
}
