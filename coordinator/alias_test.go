package coordinator

import (
	"strings"
	"testing"

	"gitmirror/internal/refusal"
)

// Whose other name is another's is told to choose another of that kind.
func TestAnAliasThatIsTaken(t *testing.T) {
	w := newWorld(t, 1)
	w.look()
	added, err := w.c.Add(t.Context(), []NewRepo{{URLs: []string{"https://example.org/a"}, Name: "a"}, {URLs: []string{"https://example.org/b"}, Name: "b"}}, "add")
	if err != nil {
		t.Fatal(err)
	}
	taken := "b"
	for flag, ch := range map[string]Change{"--alias": {ID: added[0].ID, Aliases: &[]string{taken}}, "--name": {ID: added[0].ID, Name: &taken}} {
		got, err := w.c.Change(t.Context(), []Change{ch}, flag)
		if err != nil {
			t.Fatal(err)
		}
		if r := refusal.Of(got[0].Err); r != nil && flag == "--name" && !strings.Contains(r.Hint, "first: gitmirror repo set b --name OTHER --alias none") {
			t.Errorf("who would swap two names is told %q", r.Hint)
		}
		if r := refusal.Of(got[0].Err); r == nil || r.Code != refusal.ConflictName || !strings.Contains(r.Hint, "another with "+flag) && !strings.Contains(r.Hint, "another name with "+flag) || r.Existing != "b" {
			t.Errorf("%s: %+v", flag, r)
		}
	}
}
