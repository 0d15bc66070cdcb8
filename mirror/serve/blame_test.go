package serve

import "testing"

// git has like words for a request and for a damaged file of the copy.
func TestWhoseFaultGitsWordsSayItIs(t *testing.T) {
	for words, request := range map[string]bool{
		"fatal: unexpected line: 'nonsense'":                                   true,
		"fatal: unexpected line in ./packed-refs: 0123":                        false,
		"fatal: git upload-pack: protocol error, expected to get oid, not 'x'": true,
		"fatal: mismatched object format: server sha1; client sha256":          true,
		"fatal: unknown object format 'x' in ./config":                         false,
		"fatal: bad object 0123":                                               false,
	} {
		if got := isOfTheRequest(words); got != request {
			t.Errorf("%q is of the request: %v, want %v", words, got, request)
		}
	}
}
