package cluster

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// One iteration appends 1,000 entries of 300 bytes to an empty log.
func BenchmarkAppend(b *testing.B) {
	const entries = 1000
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s, err := openStore(Config{Dir: b.TempDir()}.withDefaults(""), hclog.NewNullLogger())
				if err != nil {
					b.Fatal(err)
				}
				logs := make([]*raft.Log, entries)
				for i := range logs {
					logs[i] = &raft.Log{Index: uint64(i + 1), Term: 1, Type: raft.LogCommand, Data: bytes.Repeat([]byte{byte(i)}, 300), AppendedAt: time.Now()}
				}
				b.StartTimer()
				for from := 0; from < entries; from += batch {
					if err := s.stable.StoreLogs(logs[from:min(from+batch, entries)]); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
