package index

import (
	"fmt"
	"strings"

	"gitmirror/source"
)

// parseURLs reads a url per line. A # begins a comment, at the start of a line or behind a space.
func parseURLs(data []byte) (c content) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		words := strings.Fields(line)
		for i, w := range words {
			if strings.HasPrefix(w, "#") {
				words = words[:i]
				break
			}
		}
		switch len(words) {
		case 0:
		case 1:
			c.items = append(c.items, item{name: "*", line: n, keys: mapping{"url": {value: words[0], line: n}}})
		default:
			if c.flaws = append(c.flaws, source.Flaw{Line: n, Why: fmt.Sprintf("there are %d words, where a url is wanted", len(words)), Try: "write a # before a comment"}); len(c.flaws) > maxFlaws {
				return c
			}
		}
	}
	return c
}
