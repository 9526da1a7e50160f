package identity

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIDText(t *testing.T) {
	tests := []struct {
		id   ID
		text string
	}{
		{0, "0000-000000000000"},
		{NewID(0, 1), "0000-000000000001"},
		{NewID(3, 0xabcdef), "0003-000000abcdef"},
		{NewID(65535, 1<<48-1), "ffff-ffffffffffff"},
	}
	for _, test := range tests {
		if got := test.id.String(); got != test.text {
			t.Errorf("String() = %q, want %q", got, test.text)
		}
		if got, err := ParseID(test.text); err != nil || got != test.id {
			t.Errorf("ParseID(%q) = %v, %v", test.text, got, err)
		}
	}
	for _, text := range []string{
		"", "0000", "0000-00000000000", "0000-0000000000000", "0000_000000000000", "000g-000000000000",
		"0000-00000000000g", "+000-000000000000", "0000--00000000001", "0x00-000000000000", "00000-00000000000", "0000-0000_0000_00",
	} {
		if id, err := ParseID(text); err == nil || id != 0 || !strings.Contains(err.Error(), "is not an object id") {
			t.Errorf("ParseID(%q) = %v, %v", text, id, err)
		}
	}
}

func TestIDJSON(t *testing.T) {
	type record struct {
		ID  ID
		Map map[ID]string
	}
	want := record{NewID(2, 5), map[ID]string{NewID(0, 1): "x"}}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(data); got != `{"ID":"0002-000000000005","Map":{"0000-000000000001":"x"}}` {
		t.Errorf("JSON is %s", got)
	}
	var back record
	if err := json.Unmarshal(data, &back); err != nil || back.ID != want.ID || back.Map[NewID(0, 1)] != "x" {
		t.Errorf("got %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"ID":"5"}`), &back); err == nil {
		t.Error("a bad id is accepted")
	}
}

// IDs are ordered by space, then sequence, and so is their text.
func TestIDLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.Uint16()
		sequence := rapid.Uint64Max(1<<48 - 1)
		s1, n1 := space.Draw(t, "space"), sequence.Draw(t, "sequence")
		s2, n2 := space.Draw(t, "other space"), sequence.Draw(t, "other sequence")
		a, b := NewID(s1, n1), NewID(s2, n2)
		if a.Space() != s1 || a.Sequence() != n1 {
			t.Fatalf("NewID(%d, %d) holds %d, %d", s1, n1, a.Space(), a.Sequence())
		}
		if back, err := ParseID(a.String()); err != nil || back != a {
			t.Fatalf("ParseID(%q) = %v, %v", a.String(), back, err)
		}
		want := cmp.Or(cmp.Compare(s1, s2), cmp.Compare(n1, n2))
		if cmp.Compare(a, b) != want || cmp.Compare(a.String(), b.String()) != want {
			t.Fatalf("%v and %v are in the wrong order", a, b)
		}
	})
}
