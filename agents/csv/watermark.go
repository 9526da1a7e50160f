package csv

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

// A watermark says what the last complete import read: size and digest of the
// file, and a digest of the settings that turn its content into entries. Times
// and inode numbers are not part of it, because they can stay the same while the
// content changes (two writes within a tick of the clock, a copy that keeps
// times).
//
// So a delta import of an unchanged file reads it once, without parsing it; a
// file of another size is not even read for that.
type watermark struct {
	size     int64
	content  digest
	settings string
}

const watermarkFormat = "csv1 %d %d %d %s"

func (w watermark) bytes() []byte {
	return fmt.Appendf(nil, watermarkFormat, w.size, w.content.ieee, w.content.castagnoli, w.settings)
}

// parseWatermark returns false for anything that [watermark.bytes] did not make.
func parseWatermark(text []byte) (w watermark, ok bool) {
	_, err := fmt.Sscanf(string(text), watermarkFormat, &w.size, &w.content.ieee, &w.content.castagnoli, &w.settings)
	return w, err == nil
}

// settingsDigest covers everything in the settings that an import depends on.
func (a *csvAgent) settingsDigest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", a.delimiter, a.typed)
	if a.dn != "" {
		fmt.Fprintf(h, "dn %q\n", a.dn)
	}
	for i := range a.objects {
		o := &a.objects[i]
		fmt.Fprintf(h, "%q %q\n", o.Name, o.Anchor)
		for _, c := range o.Attributes {
			fmt.Fprintf(h, "%q %d %t %q\n", c.Name, c.Type, c.Multi, c.Separator)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// isUnchanged reports whether the watermark describes the file. It leaves the
// file at its beginning.
func (a *csvAgent) isUnchanged(ctx context.Context, f *os.File, size int64, text []byte) (bool, error) {
	w, ok := parseWatermark(text)
	if !ok || w.size != size || w.settings != a.settingsDigest() {
		return false, nil
	}
	var content digest
	buf := make([]byte, bufferSize)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := f.Read(buf)
		content.add(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, a.fileFault("stopped-import-read", err)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, a.fileFault("stopped-import-read", err)
	}
	return content == w.content, nil
}
