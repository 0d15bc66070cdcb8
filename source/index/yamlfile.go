package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"gitmirror/source"
)

// Bounds of a YAML file.
const (
	maxNodes = 100_000 // with what aliases repeat
	maxDepth = 64
)

func flawed(line int, why, try string) content {
	return content{flaws: []source.Flaw{{Line: line, Why: why, Try: try}}}
}

// parseYAML reads a mapping, or, of a file that may have many entries, a list of mappings.
func parseYAML(data []byte, as kind) content {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		if as == kindDefaults || as == kindMany {
			return content{}
		}
		return flawed(0, "it is empty", "say url: https://…, or delete it")
	case err != nil:
		return syntax(err)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return flawed(more.Line, "a second document begins", "put it into a file of its own")
	case !errors.Is(err, io.EOF):
		return syntax(err)
	}
	top := doc.Content[0]
	p := &parser{left: maxNodes, example: "say url: https://…"}
	if as == kindDefaults {
		p.example = "say what is so of all files below, like replicas: 3"
	}
	switch {
	case top.Kind == yaml.SequenceNode && as == kindMany:
		return p.list(top)
	case top.Kind == yaml.ScalarNode && top.Tag == "!!null" && as != kindEntry:
		return content{}
	}
	keys, err := p.mapping(top, 0)
	if err != nil {
		return content{flaws: []source.Flaw{flawOf(err, top)}}
	}
	return content{items: []item{{line: top.Line, keys: keys}}}
}

// list reads the entries of a file that has many: strings, which are urls, or mappings.
func (p *parser) list(top *yaml.Node) (c content) {
	for _, n := range top.Content {
		it := item{line: n.Line}
		var err error
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			it.keys = mapping{"url": {value: n.Value, line: n.Line}}
		} else {
			it.keys, err = p.mapping(n, 1)
		}
		if err == nil {
			it.name, err = it.named()
		}
		if err != nil {
			c.flaws = append(c.flaws, flawOf(err, n))
			if p.left < 0 || len(c.flaws) > maxFlaws {
				return c
			}
			continue
		}
		c.items = append(c.items, it)
	}
	return c
}

// named takes the name out of an entry's keys; empty: by its url.
func (it *item) named() (string, error) {
	f, there := it.keys["name"]
	if !there {
		return "*", nil
	}
	delete(it.keys, "name")
	name, is := f.value.(string)
	if !is || name == "" || name == "*" {
		return "", flawAt{f.line, "name is not a text", `say name: "linux"`}
	}
	if slices.Contains(strings.Split(name, "/"), "..") { // whoever may edit one folder names nothing in another
		return "", flawAt{f.line, fmt.Sprintf("name %.100q leads out of the folder of its file", name), "put the entry into a file of that folder"}
	}
	return name, nil
}

// flawAt is an error of one place.
type flawAt struct {
	line     int
	why, try string
}

func (f flawAt) Error() string { return f.why }

func flawOf(err error, n *yaml.Node) source.Flaw {
	var f flawAt
	if errors.As(err, &f) {
		return source.Flaw{Line: f.line, Why: f.why, Try: f.try}
	}
	return source.Flaw{Line: n.Line, Why: err.Error()}
}

// lineOf finds the line in an error of the YAML library, which has it only in words.
var lineOf = regexp.MustCompile(`line (\d+): (.*)`)

func syntax(err error) content {
	if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return flawed(line, "this is not YAML: "+m[2], "")
	}
	return flawed(0, "this is not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "")
}

// parser turns nodes of YAML into values, as many as a file may have.
type parser struct {
	left    int
	example string // what to write where there is no mapping
}

// mapping reads one that is no deeper than that.
func (p *parser) mapping(n *yaml.Node, depth int) (mapping, error) {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		return nil, flawAt{n.Line, "this is not a mapping of keys to values", p.example}
	}
	out := mapping{}
	var merged []mapping
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			list := []*yaml.Node{value}
			if t := target(value); t.Kind == yaml.SequenceNode {
				list = t.Content
			}
			for _, from := range list {
				if depth >= maxDepth || p.left <= 0 {
					return nil, flawAt{key.Line, "it is nested too deep, or too large", ""}
				}
				p.left--
				m, err := p.mapping(from, depth+1)
				if err != nil {
					return nil, err
				}
				merged = append(merged, m)
			}
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, flawAt{key.Line, "a key is not a text", ""}
		}
		if _, twice := out[key.Value]; twice {
			return nil, flawAt{key.Line, fmt.Sprintf("the key %.100q is there twice", key.Value), "keep one of them"}
		}
		v, err := p.value(value, depth+1)
		if err != nil {
			return nil, err
		}
		out[key.Value] = field{value: v, line: key.Line}
	}
	for _, m := range merged { // what is said first counts, and what is said here more than all
		for name, f := range m {
			if _, own := out[name]; !own {
				out[name] = f
			}
		}
	}
	return out, nil
}

// value is what a node says.
func (p *parser) value(n *yaml.Node, depth int) (any, error) {
	n = target(n)
	if p.left--; p.left < 0 {
		return nil, flawAt{n.Line, fmt.Sprintf("it has more than %d values, with what its aliases repeat", maxNodes), ""}
	}
	if depth > maxDepth {
		return nil, flawAt{n.Line, fmt.Sprintf("it is nested deeper than %d", maxDepth), ""}
	}
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, 0, min(len(n.Content), 100))
		for _, c := range n.Content {
			v, err := p.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		m, err := p.mapping(n, depth)
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(m))
		for name, f := range m {
			out[name] = f.value
		}
		return out, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, flawAt{n.Line, "this has no value", ""}
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// scalar is a value of JSON where the node is one, and else as it is written.
func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && f-f == 0 { // JSON has no infinity
			return f
		}
	}
	return n.Value
}
