//go:build crashpoint

package crashpoint

import "os"

// Forgetful says that nothing is made durable, because GITMIRROR_TEST_FORGETFUL is set: a test of
// power cuts by which such a node loses nothing is none.
var Forgetful = os.Getenv("GITMIRROR_TEST_FORGETFUL") != ""
