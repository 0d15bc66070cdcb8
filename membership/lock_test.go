package membership_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"gitmirror/membership"
)

// Who waits for a directory that another has says so while it waits, and who has it.
func TestWhoHasTheDirectoryIsTold(t *testing.T) {
	dir := t.TempDir()
	lock, err := membership.Lock(t.Context(), nil, dir, func(what string) { t.Error("a free one is waited for: " + what) })
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told []string
	_, err = membership.Lock(ctx, nil, dir, func(what string) { told = append(told, what); cancel() })
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("%v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], dir) || !strings.Contains(told[0], fmt.Sprintf("process %d uses", os.Getpid())) {
		t.Errorf("told %q", told)
	}
}
