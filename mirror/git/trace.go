package git

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"time"
)

// trace is the pipe on which a child says what packets it gets.
type trace struct {
	from, to *os.File
	see      func(packet string)
	done     chan struct{}
}

// Packets has see called with each packet that the child gets from the other side of
// a fetch, but for what is in packs: git's own trace. It is called before Start, see in
// another goroutine, which ends before Wait does.
func (c *Cmd) Packets(see func(packet string)) error {
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	c.trace = &trace{from: from, to: to, see: see, done: make(chan struct{})}
	c.Env = append(c.Env, fmt.Sprintf("GIT_TRACE_PACKET=%d", 3+len(c.ExtraFiles)))
	c.ExtraFiles = append(c.ExtraFiles, to)
	return nil
}

// begin follows the trace of a child that was started, or was not.
func (t *trace) begin(started error) {
	_ = t.to.Close()
	if started != nil {
		_ = t.from.Close()
		close(t.done)
		return
	}
	go t.read()
}

// read never stops before the end: a child that cannot write its trace would wait.
func (t *trace) read() {
	defer close(t.done)
	defer t.from.Close()
	lines := bufio.NewReaderSize(t.from, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if _, packet, ok := bytes.Cut(line, []byte("fetch< ")); ok {
			t.see(string(bytes.TrimSuffix(packet, []byte("\n"))))
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// end waits for the rest of a trace whose child has ended.
func (t *trace) end() {
	const enough = 5 * time.Second // what a child left behind may hold the pipe
	_ = t.from.SetReadDeadline(time.Now().Add(enough))
	<-t.done
}
