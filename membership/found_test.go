package membership

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/peer"
)

// waiter is a node of the model: what is on its disk, and the round that its process is in.
type waiter struct {
	id      string
	promise Promise
	cluster string // its founder's id; empty while it waits

	round int // of its processes, counted together: what belongs to another is not heard
	stage string
	seen  []peer.Waiting
	call  peer.Word
	given map[string]bool
}

func (w *waiter) end() { w.round, w.stage, w.seen, w.given = w.round+1, "", nil, nil }

// message is on its way. It arrives late, or twice, or never.
type message struct {
	kind     string // look, seen, ask, given
	from, to int
	round    int // of who asked
	waiting  peer.Waiting
	call     peer.Word
}

type waiters struct {
	expect  int
	nodes   []*waiter
	on      []message
	founded []string
}

func (m *waiters) waiting(w *waiter) peer.Waiting {
	return peer.Waiting{ID: w.id, Expect: m.expect, Word: w.promise.Word, Calls: w.promise.Calls}
}

func (m *waiters) self(w *waiter) peer.Waiting { return peer.Waiting{ID: w.id, Expect: m.expect} }

// look begins a round of a node, which asks some of the others who waits.
func (m *waiters) look(i int, whom func(int) bool) {
	w := m.nodes[i]
	w.end()
	w.stage = "looking"
	for j := range m.nodes {
		if j != i && whom(j) {
			m.on = append(m.on, message{kind: "look", from: i, to: j, round: w.round})
		}
	}
}

// turn is the node's decision, by what it has heard.
func (m *waiters) turn(i int) {
	w := m.nodes[i]
	if w.stage != "looking" || w.cluster != "" {
		return
	}
	var asks bool
	if w.promise, asks = w.promise.Turn(m.self(w), w.seen); !asks {
		w.end()
		return
	}
	w.stage, w.call, w.given = "asking", w.promise.Word, map[string]bool{}
	for j, o := range m.nodes {
		for _, s := range w.seen {
			if s.ID == o.id {
				m.on = append(m.on, message{kind: "ask", from: i, to: j, round: w.round, call: w.call})
			}
		}
	}
}

// found ends a node's round.
func (m *waiters) found(i int) {
	w := m.nodes[i]
	if w.stage != "asking" || w.cluster != "" {
		return
	}
	if w.promise.Founds(m.self(w), w.call, w.given) {
		m.founded = append(m.founded, w.id)
		w.cluster, w.promise = w.id, Promise{}
	}
	w.end()
}

func (m *waiters) deliver(msg message) {
	to := m.nodes[msg.to]
	back := message{from: msg.to, to: msg.from, round: msg.round}
	switch msg.kind {
	case "look":
		if to.cluster == "" {
			back.kind, back.waiting = "seen", m.waiting(to)
			m.on = append(m.on, back)
		}
	case "ask":
		if to.cluster != "" {
			return
		}
		var given bool
		if to.promise, given = to.promise.Give(msg.call); given {
			back.kind = "given"
			m.on = append(m.on, back)
		}
	case "seen":
		if to.round == msg.round && to.stage == "looking" {
			to.seen = append(to.seen, msg.waiting)
		}
	case "given":
		if to.round == msg.round && to.stage == "asking" {
			to.given[m.nodes[msg.from].id] = true
		}
	}
}

