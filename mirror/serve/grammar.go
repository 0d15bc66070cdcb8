package serve

import (
	"fmt"
	"strconv"
	"strings"

	"gitmirror/mirror/wire"
)

// grammar follows the packets of a request for a pack, and notes the first that git
// upload-pack would not take: it ends then, as it does over a copy that is damaged, and a
// copy must not be tested for a client's nonsense.
type grammar struct {
	v2       bool
	features map[string]bool // of fetch, that were advertised

	part     part
	commands int
	filters  int
	wrong    string // what is, empty where nothing is
}

// part is where in a request the next packet is.
type part int

const (
	head      part = iota // protocol 2: the command and capabilities
	arguments             // protocol 2: all; before: wants, and how deep
	haves                 // before protocol 2: what is there, in as many flushes as it takes
	behind                // what git does not read
)

func newGrammar(v2 bool, features map[string]bool) *grammar {
	g := &grammar{v2: v2, features: features, part: arguments}
	if v2 {
		g.part = head
	}
	return g
}

// next takes a packet, and tells in which part it is.
func (g *grammar) next(kind wire.Kind, payload []byte) part {
	at := g.part
	if kind == wire.Data {
		if line := strings.TrimSuffix(string(payload[:min(len(payload), lineBytes)]), "\n"); g.wrong == "" && !g.takes(at, line) {
			g.wrong = fmt.Sprintf("the line %.80q is none that is taken there", line)
		}
		return at
	}
	switch {
	case at == head && kind == wire.Delim:
		g.part = arguments
	case at == behind:
	case at == head && kind == wire.Flush:
		g.part = behind
	case at == head:
		g.note("its capabilities do not end with a delimiter")
	case g.v2 && kind != wire.Flush:
		g.note("its arguments do not end with a flush")
	case g.v2:
		g.part = behind
	default:
		g.part = haves
	}
	return at
}

// lineBytes is how much of a line is looked at: the longest that is taken, but for
// capabilities, is shorter.
const lineBytes = 4 << 10

func (g *grammar) note(wrong string) {
	if g.wrong == "" {
		g.wrong = wrong
	}
}

// end is called behind the last packet.
func (g *grammar) end() {
	if g.part == head || g.part == arguments {
		g.note("it ends before its arguments do")
	}
}

func (g *grammar) takes(at part, line string) bool {
	key, value, valued := strings.Cut(line, " ")
	switch at {
	case head:
		capability, _, _ := strings.Cut(line, "=")
		switch capability {
		case "command":
			g.commands++
			return g.commands == 1
		case "agent", "object-format", "session-id", "server-option":
			return true
		}
		return false
	case arguments:
		a, known := taken[key]
		if key == "filter" {
			g.filters++
		}
		switch {
		case !known, a.value == nil && valued, a.value != nil && !a.value(value), g.filters > 1:
			return false
		case g.v2:
			return a.feature == "" || g.features[a.feature]
		}
		return a.plain
	case haves:
		if line == "done" {
			g.part = behind
			return true
		}
		return key == "have" && isOID(value)
	}
	return true
}

// argument is a line of a request for a pack.
type argument struct {
	value   func(string) bool // of what stands behind the key; nil where nothing does
	feature string            // that has to be advertised, in protocol 2
	plain   bool              // it is taken before protocol 2 as well
}

// taken are the arguments that git upload-pack takes.
var taken = map[string]argument{
	"want":            {value: isOID, plain: true},
	"have":            {value: isOID},
	"done":            {},
	"thin-pack":       {},
	"no-progress":     {},
	"include-tag":     {},
	"ofs-delta":       {},
	"shallow":         {value: isOID, feature: "shallow", plain: true},
	"deepen":          {value: isCount, feature: "shallow", plain: true},
	"deepen-relative": {feature: "shallow"},
	"deepen-since":    {value: isCount, feature: "shallow", plain: true},
	"deepen-not":      {value: isName, feature: "shallow", plain: true},
	"filter":          {value: isName, feature: "filter", plain: true},
	"want-ref":        {value: isName, feature: "ref-in-want"},
	"sideband-all":    {feature: "sideband-all"},
	"packfile-uris":   {value: isName, feature: "packfile-uris"},
	"wait-for-done":   {feature: "wait-for-done"},
}

// isOID tells an object id, whatever follows it: so does git, and capabilities do.
func isOID(s string) bool {
	return len(s) >= 40 && strings.Trim(s[:40], "0123456789abcdefABCDEF") == ""
}

func isCount(s string) bool {
	_, err := strconv.ParseUint(s, 10, 63)
	return err == nil
}

func isName(s string) bool { return s != "" }

// ofTheRequest are git's words for requests that it does not take, or cannot answer
// whatever the copy is like. Of a damaged file it has like words, with the file's name:
// "unexpected line in ./packed-refs".
var ofTheRequest = []string{"protocol error", "unexpected line: ", "expected SHA1", "expected to get", "expected flush", "unknown capability", "mismatched object format",
	"already requesting command", "invalid command", "no command requested", "Invalid deepen", "ambiguous deepen-not", "cannot be used together",
	"no commits selected", "invalid shallow", "filter-spec", "not negotiated", "hung up unexpectedly"}

// isOfTheRequest tells whether git, which failed with these words, complains of a request.
func isOfTheRequest(words string) bool {
	for _, w := range ofTheRequest {
		if strings.Contains(words, w) {
			return true
		}
	}
	return false
}
