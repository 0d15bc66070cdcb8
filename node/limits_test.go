package node_test

import (
	"net/http"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// A repository that is too large says so, and how to raise its limit; what the message
// names mends it, asked of any node.
func TestALimitIsRaised(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "acme/big.git")
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "zeros", map[string]string{"z": strings.Repeat("\x00", 5<<20)})
	})
	nodes := cluster(t, 2)
	if _, err := nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big", Interval: "1s", MaxObjectSize: 2 << 20}, ""); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		x := n.await(t, "acme/big", "too_large", func(x *api.Repo) bool { return x.Error != nil && x.Error.Class == "too_large" })
		if x.MaxObjectSize != 2<<20 || !strings.Contains(x.Error.Message, "gitmirror repo set acme/big") {
			t.Errorf("%d, %q", x.MaxObjectSize, x.Error.Message)
		}
	}
	for _, c := range []struct {
		body, code string
		status     int
	}{
		{`{}`, "json_invalid", 400}, {`{"max_size":null}`, "json_invalid", 400}, {`{"max_size":-1}`, "limit_invalid", 400}, {`{"max_size":7}`, "limit_invalid", 400},
		{`{"max_size":1.5}`, "json_invalid", 400}, {`{"replicas":21}`, "replicas_invalid", 400}, {`{"replicas":0}`, "replicas_invalid", 400}, {`{"interval":"0s"}`, "interval_invalid", 400}, {`{"interval":""}`, "interval_invalid", 400},
		{`{"name":"a:b"}`, "name_invalid", 400}, {`{"name":""}`, "name_invalid", 400}, {`{"aliases":["../x"]}`, "name_invalid", 400}, {`{"aliases":["ACME/big"]}`, "invalid", 400}, {`{"urls":[]}`, "url_invalid", 400}, {`{"urls":["ext::sh"]}`, "url_scheme", 400},
		{`{"urls":["http://10.1.2.3/x"]}`, "address_denied", 400}, {`{"labels":{"":"x"}}`, "labels_invalid", 400}, {`{"paused":"yes"}`, "json_invalid", 400}, {`{"paused":null}`, "json_invalid", 400}, {`{"accept_flaws":null}`, "json_invalid", 400},
		{`{"accept_flaws":["hasDotgit","badTree"]}`, "flaw_invalid", 400}, {`{"accept_flaws":["badDate"]}`, "flaw_invalid", 400}, {`{"accept_flaws":["hasDotgit,nullSha1"]}`, "flaw_invalid", 400},
	} {
		if status, p, _ := nodes[1].call(t, http.MethodPatch, "/api/v1/repos/acme/big", c.body); status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s (%s)", c.body, status, p.Code, p.Detail)
		}
	}
	if status, p, _ := nodes[1].call(t, http.MethodPatch, "/api/v1/repos/acme/other", `{"max_size":0}`); status != 404 {
		t.Errorf("a repo that is not there: %d %s", status, p.Code)
	}
	object := int64(6 << 20)
	set, err := nodes[1].client.Set(t.Context(), "acme/big", api.SetRepo{MaxObjectSize: &object}, "")
	if err != nil || set.MaxObjectSize != object {
		t.Fatal(set, err)
	}
	for _, n := range nodes {
		n.await(t, "acme/big", "ready", func(x *api.Repo) bool { return x.State == "ready" })
	}
}
