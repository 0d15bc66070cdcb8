package serve

import (
	"slices"
	"strings"

	"gitmirror/mirror/wire"
)

// readCommand reads as far as the line that says what is asked; clients may put
// capabilities before it.
func readCommand(p *wire.Reader) (string, error) {
	const enough = 32
	for range enough {
		line, special, err := p.Line()
		if err != nil {
			return "", err
		}
		if command, ok := strings.CutPrefix(line, "command="); ok {
			return command, nil
		}
		if special {
			break
		}
	}
	return "", wire.ErrProtocol
}

func answerLsRefs(out *wire.Writer, q wire.LsRefs, v View) {
	wanted := anyPrefix(q.Prefixes)
	if head := v.Table.Head; head != "" && wanted("HEAD") {
		oid, target := v.Table.HeadOID(), head.Target()
		line := oid + " HEAD"
		if oid == "" {
			line = "unborn HEAD"
		}
		if q.Symrefs && target != "" {
			line += " symref-target:" + target
		}
		if oid != "" || q.Unborn {
			out.Line("%s\n", line)
		}
	}
	for _, ref := range v.Table.Refs {
		if !v.IncludePrivate && !ref.Public() || !wanted(ref.Name) {
			continue
		}
		if q.Peel && ref.Peeled != "" {
			out.Line("%s %s peeled:%s\n", ref.OID, ref.Name, ref.Peeled)
		} else {
			out.Line("%s %s\n", ref.OID, ref.Name)
		}
	}
	out.Flush()
}

// anyPrefix returns a test for names that begin with one of the prefixes, all
// names where there is none. A client may send very many, for very many refs.
func anyPrefix(prefixes []string) func(name string) bool {
	if len(prefixes) == 0 {
		return func(string) bool { return true }
	}
	var least []string // sorted, none a prefix of another
	for _, p := range slices.Sorted(slices.Values(prefixes)) {
		if n := len(least); n == 0 || !strings.HasPrefix(p, least[n-1]) {
			least = append(least, p)
		}
	}
	return func(name string) bool {
		i, found := slices.BinarySearch(least, name)
		return found || i > 0 && strings.HasPrefix(name, least[i-1])
	}
}
