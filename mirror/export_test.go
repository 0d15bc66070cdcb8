package mirror

// Dir is where the copy's repository is on this disk.
func (c *Copy) Dir() string { return c.view.Repo.Dir() }
