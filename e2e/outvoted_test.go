package e2e

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"gitmirror/api"
)

// A node on which an entry of the log became another table than on the others
// finds out, and ends rather than serve it.
func TestOutvotedNodeEnds(t *testing.T) {
	t.Parallel()
	f, up := &cluster{t: t}, newForge(t)
	f.join("n1")
	f.join("n2")
	odd := f.join("n3", "GITMIRROR_TEST_SPOIL=spoil-me/spoiled!")
	f.settled(3)
	up.sample("a")
	f.nodes[0].add(up, "a", 3)
	f.nodes[0].write(func() error {
		_, err := f.nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL("spoil-me"), Name: "spoil-me"}, "once")
		return err
	})
	// Marks are compared at every 1,000th index: refused additions are entries, too.
	var g errgroup.Group
	g.SetLimit(32)
	for i := range 1000 {
		g.Go(func() error {
			_, err := f.nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL("other"), Name: "a"}, fmt.Sprint("again", i))
			if p, ok := err.(*api.Problem); ok && p.Code == "conflict_name" {
				return nil
			}
			return fmt.Errorf("a name that is taken was answered with %v", err)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	odd.ends(1, "not the one that the others have", "gitmirror node rm n3")
	up.push("a", "after it all")
	up.shows("a", f.others(odd))
}
