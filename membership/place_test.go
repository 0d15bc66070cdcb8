package membership

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	kept := Place{Name: "n1", HTTP: "h:1", Peer: "p:1", Advertise: "a:1", AdvertiseHTTP: "w:1"}
	first := Place{Name: "host", HTTP: "127.0.0.1:7654", Peer: "127.0.0.1:7655"}
	for _, c := range []struct {
		name              string
		kept, said, first Place
		want              Place
	}{
		{"nothing is said", kept, Place{}, first, kept},
		{"nothing is kept", Place{}, Place{}, first, first},
		{"at first what is said goes before", Place{}, Place{Name: "n", Peer: "p:2"}, first, Place{Name: "n", HTTP: "127.0.0.1:7654", Peer: "p:2"}},
		{"at first the two may be told in different ways", Place{}, Place{Peer: "p:2"}, Place{Name: "host", HTTP: "h:0", Advertise: "a:2"}, Place{Name: "host", HTTP: "h:0", Peer: "p:2", Advertise: "a:2"}},
		{"a name is said", kept, Place{Name: "n2"}, first, Place{Name: "n2", HTTP: "h:1", Peer: "p:1", Advertise: "a:1", AdvertiseHTTP: "w:1"}},
		{"it listens elsewhere", kept, Place{Peer: "p:2"}, first, Place{Name: "n1", HTTP: "h:1", Peer: "p:2", AdvertiseHTTP: "w:1"}},
		{"it listens where it did", kept, Place{Peer: "p:1", HTTP: "h:1"}, first, kept},
		{"it is reached elsewhere", kept, Place{AdvertiseHTTP: "w:2"}, first, Place{Name: "n1", HTTP: "h:1", Peer: "p:1", Advertise: "a:1", AdvertiseHTTP: "w:2"}},
		{"what holds at first changes nothing later", Place{Name: "n1", HTTP: "h:1", Peer: "p:1"}, Place{}, Place{Name: "x", HTTP: "x:1", Peer: "p:1", Advertise: "x:2", AdvertiseHTTP: "x:3"}, Place{Name: "n1", HTTP: "h:1", Peer: "p:1"}},
	} {
		if got := c.kept.Become(c.said, c.first); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A node.json of before says nothing of the place. It is read, gains it, and can be read by
// the gitmirror of before.
func TestANodeJSONOfBeforeGainsItsPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "node.json")
	const id = "6d1cbd21-7a31-4a0c-a3a4-3a5f3c1f3c11"
	if err := os.WriteFile(path, []byte(`{"format":1,"id":"`+id+`","cluster_id":"c","runs":["r0"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() *Identity {
		loaded, err := LoadIdentity(nil, dir, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		return loaded
	}
	at := Place{Name: "n1", HTTP: "127.0.0.1:1", Peer: "127.0.0.1:2"}
	was, err := load().Begin("r1", at)
	if is, cluster := Kept(nil, dir); err != nil || was != (Place{}) || is != at || cluster != "c" {
		t.Errorf("it was %+v and is %+v in %q, %v", was, is, cluster, err)
	}
	loaded := load()
	if loaded.ID != id || loaded.ClusterID != "c" || len(loaded.Runs) != 2 || loaded.Place != at {
		t.Errorf("read back: %+v", loaded)
	}
	if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), `"format": 1,`) || !strings.Contains(string(data), `"name": "n1"`) {
		t.Errorf("%s, %v", data, err)
	}
	if err := loaded.Return(was); err != nil || load().Place != was {
		t.Errorf("it is not where it was: %+v, %v", load().Place, err)
	}
}
