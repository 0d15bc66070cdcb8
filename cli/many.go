package cli

import (
	"context"
	"fmt"
	"slices"

	"gitmirror/api"
)

// atOnce is how many repositories one request is about.
const atOnce = 500

// inBatches asks for something of many repositories, batch after batch, and tells of each what
// came of it. A request that fails is the last: where it was the first of all, its error is
// returned, else the tally knows.
func inBatches[T any](ctx context.Context, s *session, t *tally, things []T, nameOf func(T) string,
	ask func(ctx context.Context, batch []T, key string) (*api.RepoResults, error), each func(api.RepoResult)) error {
	done := 0
	for batch := range slices.Chunk(things, atOnce) {
		var answer *api.RepoResults
		err := s.write(ctx, func(ctx context.Context, key string) (err error) {
			answer, err = ask(ctx, batch, key)
			return err
		})
		if err != nil {
			if maybeDone(err) {
				t.unknown += len(batch)
			}
			if done == 0 {
				return err
			}
			untried := len(things) - done - t.unknown
			which := "from " + nameOf(batch[0]) + " on"
			if t.unknown > 0 {
				which += fmt.Sprintf(" (%d may have been done, %d were not tried)", t.unknown, untried)
			}
			t.stop(err, untried, which)
			return nil
		}
		for _, r := range answer.Results {
			each(r)
		}
		done += len(batch)
	}
	return nil
}

// itself is the name of what is a name.
func itself(name string) string { return name }