// In whatever order nodes come, see each other, die and come back, and whatever becomes of what
// they say, one of them founds a cluster and no other; and once nothing is in their way, one
// does.
func TestOneFounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &waiters{expect: rapid.SampledFrom([]int{2, 2, 2, 2, 3, 4, 1}).Draw(t, "expect")}
		n := max(m.expect, 2*m.expect-rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "nodes"))
		for _, i := range rapid.Permutation(seq(n)).Draw(t, "ids") {
			m.nodes = append(m.nodes, &waiter{id: fmt.Sprintf("n%d", i)})
		}
		any := func(t *rapid.T) int { return rapid.IntRange(0, n-1).Draw(t, "node") }
		round := func(t *rapid.T) { // one that goes well, with some; its end may come later
			hidden := rapid.IntRange(0, 1<<n-1).Draw(t, "hidden")
			m.whole(any(t), func(j int) bool { return hidden&(1<<j) == 0 }, rapid.Bool().Draw(t, "ends"), rapid.IntRange(0, 7).Draw(t, "late"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"look": func(t *rapid.T) {
				hidden := rapid.IntRange(0, 1<<n-1).Draw(t, "hidden")
				m.look(any(t), func(j int) bool { return hidden&(1<<j) == 0 })
			},
			"turn":  func(t *rapid.T) { m.turn(any(t)) },
			"found": func(t *rapid.T) { m.found(any(t)) },
			"crash": func(t *rapid.T) { m.nodes[any(t)].end() },
			"join": func(t *rapid.T) {
				if w := m.nodes[any(t)]; len(m.founded) > 0 && w.cluster == "" {
					w.cluster, w.promise = m.founded[0], Promise{}
				}
			},
			"arrive": func(t *rapid.T) {
				if len(m.on) == 0 {
					t.Skip("nothing is said")
				}
				i := rapid.IntRange(0, len(m.on)-1).Draw(t, "message")
				msg := m.on[i]
				if rapid.IntRange(0, 4).Draw(t, "again") > 0 {
					m.on = append(m.on[:i], m.on[i+1:]...)
				}
				m.deliver(msg)
			},
			"round": round, "a round": round, "another round": round,
			"": func(t *rapid.T) {
				if len(m.founded) > 1 {
					t.Fatalf("%v have each founded a cluster", m.founded)
				}
			},
		})
		for range 6 {
			for _, i := range rapid.Permutation(seq(n)).Draw(t, "order") {
				m.whole(i, func(int) bool { return true }, true, -1)
			}
		}
		if len(m.founded) != 1 {
			t.Fatalf("in the end %v have founded a cluster", m.founded)
		}
	})
}

// whole is a round of one node, with all that is said in it heard at once; one of it, by its
// number, is heard a second time later. Without ends the node has not counted words yet.
func (m *waiters) whole(i int, whom func(int) bool, ends bool, late int) {
	if m.nodes[i].cluster != "" {
		return
	}
	rest := m.on
	m.on = nil
	flush := func() {
		for ; len(m.on) > 0; late-- {
			msg := m.on[0]
			m.on = m.on[1:]
			m.deliver(msg)
			if late == 0 {
				rest = append(rest, msg)
			}
		}
	}
	m.look(i, whom)
	flush()
	m.turn(i)
	flush()
	if ends {
		m.found(i)
	}
	m.on = rest
}

