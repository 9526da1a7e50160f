package host

import (
	"fmt"
	"strings"
)

// Markdown returns the table as the sections of a reference page.
func (api *API) Markdown() string {
	var b strings.Builder
	b.WriteString("\n## Registrations\n")
	for _, kind := range api.Kinds {
		section(&b, kind.Name, kind.Doc, kind.Name+kind.Signature)
	}
	if len(api.Functions) > 0 {
		b.WriteString("\n## Functions\n\n| function | |\n|---|---|\n")
	}
	for _, function := range api.Functions {
		fmt.Fprintf(&b, "| %s | %s |\n", cell("`"+function.declaration()+"`"), cell(function.Doc))
	}
	b.WriteString("\n## Objects\n")
	for _, object := range api.Objects {
		section(&b, object.Name, object.Doc, "")
		for _, global := range object.Globals {
			fmt.Fprintf(&b, "\nIt is the global `%s`.\n", global)
		}
		b.WriteString("\n| member | |\n|---|---|\n")
		for _, member := range object.Members {
			fmt.Fprintf(&b, "| %s | %s |\n", cell("`"+member.declaration()+"`"), cell(member.Doc))
		}
	}
	if len(api.Errors) > 0 {
		b.WriteString("\n## Errors\n\n| class | |\n|---|---|\n")
	}
	for _, class := range api.Errors {
		fmt.Fprintf(&b, "| %s | %s |\n", cell("`"+class.constructor()+"`"), cell(class.Doc))
	}
	b.WriteString("\n## Types\n")
	for _, t := range api.Types {
		section(&b, t.Name, t.Doc, t.Text)
	}
	return b.String()
}

func section(b *strings.Builder, heading, doc, code string) {
	fmt.Fprintf(b, "\n### %s\n", heading)
	if doc = strings.TrimSpace(doc); doc != "" {
		fmt.Fprintf(b, "\n%s\n", doc)
	}
	if code != "" {
		fmt.Fprintf(b, "\n```ts\n%s\n```\n", strings.ReplaceAll(code, "\t", "  "))
	}
}

// cell is a text in a table.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "\\|")), " ")
}
