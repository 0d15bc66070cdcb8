package cli

import (
	"reflect"
	"testing"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// read parses args with flags and returns what of finds in them.
func read[T any](t *testing.T, flags []urfave.Flag, of func(*urfave.Context) (T, error), args ...string) (got T) {
	t.Helper()
	app := &urfave.App{Flags: flags, Action: func(c *urfave.Context) (err error) {
		got, err = of(c)
		return err
	}}
	if err := app.Run(append([]string{"gitmirror"}, args...)); err != nil {
		t.Fatal(err)
	}
	return got
}

var everyFlag = []string{"--replicas", "3", "--interval", "90s", "--max-size", "5MiB", "--max-object-size", "7MiB", "--accept-flaws", "badEmail,hasDot"}

// Every field of a policy that can be asked for has a flag that asks for it.
func TestEveryFieldOfAPolicyHasAFlag(t *testing.T) {
	ask := read(t, newPolicyFlags(), addOf, everyFlag...)
	want := api.AddRepo{Replicas: 3, Interval: "1m30s", MaxSize: 5 << 20, MaxObjectSize: 7 << 20, AcceptFlaws: []string{"badEmail", "hasDot"}}
	if !reflect.DeepEqual(ask, want) {
		t.Errorf("asked for %+v", ask)
	}
	what := map[string]bool{"URL": true, "URLs": true, "Name": true, "Labels": true} // no policy
	for i := range reflect.TypeFor[api.AddRepo]().NumField() {
		if name := reflect.TypeFor[api.AddRepo]().Field(i).Name; !what[name] && reflect.ValueOf(ask).Field(i).IsZero() {
			t.Errorf("no flag says %s", name)
		}
	}
	size, object, accept := int64(5<<20), int64(7<<20), []string{"badEmail", "hasDot"}
	replicas, interval := 3, "1m30s"
	set := read(t, setPolicyFlags(), setOf, everyFlag...)
	if want := (api.SetRepo{Replicas: &replicas, Interval: &interval, MaxSize: &size, MaxObjectSize: &object, AcceptFlaws: &accept}); !reflect.DeepEqual(set, want) {
		t.Errorf("set %+v", set)
	}
	for i := range reflect.TypeFor[api.SetRepo]().NumField() {
		if name := reflect.TypeFor[api.SetRepo]().Field(i).Name; name != "SetRow" && reflect.ValueOf(set).Field(i).IsNil() {
			t.Errorf("no flag sets %s", name)
		}
	}
	for _, f := range policyFields {
		is := set.On(api.Policy{})
		if !f.says(set) || f.says(api.SetRepo{}) || f.is(is) == f.is(api.Policy{}) {
			t.Errorf("%s is not told of a change: %s", f.flag.Names()[0], f.is(is))
		}
	}
	if set := read(t, setPolicyFlags(), setOf); !set.Empty() {
		t.Errorf("no flag sets %+v", set)
	}
	none := read(t, setPolicyFlags(), setOf, "--accept-flaws", "none")
	if none.AcceptFlaws == nil || *none.AcceptFlaws == nil || len(*none.AcceptFlaws) > 0 || none.MaxSize != nil {
		t.Errorf("no flaws any more: %+v", none)
	}
}

// An empty value, as of a variable that is not set, means nothing.
func TestEmptyValuesAreRefused(t *testing.T) {
	for _, args := range [][]string{{"repo", "set", "a", "--max-size", ""}, {"repo", "set", "a", "--accept-flaws", ""}, {"repo", "add", "https://h/a", "--accept-flaws", ",,"},
		{"repo", "add", "https://h/a", "--name", ""}} {
		contains(t, "stderr", run(t, args...).want(t, exitUsage).err, " is empty")
	}
}

func TestOwnPolicyInWords(t *testing.T) {
	for want, p := range map[string]api.Policy{
		"":                              {Replicas: 2, IntervalMS: 60_000},
		"200 GiB":                       {MaxSize: 200 << 30},
		"200 GiB, objects of 4.0 GiB":   {MaxSize: 200 << 30, MaxObjectSize: 4 << 30},
		"objects with badEmail, hasDot": {AcceptFlaws: []string{"badEmail", "hasDot"}},
	} {
		if got := ownPolicy(p); got != want {
			t.Errorf("%+v: %q, not %q", p, got, want)
		}
	}
}
