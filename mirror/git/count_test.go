package git_test

import (
	"testing"

	"gitmirror/mirror/git"
)

func TestReadCount(t *testing.T) {
	for line, want := range map[string]git.Count{
		"Receiving objects:  62% (120000/190000), 1.30 GiB | 38.00 MiB/s": {Title: "Receiving objects", Done: 120000, All: 190000},
		"Receiving objects: 100% (3/3), done.":                            {Title: "Receiving objects", Done: 3, All: 3},
		"Resolving deltas:   0% (0/7)":                                    {Title: "Resolving deltas", All: 7},
		"remote: Counting objects:  10% (1/10)":                           {Title: "remote: Counting objects", Done: 1, All: 10},
		"remote: Receiving objects:  10% (1/10)":                          {Title: "remote: Receiving objects", Done: 1, All: 10}, // as a stranger may say
		"remote: Enumerating objects: 1234":                               {}, "Receiving objects": {}, "Receiving objects:  62% (12": {}, "x: 1% (2/1)": {}, "x: 1% (-1/1)": {}, "x: y% (1/1)": {}, "": {},
		"x: 1% (99999999999999999999/99999999999999999999)": {},
	} {
		if got, ok := git.ReadCount(line); got != want || ok != (want != git.Count{}) {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
}

// Git ends a line of progress when it has written it: the last one is asked for.
func TestTheLastLine(t *testing.T) {
	tail := &git.Tail{}
	for _, c := range []struct{ written, want string }{
		{"", ""}, {"Receiving", "Receiving"}, {" objects:  10% (1/10)\r", "Receiving objects:  10% (1/10)"}, {"\r\n", "Receiving objects:  10% (1/10)"},
		{"Re", "Re"}, {"\n", "Re"}, {"a\nb\n", "b"}, {"c", "c"},
	} {
		_, _ = tail.Write([]byte(c.written))
		if got := tail.Line(); got != c.want {
			t.Errorf("after %q: %q, want %q", c.written, got, c.want)
		}
	}
}
