package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"gitmirror/internal/giturl"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// Bounds of an entry.
const (
	maxURLs  = 16
	maxExtra = 4 << 10 // bytes of JSON
)

// entry is what an item of a file says together with what it has from above. Any flaw leaves it out, and one of what
// it has from above is of the file that says so.
func entry(f File, it item, above mapping, below string) (source.Entry, []source.Flaw) {
	keys := maps.Clone(above)
	if keys == nil {
		keys = mapping{}
	}
	maps.Copy(keys, it.keys)
	e := source.Entry{File: f.Path, Line: it.line}
	var flaws []source.Flaw
	flaw := func(name string, err error) {
		at := source.Flaw{File: f.Path, Line: it.line, Why: err.Error()}
		if k, there := keys[name]; there {
			at.Line = k.line
			if k.file != "" { // a DEFAULTS, which says it to others too
				at.File = k.file
			}
		}
		var refused *refusal.Error
		var said flawAt
		switch {
		case errors.As(err, &refused):
			at.Try = strings.ReplaceAll(refused.Hint, "; set it with --name", "")
		case errors.As(err, &said):
			at.Try = said.try
		}
		flaws = append(flaws, at)
	}
	take := func(name string, read func(any) error) {
		k, there := keys[name]
		if !there {
			return
		}
		if k.value != nil { // said to be nothing: what is above does not count
			if err := read(k.value); err != nil {
				flaw(name, err)
			}
		}
		delete(keys, name)
	}
	if k, there := keys["url"]; !there || k.value == nil {
		flaw("url", flawAt{why: "there is no url", try: "say url: https://…"})
	}
	first := ""
	take("url", func(v any) (err error) {
		first, err = takeURLs(&e, v)
		return err
	})
	take("replicas", func(v any) error {
		n, is := v.(int64)
		if !is || n < 1 || n > 1000 {
			return flawAt{why: "replicas is not a number of nodes", try: "say replicas: 2"}
		}
		e.Asks.Replicas = int(n)
		return nil
	})
	take("interval", func(v any) error { return takeInterval(&e.Asks, v) })
	take("refs", func(v any) (err error) {
		if e.Asks.RefPrefixes, err = texts("refs", v); err != nil {
			return err
		}
		return policy.AdmitPrefixes(e.Asks.RefPrefixes)
	})
	take("labels", func(v any) error { return takeLabels(&e.Asks, v) })
	take("on_rewrite", func(v any) error {
		if v != "hold" {
			return flawAt{why: fmt.Sprintf("on_rewrite: %v is not possible", v), try: "leave it out, or say on_rewrite: hold, which is what happens"}
		}
		return nil
	})
	take("submodules", func(v any) error {
		is, ok := v.(bool)
		if e.Asks.Submodules = is; !ok {
			return flawAt{why: "submodules is neither true nor false"}
		}
		return nil
	})
	if _, err := (policy.Policy{Replicas: e.Asks.Replicas, Interval: deref(e.Asks.Interval), RefPrefixes: e.Asks.RefPrefixes}).Admit(); err != nil {
		flaw("", err)
	}
	if e.Path = pathOf(f.Path, it.name, first, below); len(flaws) == 0 {
		if err := giturl.CheckName(e.Path); err != nil {
			flaw("name", err)
		}
	}
	var err error
	if e.Extra, err = extra(keys); err != nil {
		flaw("", err)
	}
	return e, flaws
}

func deref(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// pathOf names an entry: its file, or what it is called in the folder of its file, which without a
// name of its own is its upstream's.
func pathOf(file, name, upstream, below string) string {
	if below != "" && file != below {
		file = strings.TrimPrefix(file, below+"/")
	}
	switch name {
	case "":
		return giturl.NormalName(file)
	case "*":
		name = upstream
	}
	return giturl.NormalName(path.Join(path.Dir(file), name))
}

// takeURLs reads a url or a list of them, and returns the name of the first one's upstream.
func takeURLs(e *source.Entry, v any) (upstream string, err error) {
	list, err := texts("url", v)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", flawAt{why: "there is no url", try: "say url: https://…"}
	case len(list) > maxURLs:
		return "", flawAt{why: fmt.Sprintf("it has %d urls, more than %d", len(list), maxURLs)}
	}
	for _, raw := range list {
		u, err := giturl.Parse(strings.TrimSpace(raw))
		if err != nil {
			return "", err
		}
		if slices.Contains(e.Keys, u.Key()) {
			continue // the same upstream, spelled otherwise
		}
		if e.URLs, e.Keys = append(e.URLs, u.String()), append(e.Keys, u.Key()); len(e.URLs) == 1 {
			upstream = u.Name()
		}
	}
	return upstream, nil
}

// extra is what is left of an entry's keys, as a JSON object.
func extra(keys mapping) (string, error) {
	if len(keys) == 0 {
		return "", nil
	}
	out := make(map[string]any, len(keys))
	for name, k := range keys {
		out[name] = k.value
	}
	data, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("its other keys cannot be kept: %w", err)
	}
	if len(data) > maxExtra {
		return "", flawAt{why: fmt.Sprintf("its other keys (%s) have %d bytes as JSON, more than %d", strings.Join(slices.Sorted(maps.Keys(keys)), ", "), len(data), maxExtra)}
	}
	return string(data), nil
}

// texts reads a text or a list of texts.
func texts(key string, v any) ([]string, error) {
	list, is := v.([]any)
	if !is {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, x := range list {
		s, is := x.(string)
		if !is {
			return nil, flawAt{why: fmt.Sprintf("%s is neither a text nor a list of texts", key)}
		}
		out = append(out, s)
	}
	return out, nil
}

func takeInterval(asks *source.Asks, v any) error {
	s, is := v.(string)
	if !is {
		return flawAt{why: "interval is not a duration", try: "say interval: 10m, or auto"}
	}
	var d time.Duration
	if s != "auto" {
		var err error
		if d, err = time.ParseDuration(s); err != nil || d <= 0 {
			return flawAt{why: fmt.Sprintf("%.100q is not a duration", s), try: "say interval: 10m, or auto"}
		}
	}
	asks.Interval = &d
	return nil
}

func takeLabels(asks *source.Asks, v any) error {
	m, is := v.(map[string]any)
	if !is {
		return flawAt{why: "labels is not a mapping of keys to values", try: "say labels: {team: kernel}"}
	}
	asks.Labels = map[string]string{}
	for name, value := range m {
		switch value := value.(type) {
		case string, int64, bool, float64:
			asks.Labels[name] = fmt.Sprint(value)
		default:
			return flawAt{why: fmt.Sprintf("the label %.100q has no text", name)}
		}
	}
	return policy.AdmitLabels(asks.Labels)
}
