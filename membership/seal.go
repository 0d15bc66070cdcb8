package membership

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// sealKey begins the last field of node.json, which has the digest of all before it.
const sealKey = ",\n  \"sum\": \""

// seal is the form of node.json on the disk. Without a digest a bit that is another would
// make another node of it, or have it look for a cluster that there is not.
func seal(id *Identity) ([]byte, error) {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(data, []byte("\n}"))
	return append(body, sealOf(body)...), nil
}

func sealOf(body []byte) []byte {
	sum := sha256.Sum256(body)
	return []byte(sealKey + hex.EncodeToString(sum[:8]) + "\"\n}\n")
}

// intact tells whether the file is as it was written. One without a digest is of a gitmirror
// of before, which wrote none.
func intact(data []byte) bool {
	i := bytes.LastIndex(data, []byte(sealKey))
	return i < 0 || bytes.Equal(data[i:], sealOf(data[:i:i]))
}
