// Package crashpoint labels the moments between two durable steps. In a
// product build a label costs nothing; built with the tag "crashpoint", a
// test can have the process killed or stopped at exactly one of them.
// What else tests of the whole binary have it do stands here as well.
package crashpoint

// Labels are all points that a generation passes, so that a sweep can visit each of them.
var Labels = []string{
	PackMoved, ObjectsMoved, CandidateWritten, BeforePublish, AfterPublish, TableActivated,
}

// The points in the order a generation passes them.
const (
	PackMoved        = "pack-moved"        // a pack is in the live repo, its index is not
	ObjectsMoved     = "objects-moved"     // packs are in the live repo, no table names them
	CandidateWritten = "candidate-written" // the next ref table is durable beside the live one
	BeforePublish    = "before-publish"    // about to propose it
	AfterPublish     = "after-publish"     // the log has it, the live table is still the old one
	TableActivated   = "table-activated"   // the live table is the new one, repo.json is not
)

// Tending are the points that the maintenance of a copy passes, in their order. A small copy, which
// has no charts, passes neither GraphWritten nor ChartsMade.
var Tending = []string{PacksMade, PacksGathered, GraphWritten, ChartsMade, PacksMapped, PacksMarked, PacksHidden, PacksBuried}

// The points of Tending.
const (
	PacksMade     = "packs-made"     // the new pack is in staging
	PacksGathered = "packs-gathered" // the new pack is in the live repo, beside those that it is to replace
	GraphWritten  = "graph-written"  // the commit-graph is the new one, the multi-pack-index is not
	ChartsMade    = "charts-made"    // both are
	PacksMapped   = "packs-mapped"   // what readers find their way by names the new ones alone
	PacksMarked   = "packs-marked"   // those that are replaced are marked, and all of them are there
	PacksHidden   = "packs-hidden"   // they have no index any more
	PacksBuried   = "packs-buried"   // one of them has nothing left but its mark
)

// WordsGiven is between the words of enough others and the founding of their cluster.
const WordsGiven = "words-given"
