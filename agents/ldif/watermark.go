package ldif

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc64"
	"io"
	"os"
)

// A watermark says what the last complete import read: size and digest of the file of
// entries and of the log of changes, and a digest of the settings that turn them into
// entries. Times and inode numbers are not part of it, because they can stay the same
// while the content changes.
//
// A delta import reads only changes if the file of entries is the same, and the log
// begins with what it was. Otherwise it reads everything.
type watermark struct {
	size      int64
	digest    uint64
	logSize   int64
	logDigest uint64
	settings  string
}

const watermarkFormat = "ldif1 %d %d %d %d %s"

func (w watermark) bytes() []byte {
	return fmt.Appendf(nil, watermarkFormat, w.size, w.digest, w.logSize, w.logDigest, w.settings)
}

// parseWatermark returns false for anything that [watermark.bytes] did not make.
func parseWatermark(text []byte) (w watermark, ok bool) {
	_, err := fmt.Sscanf(string(text), watermarkFormat, &w.size, &w.digest, &w.logSize, &w.logDigest, &w.settings)
	return w, err == nil
}

// settingsDigest covers everything in the settings that an import depends on.
func (a *ldifAgent) settingsDigest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%t %q\n", a.latin, a.urls)
	for _, t := range a.types {
		fmt.Fprintf(h, "%q %q %q %q %q\n", t.schema.Name, t.schema.Anchor, t.class, t.auxiliary, t.exclude)
		for _, x := range t.attributes {
			fmt.Fprintf(h, "%q %d %t\n", x.Name, x.Type, x.Multi)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// isSame reports whether the file of entries is the one of a watermark. It leaves the
// file at its beginning.
func (a *ldifAgent) isSame(ctx context.Context, f *os.File, size int64, w watermark) (bool, error) {
	if w.size != size || w.settings != a.settingsDigest() {
		return false, nil
	}
	var digest uint64
	buf := make([]byte, bufferSize)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := f.Read(buf)
		digest = crc64.Update(digest, crcTable, buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, a.fileFault(a.file, "stopped-import-read", err)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, a.fileFault(a.file, "stopped-import-read", err)
	}
	return digest == w.digest, nil
}
