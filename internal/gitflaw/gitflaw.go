// Package gitflaw knows the flaws that git's fsck finds in objects, by the ids that git
// gives them (git help fsck, "FSCK MESSAGES"), and which of them a mirror may take.
package gitflaw

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Cosmetic are flaws that old, honest histories have. They are taken from everybody.
var Cosmetic = []string{
	"missingSpaceBeforeDate", "missingSpaceBeforeEmail", "zeroPaddedFilemode", "zeroPaddedDate", "badTimezone",
	"missingNameBeforeEmail", "badDateOverflow", "badDate", "missingEmail", "missingTaggerEntry", "badTagName", "duplicateEntries",
}

// PathCR is a submodule path with a carriage return, which git's fsck has no rule and no
// id for.
const PathCR = "gitmodulesPathCR"

// Acceptable are flaws that are refused, but for the repositories of which somebody has
// said otherwise: a client's git may be attacked by them, or stumble, and ours is not.
// What git cannot read as an object is in no list.
var Acceptable = []string{
	"badEmail", "badFilemode", "badGpgsig", "badHeaderContinuation", "badName", "emptyName", "fullPathname",
	"gitattributesBlob", "gitattributesLarge", "gitattributesLineLength", "gitattributesMissing", "gitattributesSymlink", "gitignoreSymlink",
	"gitmodulesBlob", "gitmodulesLarge", "gitmodulesMissing", "gitmodulesName", "gitmodulesParse", "gitmodulesPath", PathCR,
	"gitmodulesSymlink", "gitmodulesUpdate", "gitmodulesUrl", "hasDot", "hasDotdot", "hasDotgit", "largePathname", "mailmapSymlink",
	"missingAuthor", "missingCommitter", "multipleAuthors", "nulInCommit", "nullSha1", "symlinkPointsToGitDir", "symlinkTargetBlob", "symlinkTargetLength",
	"symlinkTargetMissing", "treeNotSorted", "unknownType",
}

// Spelled returns the ids as git spells them, whatever their case, sorted and each once,
// or an error that names the first that is not acceptable.
func Spelled(ids []string) ([]string, error) {
	var spelled []string
	for _, id := range ids {
		i := slices.IndexFunc(Acceptable, func(a string) bool { return strings.EqualFold(a, id) })
		switch {
		case i >= 0:
			spelled = append(spelled, Acceptable[i])
		case slices.ContainsFunc(Cosmetic, func(c string) bool { return strings.EqualFold(c, id) }):
			return nil, fmt.Errorf("the flaw %s is accepted everywhere", id)
		default:
			return nil, fmt.Errorf("%.60q is no flaw that can be accepted", id)
		}
	}
	slices.Sort(spelled)
	return slices.Compact(spelled), nil
}

// reported is how git reports a flaw: "error: object ID: hasDotgit: contains '.git'".
var reported = regexp.MustCompile(`object [0-9a-f]{40,64}: ([A-Za-z0-9]+): `)

// Reported returns the acceptable flaws that git's words report, sorted and each once.
func Reported(text string) []string {
	var found []string
	for _, m := range reported.FindAllStringSubmatch(text, -1) {
		if slices.Contains(Acceptable, m[1]) {
			found = append(found, m[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
