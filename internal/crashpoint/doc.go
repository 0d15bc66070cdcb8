// Package crashpoint labels the moments between two durable steps. In a
// product build a label costs nothing; built with the tag "crashpoint", a
// test can have the process killed or stopped at exactly one of them.
package crashpoint

// Labels are all points that a generation passes, so that a sweep can visit each of them.
var Labels = []string{
	ObjectsMoved, CandidateWritten, BeforePublish, AfterPublish, TableActivated,
}

// The points in the order a generation passes them.
const (
	ObjectsMoved     = "objects-moved"     // packs are in the live repo, no table names them
	CandidateWritten = "candidate-written" // the next ref table is durable beside the live one
	BeforePublish    = "before-publish"    // about to propose it
	AfterPublish     = "after-publish"     // the log has it, the live table is still the old one
	TableActivated   = "table-activated"   // the live table is the new one, repo.json is not
)

// WordsGiven is between the words of enough others and the founding of their cluster.
const WordsGiven = "words-given"
