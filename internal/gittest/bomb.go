package gittest

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
)

// DeltaBomb is a pack of some bytes with a blob of zeros and a delta of some more that makes
// copies of it: an object of any size.
func DeltaBomb(base, copies int) (pack []byte, oid string) {
	blob := make([]byte, base)
	var delta bytes.Buffer
	varint := func(n int) {
		for ; n >= 0x80; n >>= 7 {
			delta.WriteByte(byte(n) | 0x80)
		}
		delta.WriteByte(byte(n))
	}
	varint(base)
	varint(base * copies)
	for range copies {
		delta.Write([]byte{0x80 | 0x40 | 0x20 | 0x10, byte(base), byte(base >> 8), byte(base >> 16)})
	}
	head := func(kind, n int) []byte {
		b := []byte{byte(kind<<4 | n&15)}
		for n >>= 4; n > 0; n >>= 7 {
			b[len(b)-1] |= 0x80
			b = append(b, byte(n&0x7f))
		}
		return b
	}
	deflate := func(p []byte) []byte {
		var b bytes.Buffer
		z, _ := zlib.NewWriterLevel(&b, zlib.BestCompression)
		_, _ = z.Write(p)
		_ = z.Close()
		return b.Bytes()
	}
	id := func(size int) string {
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", size)
		for left := size; left > 0; left -= base {
			h.Write(blob[:min(left, base)])
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	raw, _ := hex.DecodeString(id(base))
	pack = append([]byte("PACK"), 0, 0, 0, 2, 0, 0, 0, 2)
	pack = append(append(pack, head(3, base)...), deflate(blob)...)
	pack = append(append(append(pack, head(7, delta.Len())...), raw...), deflate(delta.Bytes())...)
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...), id(base * copies)
}
