package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	urfave "github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// configName is the file of settings in a data directory.
const configName = "config.yaml"

// maxConfig bounds a file of settings, in bytes: a larger one is another file.
const maxConfig = 1 << 20

// entry is what a file says of one setting.
type entry struct {
	line   int
	values []string // one, unless the setting is a list
}

// readConfig reads a file of settings: one mapping, of keys that are settings, each once, to
// values of their kind. It tells whether there is such a file; an error names all that is
// wrong with it, by line.
func readConfig(path string, list []setting) (found map[string]entry, present bool, err error) {
	data, err := readFile(path, maxConfig)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		if errors.Is(err, syscall.ENOTDIR) {
			return nil, true, usagef("name a directory, which is made where there is none: --data gitmirror-data", "%s is no directory", filepath.Dir(path))
		}
		f := usagef("mend its permissions, or name another with --config", "cannot read the settings in %s", path)
		f.Cause = err.Error()
		return nil, true, f
	}
	p := configParser{list: list, found: map[string]entry{}}
	p.parse(data)
	if len(p.faults) > 0 {
		what := path + " " + strings.Join(p.faults, "\n"+path+" ")
		return nil, true, usagef("mend it; gitmirror config init --help has the settings", "%s", what)
	}
	return p.found, true, nil
}

func readFile(path string, most int64) ([]byte, error) {
	is, err := os.Stat(path)
	if _, linked := os.Lstat(path); linked == nil && errors.Is(err, os.ErrNotExist) { // of a disk that is not mounted, say
		err = errors.New("it is a link to what is not there")
	}
	if err == nil && !is.Mode().IsRegular() { // a pipe would be waited for
		err = errors.New("it is no file")
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return data, err
}

type configParser struct {
	list   []setting
	found  map[string]entry
	faults []string
}

func (p *configParser) fault(line int, format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

func (p *configParser) parse(data []byte) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // nothing but comments
		return
	case err != nil:
		p.faults = append(p.faults, unreadable(data, strings.TrimPrefix(err.Error(), "yaml: ")))
		return
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		p.faults = append(p.faults, "has more than one document: settings are one mapping")
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	}
	if root.Kind != yaml.MappingNode {
		p.fault(root.Line, "settings are lines of KEY: VALUE")
		return
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		p.setting(root.Content[i], root.Content[i+1])
	}
}

// unreadable is what YAML says of a file, with the line that it means where it names none: a tab is
// found before its line is counted.
func unreadable(data []byte, says string) string {
	if strings.HasPrefix(says, "line ") {
		return says
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
			return fmt.Sprintf("line %d: a tab stands before the text, where YAML takes spaces alone", n)
		}
	}
	return says
}

func (p *configParser) setting(key, value *yaml.Node) {
	names := make([]string, len(p.list))
	for i, s := range p.list {
		names[i] = s.name()
		if names[i] != key.Value || key.Kind != yaml.ScalarNode {
			continue
		}
		if before, twice := p.found[key.Value]; twice {
			p.fault(key.Line, "%s is there twice, first in line %d", key.Value, before.line)
			return
		}
		p.found[key.Value] = entry{key.Line, p.values(s.flag, key.Value, value)}
		return
	}
	near := nearest(key.Value, names)
	switch {
	case key.Value == "data" || key.Value == "config":
		p.fault(key.Line, "%s says where this file is: give it as --%s, or as $%s", key.Value, key.Value, variable(key.Value))
	case near != "":
		p.fault(key.Line, "there is no setting %q; did you mean %q?", key.Value, near)
	default:
		p.fault(key.Line, "there is no setting %q; there are %s", key.Value, strings.Join(names, ", "))
	}
}

// values are those of a flag, as a command line would have them.
func (p *configParser) values(f urfave.Flag, name string, v *yaml.Node) (values []string) {
	items := []*yaml.Node{v}
	_, isList := f.(*urfave.StringSliceFlag)
	if isList {
		if v.Kind != yaml.SequenceNode {
			p.fault(v.Line, "%s is a list: %s: [A, B], or a line of - A for each", name, name)
			return nil
		}
		items = v.Content
	}
	_, isBool := f.(*urfave.BoolFlag)
	for _, item := range items {
		switch {
		case item.Kind == yaml.AliasNode:
			p.fault(item.Line, "%s: write the value out, aliases are not followed", name)
		case item.Kind != yaml.ScalarNode:
			p.fault(item.Line, "%s has one value, not a list or a mapping", name)
		case item.Tag == "!!null":
			p.fault(item.Line, "%s has no value: leave the line out", name)
		case isBool && item.Tag != "!!bool":
			p.fault(item.Line, "%s is true or false, not %q", name, item.Value)
		case isList && strings.Contains(item.Value, ","):
			p.fault(item.Line, "%s: %q is several: [A, B], or a line of - A for each", name, item.Value)
		default:
			values = append(values, item.Value)
		}
	}
	return values
}