func seq(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// What the decision looks like in words: n2 asks while n1 is not there, and yields to it.
func TestTurns(t *testing.T) {
	me := func(id string) peer.Waiting { return peer.Waiting{ID: id, Name: id, Expect: 3} }
	word := func(id string, call uint64) peer.Word { return peer.Word{Founder: id, Call: call} }
	for _, tt := range []struct {
		name    string
		p       Promise
		me      string
		seen    []peer.Waiting
		founder string // who has its word then
		asks    bool
	}{
		{"alone", Promise{}, "n2", nil, "", false},
		{"one is missing", Promise{}, "n2", []peer.Waiting{me("n3")}, "", false},
		{"one that is there twice is one", Promise{}, "n2", []peer.Waiting{me("n3"), me("n3")}, "", false},
		{"itself is no other", Promise{}, "n2", []peer.Waiting{me("n2"), me("n3")}, "", false},
		{"enough", Promise{}, "n2", []peer.Waiting{me("n3"), me("n4")}, "n2", true},
		{"so many that two halves would be enough", Promise{}, "n2", []peer.Waiting{me("n3"), me("n4"), me("n5"), me("n6"), me("n7")}, "", false},
		{"others expect another number", Promise{}, "n2", []peer.Waiting{me("n3"), {ID: "n4", Expect: 2}}, "", false},
		{"a smaller one is there", Promise{}, "n2", []peer.Waiting{me("n1"), me("n3")}, "", false},
		{"a smaller one comes", Promise{word("n2", 1), 1}, "n2", []peer.Waiting{me("n1"), me("n3")}, "", false},
		{"it asks again", Promise{word("n2", 1), 1}, "n2", []peer.Waiting{me("n3"), me("n4")}, "n2", true},
		{"its word is another's", Promise{word("n9", 1), 0}, "n2", []peer.Waiting{me("n3"), me("n4")}, "n9", false},
		{"whose has struck it", Promise{word("n9", 1), 0}, "n2", []peer.Waiting{me("n3"), {ID: "n9", Expect: 3, Calls: 1}}, "n2", true},
		{"whose has called again", Promise{word("n9", 1), 0}, "n1", []peer.Waiting{me("n3"), {ID: "n9", Expect: 3, Calls: 2, Word: word("n9", 2)}}, "n1", true},
		{"whose said that before it called", Promise{word("n9", 2), 0}, "n2", []peer.Waiting{me("n3"), {ID: "n9", Expect: 3, Calls: 1}}, "n9", false},
	} {
		p, asks := tt.p.Turn(me(tt.me), tt.seen)
		if p.Word.Founder != tt.founder || asks != tt.asks || p.Calls < tt.p.Calls {
			t.Errorf("%s: %+v, asks: %v", tt.name, p, asks)
		}
	}
}

// Founds wants the words of others for this call, and its own still.
func TestFounds(t *testing.T) {
	me := peer.Waiting{ID: "n1", Expect: 3}
	call := peer.Word{Founder: "n1", Call: 2}
	for _, tt := range []struct {
		name  string
		p     Promise
		given map[string]bool
		want  bool
	}{
		{"two others", Promise{call, 2}, map[string]bool{"n2": true, "n3": true}, true},
		{"one other, and itself", Promise{call, 2}, map[string]bool{"n1": true, "n3": true}, false},
		{"one other", Promise{call, 2}, map[string]bool{"n2": true}, false},
		{"its word is struck", Promise{Calls: 2}, map[string]bool{"n2": true, "n3": true}, false},
		{"its word is for another call", Promise{peer.Word{Founder: "n1", Call: 3}, 3}, map[string]bool{"n2": true, "n3": true}, false},
	} {
		if got := tt.p.Founds(me, call, tt.given); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Of three nodes n1 has the word of n2, which it has yet to count, when n0 comes to n2 with what
// it may have said meanwhile of n1. n0 does not get the word.
func TestWordsThatCross(t *testing.T) {
	only := func(i int) func(int) bool { return func(j int) bool { return i == j } }
	for name, disturb := range map[string]func(m *waiters, calls func()){
		"nothing": func(m *waiters, calls func()) { calls() },
		"that n1 waits for it": func(m *waiters, calls func()) {
			calls()
			m.whole(2, only(1), false, -1)
		},
		"what n1 said before its call": func(m *waiters, calls func()) {
			m.look(2, only(1))
			m.deliver(m.take())
			calls()
			m.deliver(m.take())
			m.turn(2)
		},
		"what n1 said between two calls": func(m *waiters, calls func()) {
			calls()
			m.whole(1, only(0), false, -1) // it strikes its word
			m.look(2, only(1))
			m.deliver(m.take())
			calls()
			m.deliver(m.take())
			m.turn(2)
		},
		"n1's first call, which comes late": func(m *waiters, calls func()) {
			calls()
			first := message{kind: "ask", from: 1, to: 2, call: m.nodes[1].call}
			m.whole(1, only(0), false, -1)
			calls()
			m.deliver(first)
			m.whole(2, only(1), false, -1)
		},
	} {
		m := &waiters{expect: 2, nodes: []*waiter{{id: "n0"}, {id: "n1"}, {id: "n2"}}}
		disturb(m, func() { m.whole(1, only(2), false, -1) })
		m.whole(0, only(2), true, -1)
		m.found(1)
		if len(m.founded) != 1 || m.founded[0] != "n1" {
			t.Errorf("%s: %v have founded a cluster", name, m.founded)
		}
	}
}

// take is the oldest of what is on its way.
func (m *waiters) take() message {
	msg := m.on[0]
	m.on = m.on[1:]
	return msg
}
