package fetch

// HoldAtMost bounds the commits of a history that are in memory.
func (f *Fetcher) HoldAtMost(n int) { f.most = n }
