package cli

// nearest is the candidate that a slip of the fingers could have made into
// word, or "".
func nearest(word string, candidates []string) string {
	best, bound := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(word, c); d <= bound {
			best, bound = c, d-1
		}
	}
	return best
}

// distance is how many letters are to be added, dropped, replaced or swapped
// with their neighbour.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				d[i][j] = d[i-1][j-1]
				continue
			}
			d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(a)][len(b)]
}
