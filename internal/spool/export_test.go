package spool

// InMemory is how many bytes the body takes of memory.
func (b *Body) InMemory() int { return int(b.held) }
