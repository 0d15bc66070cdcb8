package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitmirror/internal/gittest"
)

// certificate returns one that has signed itself, for a host, which is an address or a name.
func certificate(t testing.TB, host string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// An upstream whose certificate an authority of one's own has signed is mirrored where
// the node's environment names the authority: checks and git's fetch both ask it.
func TestUpstreamOfAnAuthorityOfOnesOwn(t *testing.T) {
	t.Parallel()
	up := newForge(t)
	up.sample("own")
	target, err := url.Parse(up.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	cert := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	front.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	front.StartTLS()
	t.Cleanup(front.Close)

	authorities := t.TempDir()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(filepath.Join(authorities, "own.pem"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	node := newCluster(t, 1, "SSL_CERT_DIR="+authorities).nodes[0]
	node.addURL(front.URL+"/own", "own", 1)
	if got, want := gittest.LsRemote(t, node.gitURL("own")), gittest.LsRemote(t, up.URL("own")); got != want {
		t.Errorf("the copy has\n%s\nupstream has\n%s", got, want)
	}
}
