package work

import (
	"hash/maphash"
	"reflect"
	"testing"
)

// Whatever of an assignment changes, its hash does: an assignment that is taken for the
// one before is not acted on.
func TestHashIsOfEveryField(t *testing.T) {
	seed := maphash.MakeSeed()
	var a Assignment
	seen := map[uint64]string{a.Hash(seed): "nothing"}
	touched(t, reflect.ValueOf(&a).Elem(), "assignment", func(field string) {
		h := a.Hash(seed)
		if h != a.Hash(seed) {
			t.Errorf("%s: two hashes of one value", field)
		}
		if before, ok := seen[h]; ok {
			t.Errorf("with %s the hash is that with %s", field, before)
		}
		seen[h] = field
	})
}

// touched sets each field that v leads to, one after the other, and leaves it set.
func touched(t *testing.T, v reflect.Value, name string, look func(field string)) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			touched(t, v.Field(i), name+"."+v.Type().Field(i).Name, look)
		}
		return
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		look(name)
		touched(t, v.Elem(), name, look)
		return
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		look(name)
		touched(t, v.Index(0), name+"[0]", look)
		return
	case reflect.Array:
		touched(t, v.Index(0), name+"[0]", look)
		return
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	default:
		t.Fatalf("%s is a %s, which this test does not set", name, v.Kind())
	}
	look(name)
}
