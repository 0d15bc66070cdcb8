package lister

import (
	"fmt"

	"gitmirror/source"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

// doubted has a listing take nothing away where the forge tells of more repositories than it shows: what is not shown
// may be there.
func doubted(listing *source.Listing, account forge.Account, found *client.Result) {
	if found.Told == 0 {
		return
	}
	listing.Unknown = append(listing.Unknown, "/")
	listing.Flaws = append(listing.Flaws, source.Flaw{File: account.Name,
		Why: fmt.Sprintf("the forge tells of %d repositories at least, and shows %d: nothing is taken away", found.Told, len(found.Repos)),
		Try: "look whether the forge, or a proxy before it, shows all of them to whoever lists it"})
	listing.Sort()
}
