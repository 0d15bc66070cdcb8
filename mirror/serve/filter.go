package serve

import (
	"fmt"
	"net/http"
	"regexp"

	"gitmirror/mirror/wire"
)

// lawful are the filters of partial clones that are served. Others cost far more than
// they bring (combine nests, sparse:oid reads a blob of the client's choice as
// patterns), and no honest client of a mirror needs them.
var lawful = regexp.MustCompile(`^(blob:none|blob:limit=[0-9]{1,18}[kmgKMG]?|tree:[0-9]{1,18})$`)

// refuseFilter says so as git does, in an ERR packet.
func refuseFilter(w http.ResponseWriter, filter string) {
	message := fmt.Sprintf("the filter %.60q is not served: only blob:none, blob:limit=N and tree:N are", filter)
	wire.NewWriter(w).Line("%s", "ERR "+message)
}
