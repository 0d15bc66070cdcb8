package source

// Some are so many of the flaws, which come by file: of each file its first, and of as many files as there is room for,
// so that one with many hides no other.
func Some(flaws []Flaw, most int) []Flaw {
	if len(flaws) <= most {
		return flaws
	}
	var files []int // how many each has
	for i := range flaws {
		if i == 0 || flaws[i].File != flaws[i-1].File {
			files = append(files, 0)
		}
		files[len(files)-1]++
	}
	told := make([]int, len(files)) // of each
	for left, round := most, 0; left > 0; round++ {
		for i, n := range files {
			if n > round && left > 0 {
				told[i]++
				left--
			}
		}
	}
	out := make([]Flaw, 0, most)
	for i, n := range files {
		out, flaws = append(out, flaws[:told[i]]...), flaws[n:]
	}
	return out
}
