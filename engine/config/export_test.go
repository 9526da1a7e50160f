package config

import (
	"encoding/json"
	"strconv"
)

// JSON returns a configuration file as encoding/json would decode it, with
// numbers as json.Number; ok is false if the file is not YAML.
func JSON(data []byte) (value any, ok bool) {
	l := &loader{Options: Options{
		Getenv:   func(string) (string, bool) { return "", true },
		ReadFile: func(string) ([]byte, error) { return nil, nil },
	}}
	root := l.parse("", data)
	if root == nil {
		return nil, false
	}
	return root.plain(), true
}

func (n *node) plain() any {
	switch n.kind {
	case mappingNode:
		m := map[string]any{}
		for _, p := range n.pairs {
			m[p.key] = p.value.plain()
		}
		return m
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, item.plain())
		}
		return list
	case textNode:
		return n.written
	case numberNode:
		return plainNumberValue(n.text)
	case booleanNode:
		return n.text == "true"
	}
	return nil
}

// plainNumberValue returns what a program that reads YAML makes of a number.
func plainNumberValue(text string) any {
	if json.Valid([]byte(text)) {
		return json.Number(text)
	}
	if x, err := strconv.ParseInt(text, 0, 64); err == nil {
		return json.Number(strconv.FormatInt(x, 10))
	}
	return text
}
