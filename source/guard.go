package source

// Bounds of what a source may take away within 24 hours without being asked.
const (
	guardShare = 10 // one of so many
	guardLeast = 5  // however few there are
)

// MayLose is how many claims of a source with so many may go within 24 hours: a tenth, and four
// where that is less. What is more waits for a person: an index that was emptied by mistake, or a
// listing that came in part, looks just so.
func MayLose(claims int) int {
	return max(guardLeast-1, claims/guardShare)
}
