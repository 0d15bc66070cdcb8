package remote

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What is asked is known on; what nobody asks for is forgotten.
func TestUnusedServersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k known
		for i := range 1000 {
			k.remember(fmt.Sprint("gone", i), server{v2: true})
		}
		k.remember("stays", server{v2: true})
		for range 100 {
			time.Sleep(time.Hour)
			if _, ok := k.lookup("stays"); !ok {
				t.Fatal("what is used is forgotten")
			}
		}
		if n := len(k.recent) + len(k.earlier); n > 2 {
			t.Errorf("%d are kept", n)
		}
		if k.forget("stays"); len(k.recent)+len(k.earlier) > 0 {
			t.Error("forgotten, and kept")
		}
	})
}

// Nothing is kept that would not be used.
func TestWhatIsAskedAnywayIsNotKept(t *testing.T) {
	var k known
	k.remember("moved for a moment", server{v2: true, until: time.Now()})
	k.remember("version 0", server{})
	if len(k.recent) > 0 {
		t.Errorf("kept: %v", k.recent)
	}
}
