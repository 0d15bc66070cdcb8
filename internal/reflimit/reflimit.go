// Package reflimit bounds names of refs, for those who take them from an
// upstream and for those who write them into the log: what one side lets
// through, the other must not refuse.
package reflimit

const (
	// Name is how many bytes a full ref name may have.
	Name = 1024
	// Component is how many bytes there may be between two slashes.
	Component = 200
	// Head is the longest HEAD: a symbolic one that points to the longest name.
	Head = len("ref: ") + Name
)
