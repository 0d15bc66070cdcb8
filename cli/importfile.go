package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"gitmirror/api"
)

// importEntry is a line of an import list that asks for something.
type importEntry struct {
	line    int
	url     string
	name    string
	problem *api.Problem // the line is not URL [NAME]
}

// longestLine is what a line of an import list may have, in bytes.
const longestLine = 64 << 10

// parseImport reads "URL [NAME]" lines. A # begins a comment at the start of a
// line or behind a space: inside a URL it belongs to the URL, which is refused
// for it.
func parseImport(r io.Reader) ([]importEntry, error) {
	var entries []importEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	n := 0
	for lines.Scan() {
		n++
		text := lines.Text()
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		words := strings.Fields(text)
		for i, w := range words {
			if strings.HasPrefix(w, "#") {
				words = words[:i]
				break
			}
		}
		switch len(words) {
		case 0:
		case 1:
			entries = append(entries, importEntry{line: n, url: words[0]})
		case 2:
			entries = append(entries, importEntry{line: n, url: words[0], name: words[1]})
		default:
			entries = append(entries, importEntry{line: n, url: words[0], problem: &api.Problem{
				Status: 400, Code: codeLine, Title: "not an import line", Hint: "write a # before a comment",
				Detail: fmt.Sprintf("there are %d words, where URL [NAME] is wanted", len(words)),
			}})
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d has more than %d bytes", n+1, longestLine)
	} else if err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return entries, nil
}
