// Package strictjson reads JSON that others send, and takes only what means one
// thing: the keys that the reader knows, spelt as it spells them, each once, in UTF-8,
// and one value with nothing behind it.
//
// It is for requests. An answer may have gained keys since its reader was written:
// those are read by encoding/json.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"gitmirror/internal/oneline"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// shown is how much of a body an error repeats, in bytes.
const shown = 100

// Error says what is wrong, and what to do about it.
type Error struct {
	Message string
	Hint    string
}

func (e *Error) Error() string { return e.Message }

// Unmarshal reads data into v, a pointer. Its errors are *Error.
func Unmarshal(data []byte, v any) error {
	switch data := bytes.TrimSpace(data); {
	case len(data) == 0:
		return &Error{"it is empty", "send one JSON object"}
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return &Error{"it begins with a byte order mark", "send UTF-8 without one"}
	}
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{"the key " + spell(syntax.JSONPointer) + " is there twice", "send each key once"}
	case errors.As(err, &syntax):
		return malformed(data, syntax)
	case errors.As(err, &meaning) && errors.Is(err, json.ErrUnknownName):
		return unknown(meaning)
	case errors.As(err, &meaning):
		return wrong(meaning)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{"it ends in the middle", "send all of it"}
	}
	return &Error{oneline.Clip(err.Error(), shown), "send one JSON object"}
}

func malformed(data []byte, e *jsontext.SyntacticError) *Error {
	at := fmt.Sprintf("byte %d", e.ByteOffset)
	if e.JSONPointer != "" {
		at += ", at the key " + spell(e.JSONPointer)
	}
	what := strings.TrimPrefix(e.Err.Error(), "jsontext: ")
	switch {
	case errors.Is(e, io.ErrUnexpectedEOF):
		return &Error{"it ends in the middle, at " + at, "send all of it"}
	case strings.Contains(what, "after top-level value"):
		return &Error{fmt.Sprintf("something follows the JSON value at byte %d", e.ByteOffset), "send one JSON value and nothing behind it"}
	case strings.Contains(what, "UTF-8"):
		return &Error{"it is not UTF-8 at " + at, "send UTF-8"}
	case strings.Contains(what, "depth"):
		return &Error{"it is nested too deeply", "send one JSON object of the keys that are known"}
	}
	return &Error{fmt.Sprintf("it is no JSON at %s: %s", at, oneline.Clip(what, shown)), "check it with a JSON parser"}
}

// unknown names the key, and those there are.
func unknown(e *json.SemanticError) *Error {
	name := e.JSONPointer.LastToken()
	known := keys(e.GoType)
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return &Error{fmt.Sprintf("the key %s is written %q", spell(e.JSONPointer), k), "case matters"}
		}
	}
	return &Error{"the key " + spell(e.JSONPointer) + " is not known", "known here: " + strings.Join(known, ", ")}
}

func wrong(e *json.SemanticError) *Error {
	got := kinds[e.JSONKind]
	if len(e.JSONValue) > 0 {
		got = oneline.Clip(string(e.JSONValue), shown)
	}
	where := "it"
	if e.JSONPointer != "" {
		where = "the key " + spell(e.JSONPointer)
	}
	want := "another value"
	if e.GoType != nil {
		want = wanted(e.GoType)
	}
	return &Error{fmt.Sprintf("%s is %s, where %s belongs", where, got, want), "send " + want + " there"}
}

var kinds = map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "a list"}

// wanted is what goes into a Go type, in JSON's words.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0 up"
	}
	return "a whole number"
}

// keys are those of a struct, embedded ones among them.
func keys(t reflect.Type) []string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			list = append(list, name)
		} else if f.Anonymous {
			list = append(list, keys(f.Type)...)
		}
	}
	slices.Sort(list)
	return list
}

// spell is a place in JSON as a person writes it: repos[3].url.
func spell(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			fmt.Fprintf(&b, "[%s]", token)
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return fmt.Sprintf("%q", oneline.Clip(b.String(), shown))
}
