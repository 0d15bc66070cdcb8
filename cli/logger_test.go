package cli

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"testing"
)

// What libraries say by the standard logger is for developers, and in the form of the log.
func TestTheStandardLoggerIsOurs(t *testing.T) {
	t.Cleanup(func() { log.SetOutput(os.Stderr); log.SetFlags(log.LstdFlags) })
	var out bytes.Buffer
	newLogger(&out, "info", "json")
	if log.Print("Unsolicited response\nlevel=ERROR msg=forged"); out.Len() > 0 {
		t.Errorf("shown: %s", &out)
	}
	newLogger(&out, "debug", "json")
	log.Print("Unsolicited response\nlevel=ERROR msg=forged")
	var line struct{ Level, Msg string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "DEBUG" {
		t.Errorf("%v: %s", err, &out)
	}
}
