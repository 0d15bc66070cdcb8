package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var namedFile = regexp.MustCompile("`([a-z][\\w./-]*\\.go)`")

// A file that the documents name is there: what has moved is named anew.
func TestDocumentsNameFilesThatAreThere(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, d := range append(documents, "README.md", "mirror/DESIGN.md") {
		text, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedFile.FindAllStringSubmatch(string(text), -1) {
			named++
			if _, err := os.Stat(m[1]); err == nil {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(d), m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", d, m[1])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d files are named: the documents are written otherwise", named)
	}
}
