package cli

import (
	"path/filepath"
	"testing"
)

func TestWhatIsNoRecovery(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "needs --data"},
		{[]string{"--data", dir, dir, "--yes"}, exitUsage, "--yes takes --data alone"},
		{[]string{"--data", dir}, exitNotFound, "there is no node.json"},
		{[]string{"--data", filepath.Join(dir, "none"), "--yes"}, exitNotFound, "there is no node.json"},
	} {
		contains(t, "stderr", run(t, append([]string{"cluster", "recover"}, c.args...)...).want(t, c.code).err, c.says, "Try:")
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "*")); len(list) != 0 {
		t.Errorf("what was refused made %v", list)
	}
}
