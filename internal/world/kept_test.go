package world

import "testing"

// kept are histories in which something did not hold once, as short as they could be made.
var kept = []struct {
	name  string
	wrong string // what was, in the product or in the world
	setup Setup
	steps []Step
}{
	{"a node that others know by name", "gossip looked up names at this machine's resolver, beside the network that the node was given",
		Setup{1, 3, 2}, []Step{{"flags", 0, 1, 0, 0}, {"crash", 1, 0, 0, 5000000000}, {"start", 1, 0, 0, 10000000000}}},
	{"leaders come and go", "where one node's timing was too fast for slow links, a dead voter was written down by none of its terms, and others called that healthy",
		Setup{37, 5, 4}, []Step{{"grow", 0, 0, 0, 0}, {"grow", 0, 0, 0, 0}, {"flags", 4, 2, 1, 1000000000}, {"heir", 1, 5, 1, 30000000000}}},
	{"a voter is removed, of three", "a vote was taken from the live node while the one that was removed still counted, and nobody led any more; and a node of whose node.json a bit was another looked for a cluster that there is not, for ever",
		Setup{6, 3, 1}, []Step{{"stop", 0, 0, 0, 1000000000}, {"stop", 2, 0, 0, 0}, {"flip", 1, 4, 4, 1000000073}}},
	{"nothing is left to read", "clients of the world that had nothing to read did not wait, so that its time stood still",
		Setup{1, 3, 1}, []Step{{"rm", 0, 0, 0, 1000000000}, {"set", 0, 0, 0, 10000000000}}},
	{"removed, and asked for again", "the world took the copies of a repository that people had had removed for those of the next one of its name",
		Setup{36, 3, 4}, []Step{{"rm", 1, 0, 1, 13200000000}, {"add", 1, 0, 1, 1000000000}, {"rm", 1, 0, 1, 3300000000}, {"add", 1, 0, 1, 1000000000}}},
	{"a node that was removed is started again", "the world held it against a healthy cluster that this node does not show what is new",
		Setup{82, 3, 2}, []Step{{"grow", 4, 0, 0, 100000000}, {"ghost", 3, 0, 0, 3000000000}, {"push", 0, 0, 0, 1000000000}, {"push", 0, 0, 1, 0}, {"grow", 4, 0, 0, 0},
			{"ghost", 0, 0, 0, 200000000000}, {"ghost", 0, 0, 0, 12000000000}, {"ghost", 0, 0, 0, 12000000000}, {"ghost", 0, 0, 0, 12000000000}}},
	{"an upstream does not answer before anything was published", "the world held it against a healthy cluster that it does not serve what was never published, of which nobody had asked again yet",
		Setup{1, 3, 2}, []Step{{"add", 0, 0, 0, 0}, {"mood", 0, 5, 2, 0}, {"mood", 0, 0, 2, 100000000000}, {"look", 0, 0, 0, 60000000000}}},
	{"an upstream does not answer, and has news", "the world held it against a healthy cluster that it does not show the news of an upstream that was failing, of which nobody had asked again yet",
		Setup{1, 3, 2}, []Step{{"mood", 0, 5, 0, 1000000000}, {"push", 0, 0, 0, 1000000000}, {"mood", 0, 0, 0, 100000000000}, {"look", 0, 0, 0, 60000000000}}},
	{"an upstream is frozen when something is added", "the world held it against a healthy cluster that it does not serve that, before the answer had failed to come",
		Setup{1, 3, 2}, []Step{{"add", 0, 0, 0, 0}, {"mood", 0, 1, 2, 0}, {"mood", 0, 0, 2, 25000000000}, {"look", 0, 0, 0, 60000000000}}},
	{"an owner cannot reach who leads", "a node that heard from who leads, and could not make connections to it, published nothing, and the cluster was healthy",
		Setup{11, 3, 4}, []Step{{"wall", 1, 0, 0, 1000000000}, {"hold", 1, 2, 4, 1000000000}, {"push", 0, 0, 1, 0}, {"push", 0, 0, 2, 0}, {"push", 0, 0, 3, 0}, {"look", 0, 0, 0, 60000000000}}},
	{"a copy whose own objects are damaged follows", "a copy that could not be read was blamed on the peer that it followed, and not tested itself",
		Setup{1000, 5, 4}, []Step{{"mend", 0, 1, 0, 5000000000}, {"clock", 3, 2, 4, 1000000000}, {"clock", 4, 5, 0, 5000000000}, {"reborn", 3, 6, 2, 10000000}, {"flip", 2, 3, 3, 10000000}, {"mend", 1, 0, 1, 10000000}, {"branch", 2, 3, 3, 5000000000}}},
	{"who lists a source is cut off meanwhile", "a node that could write nothing down any more went on asking a forge that another listed by then",
		Setup{1, 3, 2}, []Step{{"source", 0, 0, 0, 1000000000}, {"lister", 0, 1, 0, 20000000000}, {"push", 0, 0, 0, 100000000000}}},
	{"nodes that hear of each other only through who leads", "the world held it against a cluster that was healthy again for half a minute that a copy had not followed for longer",
		Setup{883, 5, 4}, []Step{{"freeze", 0, 0, 0, 1000000000}, {"push", 0, 0, 0, 0}, {"freeze", 4, 0, 0, 0}, {"push", 0, 0, 1, 0}, {"push", 0, 0, 2, 0}, {"push", 0, 0, 3, 0}, {"dismiss", 3, 0, 0, 0}, {"look", 0, 0, 0, 100000000000}}},
}

func TestKeptHistories(t *testing.T) {
	for _, k := range kept {
		t.Run(k.name, func(t *testing.T) {
			if _, err := try(t, k.setup, k.steps); err != nil {
				t.Errorf("%v\nonce: %s", err, k.wrong)
			}
		})
	}
}
