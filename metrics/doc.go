// Package metrics is what a node tells Prometheus. Whoever does something says so to one of
// its parts, each of which is what a package asks for (mirror.Meter, server.Meter, a
// function); what is true at a moment is read when somebody asks.
//
// It promises that what it exports does not grow with what is mirrored, nor with what
// clients ask for: no label has a name, an address or a ref, and each series that can be
// there is there from the start. A scrape looks at no row of the table that has not changed,
// waits for no disk and no other node, and is made once a second at most, however many ask.
//
// Nothing of it is the process's, so that several nodes may be in one; what is, only the
// node that has the process alone is given (TakeProcess).
package metrics
