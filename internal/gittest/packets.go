package gittest

import (
	"fmt"
	"strings"
)

// Packets frames lines as git does; "0000" and "0001" are the packets that end things.
func Packets(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		if l == "0000" || l == "0001" {
			b.WriteString(l)
		} else {
			fmt.Fprintf(&b, "%04x%s", len(l)+4, l)
		}
	}
	return b.String()
}
