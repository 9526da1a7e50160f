package modules

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"

	"github.com/metasync/metasync/scripting/host"
)

var hashTypes = host.Type{
	Name: "Hashes",
	Doc:  "How a hash is written, and which there are.",
	Text: `type HashEncoding = "hex" | "base64";
type HashAlgorithm = "sha256" | "sha1" | "md5";`,
}

var hashObject = &host.Object{
	Name:    "HashFunctions",
	Globals: []string{"hash"},
	Doc:     "Hashes of texts, as UTF-8, or of bytes; written in hex unless base64 is asked for.",
	Members: []host.Member{
		hashMember("sha256", "", sha256.New),
		hashMember("sha1", "For systems that want it; it is broken.", sha1.New),
		hashMember("md5", "For systems that want it; it is broken.", md5.New),
		{
			Name: "hmac", Signature: "(key: string | Uint8Array | Secret, data: string | Uint8Array, algorithm?: HashAlgorithm, encoding?: HashEncoding): string",
			Doc: "A keyed hash (RFC 2104), as signatures of requests need it.",
			Call: textCall("hash.hmac", 4, func(r *arguments) (string, error) {
				key := r.key(0)
				algorithm := r.choice(2, "an algorithm", "sha256", "sha1", "md5")
				if r.err != nil {
					return "", nil
				}
				h := hmac.New(hashes[algorithm], key)
				h.Write(r.data(1, "data"))
				return r.encoded(3, h), nil
			}),
		},
	},
}

var hashes = map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New, "md5": md5.New}

func hashMember(name, doc string, make func() hash.Hash) host.Member {
	return host.Member{
		Name: name, Signature: "(data: string | Uint8Array, encoding?: HashEncoding): string", Doc: doc,
		Call: textCall("hash."+name, 2, func(r *arguments) (string, error) {
			h := make()
			h.Write(r.data(0, "data"))
			return r.encoded(1, h), nil
		}),
	}
}

func (r *arguments) encoded(i int, h hash.Hash) string {
	if r.choice(i, "an encoding", "hex", "base64") == "base64" {
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// key returns the bytes of a key, which may be a secret where those are.
func (r *arguments) key(i int) []byte {
	if i < len(r.list) {
		if s, ok := secretOf(r.list[i]); ok {
			if err := r.a.ReachOut("a secret"); err != nil && r.err == nil {
				r.err = err
			}
			return []byte(s.value)
		}
	}
	return r.data(i, "a key")
}
