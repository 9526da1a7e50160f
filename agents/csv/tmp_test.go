package csv
import ("testing";"os")
func BenchmarkScan(b *testing.B) {
	path := benchmarkFile(b)
	for b.Loop() {
		f, _ := os.Open(path)
		s, r := newScanner(path, f, ','), new(row)
		for { more, err := s.next(r); if err != nil {b.Fatal(err)}; if !more {break} }
		f.Close()
	}
}
func BenchmarkLines(b *testing.B) {
	path := benchmarkFile(b)
	buf := make([]byte, 256<<10)
	for b.Loop() {
		f, _ := os.Open(path)
		var d digest
		for { n, _ := f.Read(buf); if n == 0 {break}; d.add(buf[:n]) }
		f.Close()
	}
}
