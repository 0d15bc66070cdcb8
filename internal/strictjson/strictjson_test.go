package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"gitmirror/internal/strictjson"
)

type item struct {
	URL    string            `json:"url,omitempty"`
	Count  int               `json:"count"`
	Labels map[string]string `json:"labels"`
}

type request struct {
	item
	Items []item  `json:"items"`
	Size  uint32  `json:"size"`
	Share float64 `json:"share"`
}

func TestWhatMeansOneThingIsRead(t *testing.T) {
	for _, body := range []string{
		`{"url":"a","count":3,"labels":{"A":"1","a":"2"}}`,
		" \n{\"items\":[{\"url\":\"\\u00e9é\"}],\"size\":4294967295}\n",
		`{}`,
	} {
		if err := strictjson.Unmarshal([]byte(body), &request{}); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestWhatMeansTwoThingsIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ body, says, hint string }{
		"an unknown key":          {`{"url":"a","colour":"red"}`, `"colour" is not known`, "count, items, labels"},
		"one within":              {`{"items":[{},{"uri":"a"}]}`, `"items[1].uri" is not known`, "count, labels, url"},
		"another case":            {`{"URL":"a"}`, `"URL" is written "url"`, "case"},
		"another case as well":    {`{"url":"a","Url":"b"}`, `"Url" is written "url"`, "case"},
		"twice":                   {`{"url":"a","url":"b"}`, `"url" is there twice`, "once"},
		"twice, one escaped":      {`{"url":"a","\u0075rl":"b"}`, `"url" is there twice`, "once"},
		"twice in a map":          {`{"labels":{"a":"1","a":"2"}}`, `"labels.a" is there twice`, "once"},
		"twice, within, unknown":  {`{"x":{"a":"1","a":"2"}}`, `"x"`, ""},
		"no UTF-8":                {"{\"url\":\"a\xff\"}", "not UTF-8", "UTF-8"},
		"half a surrogate":        {`{"url":"\ud800"}`, `"url"`, ""},
		"no UTF-8 in a key":       {"{\"\xff\":\"a\"}", "not UTF-8", "UTF-8"},
		"a second value":          {`{"url":"a"} {}`, "follows", "one JSON value"},
		"a letter behind it":      {`{"url":"a"}x`, "follows", "one JSON value"},
		"a byte order mark":       {"\xef\xbb\xbf{}", "byte order mark", "without"},
		"nothing":                 {" \n", "empty", "object"},
		"half":                    {`{"url":`, "ends in the middle", "all of it"},
		"NaN":                     {`{"share":NaN}`, "no JSON", ""},
		"a number out of bounds":  {`{"share":1e400}`, `"share" is 1e400`, "whole number"},
		"one too large for us":    {`{"size":4294967296}`, `"size" is 4294967296`, "from 0 up"},
		"a fraction":              {`{"count":1.5}`, `"count" is 1.5`, "whole number"},
		"a string for a number":   {`{"count":"1"}`, `"count" is a string`, "whole number"},
		"a number for a string":   {`{"url":7}`, `"url" is a number`, "string"},
		"a list for an object":    {`[]`, "it is a list", "object"},
		"deep, where a key is":    {`{"url":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, `nested too deeply`, ""},
		"deep":                    {strings.Repeat("[", 100_000), "it is a list", "object"},
		"deep, at an unknown key": {`{"x":` + strings.Repeat(`{"x":`, 100_000), `"x" is not known`, ""},
		"a comment":               {`{"url":"a"/*b*/}`, "no JSON", ""},
		"a comma too many":        {`{"url":"a",}`, "no JSON", ""},
	} {
		err := strictjson.Unmarshal([]byte(c.body), &request{})
		var e *strictjson.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: read, with %v", name, err)
			continue
		}
		if !strings.Contains(e.Message, c.says) || !strings.Contains(e.Hint, c.hint) || len(e.Message) > 300 || e.Hint == "" {
			t.Errorf("%s: %q, hint %q; want %q, hint %q", name, e.Message, e.Hint, c.says, c.hint)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"url":"a","items":[{"labels":{"a":"b"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := strictjson.Unmarshal(data, &request{}); err != nil && !errors.As(err, new(*strictjson.Error)) {
			t.Errorf("%T", err)
		}
	})
}
