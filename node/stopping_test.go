package node_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/disk"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/node"
)

// Who is in the middle of a clone that takes longer than a stop waits is told why it
// ends.
func TestAStoppingNodeTellsWhomItAnswers(t *testing.T) {
	up := gittest.Upstream(t)
	repo, err := up.Repo("big")
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 24<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	gittest.Edit(t, repo, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"noise": string(noise)}) })
	n := cluster(t, 1)[0]
	n.add(t, api.AddRepo{URL: up.URL("big"), Name: "big"})
	tip := strings.Fields(gittest.LsRemote(t, up.URL("big")))
	want := "want " + tip[len(tip)-2] + "\n"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.gitURL("big")+"/git-upload-pack",
		strings.NewReader("0011command=fetch0001"+"0032"+want+"0009done\n0000"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Git-Protocol", "version=2")
	// The buffers of the two sockets are filled at once whatever the pace, and grow with it
	// to many MB: the client's is kept small.
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(64 << 10)
		}
		return c, err
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := make([]byte, 1<<20)
	if _, err := io.ReadFull(resp.Body, answer); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	patient := time.Now().Add(node.StopBound + 100*time.Millisecond)
	go func() { stopped <- n.stop() }()
	read := make(chan []byte)
	go func() {
		defer close(read)
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for {
			b := make([]byte, 32<<10)
			if time.Now().Before(patient) { // 400 kB/s, far from 24 MB in that time; then what is on its way
				<-pace.C
				b = b[:4<<10]
			}
			k, err := resp.Body.Read(b)
			read <- b[:k]
			if err != nil {
				if err != io.EOF {
					t.Errorf("the answer was cut: %v", err)
				}
				return
			}
		}
	}()
	for b := range read {
		answer = append(answer, b...)
	}
	if !bytes.HasSuffix(answer, []byte("\x03gitmirror: this node is stopping; clone or fetch again, from another node")) {
		t.Errorf("%d bytes that end in %q", len(answer), answer[len(answer)-80:])
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A node that is told to stop while it starts, whenever that is, ends in good order, and
// starts the next time.
func TestANodeMayBeStoppedWhileItStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	for after, served := int64(1), false; !served; after += 9 {
		ctx, stop := context.WithCancel(t.Context())
		var done atomic.Int64
		err := node.Run(ctx, node.Config{
			Name: "n1", Dir: dir, HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0", Timing: "fast", Version: "test", Log: testlog.New(t),
			Disk: disk.New(func(disk.Op) error {
				if done.Add(1) == after {
					stop()
				}
				return nil
			}),
			Ready: func(node.Info) {
				served = done.Load() < after
				stop()
			},
		})
		stop()
		if err != nil {
			t.Errorf("told to stop at the %dth operation of its disk: %v", after, err)
		}
	}
}
