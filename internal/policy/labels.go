package policy

import (
	"strings"
	"unicode/utf8"

	"gitmirror/internal/refusal"
)

// Bounds of the labels of one repository.
const (
	maxLabels = 32
	maxLabel  = 200 // bytes of a key, and of a value
)

// AdmitLabels refuses labels that a repository cannot have, whoever says them, with a *refusal.Error.
func AdmitLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return refusal.New(refusal.LabelsInvalid, "%d labels are too many, at most %d are kept", len(labels), maxLabels)
	}
	bad := func(s string) bool {
		return len(s) > maxLabel || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	}
	for k, v := range labels {
		if k == "" || bad(k) || bad(v) {
			return refusal.New(refusal.LabelsInvalid, "label %.40q is empty, longer than %d bytes or has control characters", k, maxLabel)
		}
	}
	return nil
}
