package api

// FailureClass is a kind of failure of a repo, and what it says of its upstream in a few
// words: "upstream git.example.org is unreachable".
type FailureClass struct {
	Name  string
	Words string
	Ours  bool // it is this side that cannot, whatever upstream does
}

// FailureClasses are all that a repo's error can have.
var FailureClasses = []FailureClass{
	{Name: "not_found", Words: "does not have it: deleted, renamed or private"},
	{Name: "auth", Words: "wants credentials"},
	{Name: "rate_limited", Words: "lets us ask no more for now"},
	{Name: "network", Words: "is unreachable"},
	{Name: "tls_verify", Words: "shows a certificate that is not to be trusted"},
	{Name: "timeout", Words: "does not answer in time"},
	{Name: "protocol", Words: "does not answer like a git server"},
	{Name: "shallow", Words: "lacks a part of its own history"},
	{Name: "object_format", Words: "has SHA-256 objects, which are not mirrored yet"},
	{Name: "corrupt", Words: "sends objects that fail git's checks"},
	{Name: "disk", Words: "cannot be followed: a disk here fails or is full", Ours: true},
	{Name: "refused", Words: "is refused here: its address, or a limit", Ours: true},
	{Name: "too_large", Words: "has more than a copy may take"},
	{Name: "out_of_memory", Words: "needs more memory than git, or answers, may have here"},
}

// FailureWords are those of a class; of one of a later release its name.
func FailureWords(class string) string {
	for _, c := range FailureClasses {
		if c.Name == class {
			return c.Words
		}
	}
	return "fails: " + class
}
