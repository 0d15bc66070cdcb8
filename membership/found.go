package membership

import "gitmirror/peer"

// Promise is what a node that waits for a cluster has promised, as its node.json has it. Its
// methods are all there is to the decision who founds the cluster, as pure functions; whoever
// calls them makes what they return durable before anybody hears of it.
//
// A founder is one that has its own word and, in answer to its present call, those of expect-1
// others. Of two founders, among fewer than 2*expect nodes, the words of one node would have to
// be with both. A node has one word (Give); it takes that back only when its founder has taken
// its own back (Release), which a founder does only between its calls (Turn), and no answer to
// an earlier call counts for a later one.
type Promise struct {
	Word  peer.Word `json:"word,omitzero"`   // zero: to nobody
	Calls uint64    `json:"calls,omitempty"` // how many calls it has made as a founder; they are never forgotten
}

// Give is the promise after a founder has asked for the word, and whether it has it. Who asks
// with a later call has struck its earlier ones.
func (p Promise) Give(to peer.Word) (Promise, bool) {
	if p.Word.Founder != "" && (p.Word.Founder != to.Founder || p.Word.Call > to.Call) {
		return p, false
	}
	p.Word = to
	return p, true
}

// Release is the promise after its holder was seen: it is void when that has made the call,
// and has struck its own word for it since. What it said before it made the call says nothing.
func (p Promise) Release(seen peer.Waiting) Promise {
	if p.Word.Founder == seen.ID && seen.Calls >= p.Word.Call && !sameWord(p.Word, seen.Word) {
		p.Word = peer.Word{}
	}
	return p
}

func sameWord(a, b peer.Word) bool { return a.Founder == b.Founder && a.Call == b.Call }

// Turn is the promise of a node that has seen others wait, and whether it asks them for their
// words now. The smallest of those that see each other asks, when they are enough: who sees a
// smaller one strikes its own word.
func (p Promise) Turn(me peer.Waiting, seen []peer.Waiting) (next Promise, asks bool) {
	others := map[string]bool{}
	smaller := false
	for _, s := range seen {
		if s.ID == me.ID {
			continue
		}
		p = p.Release(s)
		if s.Expect != me.Expect {
			continue
		}
		others[s.ID] = true
		smaller = smaller || s.ID < me.ID
	}
	mine := p.Word.Founder == me.ID
	switch {
	case smaller:
		if mine {
			p.Word = peer.Word{}
		}
		return p, false
	case len(others) < me.Expect-1 || tooMany(me.Expect, len(others)):
		return p, false
	case p.Word.Founder == "":
		p.Calls++
		p.Word = peer.Word{Founder: me.ID, Call: p.Calls, Name: me.Name, Peer: me.Peer}
		mine = true
	}
	return p, mine
}

// tooMany tells whether two halves of those that are here could each found a cluster.
func tooMany(expect, others int) bool { return others+1 >= 2*expect }

// Founds tells whether a node may found the cluster: it still has its own word for the call
// that it made, and those of enough others for it.
func (p Promise) Founds(me peer.Waiting, call peer.Word, given map[string]bool) bool {
	n := 0
	for id := range given {
		if id != me.ID {
			n++
		}
	}
	return call.Founder == me.ID && sameWord(p.Word, call) && n >= me.Expect-1
}
