package coordinator

import (
	"testing"

	"gitmirror/fsm/command"
)

// A forge is listed by a node that has its credential, by any while none has, and by nobody else while
// those that have are away.
func TestWhoListsAForge(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	add := func(name string) {
		t.Helper()
		if _, err := w.c.AddSource(t.Context(), NewSource{Name: name, Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}, ""); err != nil {
			t.Fatal(err)
		}
	}
	owner := func(name string) string {
		src := w.state.View().SourceByName(name)
		if n := w.state.View().Node(src.Owner); n != nil {
			return n.Name
		}
		return ""
	}
	owned := func(name, want string) {
		t.Helper()
		w.settle()
		if got := owner(name); got != want {
			t.Errorf("%s is listed by %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"one", "two", "three"} {
		add(name)
	}
	owned("one", "n1")
	owned("two", "n2")
	owned("three", "n3")
	epoch := w.state.View().SourceByName("two").Epoch
	w.alive[id(2)] = false
	owned("two", "n1")
	if got := w.state.View().SourceByName("two").Epoch; got != epoch+1 {
		t.Errorf("epoch %d, was %d", got, epoch)
	}
	w.alive[id(2)] = true
	owned("two", "n1") // it stays where it is
	w.apply(&command.PutCredentials{Node: id(3), Sources: []string{"TWO"}})
	owned("two", "n3")
	owned("one", "n1")
	w.alive[id(3)] = false
	owned("two", "n3")
	owned("three", "n2")
	w.apply(&command.PutCredentials{Node: id(2), Sources: []string{"two"}})
	owned("two", "n2")
	w.alive[id(3)] = true
	w.apply(&command.SetNodeDrain{Id: id(2), Draining: true})
	owned("two", "n3")
	owned("three", "n3")
	w.apply(&command.SetNodeDrain{Id: id(3), Draining: true}) // there is no other that has it
	owned("two", "n3")
	owned("three", "n1")
	// Nobody has it any more: it is given to nobody who sees less.
	src := w.state.View().SourceByName("two")
	w.apply(&command.Listing{Source: src.ID, Node: id(3), Epoch: src.Epoch, Done: &command.Listed{Generation: 1, WithCredential: true}})
	w.apply(&command.PutCredentials{Node: id(3)})
	w.apply(&command.PutCredentials{Node: id(2)})
	owned("two", "n3")
}
