package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/config/fimxml"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// fimDialect is the dialect of the expressions in FIM's XML.
const fimDialect = "fim"

type rulesCmd struct {
	List   rulesListCmd   `cmd:"" default:"withargs" help:"List the rules in the order in which they are applied, or print them."`
	Clone  rulesCloneCmd  `cmd:"" help:"Print a copy of a rule, to be changed and put in its place."`
	Import rulesImportCmd `cmd:"" help:"Convert the XML of FIM's rules into ours."`
}

type rulesListCmd struct {
	Name      string `arg:"" optional:"" help:"Only the rule with this name."`
	Agent     string `placeholder:"AGENT" help:"Only rules of this agent."`
	Type      string `placeholder:"TYPE" help:"Only rules for this object type, of an agent or of the metaverse."`
	Attribute string `placeholder:"NAME" help:"Only rules that read or write this attribute, of an agent or of the metaverse."`
	Text      bool   `xor:"form" help:"Print the rules as they stand in a configuration, with the dialect that counts for them."`
	XML       bool   `name:"xml" xor:"form" help:"Print the rules as the XML of FIM."`
}

func (*rulesListCmd) Help() string {
	return "The rules are those of the configuration, whether a daemon runs on it or not. Nothing is asked of the systems."
}

// A ruleView is a rule as rules --json prints it.
type ruleView struct {
	Order            int       `json:"order"`
	Name             string    `json:"name"`
	ID               string    `json:"id,omitempty"`
	Description      string    `json:"description,omitempty"`
	Tag              string    `json:"tag,omitempty"`
	Disabled         bool      `json:"disabled"`
	Agent            string    `json:"agent"`
	Object           string    `json:"object"`
	Metaverse        string    `json:"metaverse"`
	Precedence       int       `json:"precedence,omitempty"`
	PrecedenceBefore string    `json:"precedenceBefore,omitempty"`
	DependsOn        string    `json:"dependsOn,omitempty"`
	Dialect          string    `json:"dialect"`
	Inbound          *halfView `json:"inbound,omitempty"`
	Outbound         *halfView `json:"outbound,omitempty"`
}

// A halfView is one direction of a rule.
type halfView struct {
	Link   rules.LinkType `json:"link"`
	Apply  string         `json:"apply,omitempty"`
	Flows  int            `json:"flows"`
	Reads  []string       `json:"reads"`
	Writes []string       `json:"writes"`
}

func (c *rulesListCmd) Run(a *app) error {
	book, err := daemon.Rules(a.ctx, a.daemon())
	if err != nil {
		return err
	}
	list, err := c.choose(book.Rules)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Dialect = cmp.Or(list[i].Dialect, book.Dialect)
	}
	switch {
	case c.Text || c.XML:
		return c.print(a, list)
	case a.JSON:
		return a.printJSON(ruleViews(list))
	}
	return a.printRules(list, c.Name != "")
}

// choose returns the rules that are asked for. A name or an agent that there is not
// is an error.
func (c *rulesListCmd) choose(list []rules.Listed) ([]rules.Listed, error) {
	if c.Name != "" {
		r, err := ruleNamed(list, c.Name)
		if err != nil {
			return nil, err
		}
		list = []rules.Listed{*r}
	}
	for _, f := range []struct {
		wanted, what string
		of           func(rules.Listed) []string
	}{
		{c.Agent, "rule of an agent", func(r rules.Listed) []string { return []string{r.Agent} }},
		{c.Type, "rule for an object type", func(r rules.Listed) []string { return []string{r.Object, r.Metaverse} }},
		{c.Attribute, "rule that reads or writes an attribute", concerned},
	} {
		if f.wanted == "" {
			continue
		}
		var chosen []rules.Listed
		var names []string
		for _, r := range list {
			if slices.Contains(f.of(r), f.wanted) {
				chosen = append(chosen, r)
			}
			names = append(names, f.of(r)...)
		}
		if len(chosen) == 0 {
			err := fault.New("unknown-name", "there is no %s %q", f.what, f.wanted)
			err.Hint = didYouMean(f.wanted, names)
			return nil, err
		}
		list = chosen
	}
	return list, nil
}

// concerned lists the attributes that a rule reads or writes.
func concerned(r rules.Listed) []string {
	var names []string
	for _, h := range []*rules.ListedHalf{r.In, r.Out} {
		if h != nil {
			names = append(append(names, h.Reads...), h.Writes...)
		}
	}
	return names
}

func ruleNamed(list []rules.Listed, name string) (*rules.Listed, error) {
	var names []string
	for i := range list {
		if list[i].Name == name {
			return &list[i], nil
		}
		names = append(names, list[i].Name)
	}
	err := fault.New("unknown-rule", "there is no rule %q", name)
	err.Hint = didYouMean(name, names)
	return nil, err
}

func didYouMean(name string, names []string) string {
	if near := fault.Suggest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// print prints rules whole.
func (c *rulesListCmd) print(a *app, list []rules.Listed) error {
	whole := make([]rules.Rule, len(list))
	for i := range list {
		whole[i] = list[i].Rule
	}
	if c.Text {
		_, err := a.stdout.Write(config.WriteRules(whole))
		return err
	}
	for i := range whole {
		if whole[i].Dialect == fimDialect {
			whole[i].Dialect = "" // it is FIM's XML
		}
	}
	data, notes, err := fimxml.Encode(whole)
	if err != nil {
		return err
	}
	a.printNotes(notes)
	_, err = a.stdout.Write(data)
	return err
}

func ruleViews(list []rules.Listed) []ruleView {
	views := make([]ruleView, 0, len(list))
	for _, r := range list {
		v := ruleView{
			Order: r.Order, Name: r.Name, ID: r.ID, Description: r.Description, Tag: r.Tag, Disabled: r.Disabled, Agent: r.Agent, Object: r.Object,
			Metaverse: r.Metaverse, PrecedenceBefore: r.PrecedenceBefore, DependsOn: r.DependsOn, Dialect: r.Dialect,
			Inbound: halfViewOf(r.In), Outbound: halfViewOf(r.Out),
		}
		if r.PrecedenceBefore == "" {
			v.Precedence = r.Precedence
		}
		if v.Outbound != nil {
			v.Outbound.Apply = applies(r)
		}
		views = append(views, v)
	}
	return views
}

func halfViewOf(h *rules.ListedHalf) *halfView {
	if h == nil {
		return nil
	}
	return &halfView{Link: h.Link, Flows: h.Flows, Reads: h.Reads, Writes: h.Writes}
}

func applies(r rules.Listed) string {
	if r.Outbound.ByPolicy {
		return "policy"
	}
	return "scope"
}

// printRules prints a row for each direction of a rule; of one rule, all that it
// reads and writes.
func (a *app) printRules(list []rules.Listed, whole bool) error {
	t := newTable(a.stdout)
	t.row("AGENT", "ORDER", "RULE", "DIRECTION", "OBJECT", "METAVERSE", "PRECEDENCE", "LINK", "FLOWS", "TAG", "REMARKS")
	for _, r := range list {
		rank := strconv.Itoa(r.Precedence)
		if r.PrecedenceBefore != "" {
			rank = "before " + r.PrecedenceBefore
		}
		var notes []string
		if r.Disabled {
			notes = append(notes, "disabled")
		}
		if r.DependsOn != "" {
			notes = append(notes, "after "+r.DependsOn)
		}
		row := func(direction string, h *rules.ListedHalf) {
			if h != nil {
				t.row(r.Agent, r.Order, r.Name, direction, r.Object, r.Metaverse, rank, h.Link, h.Flows, cmp.Or(r.Tag, "-"), cmp.Or(strings.Join(notes, ", "), "-"))
			}
		}
		row("inbound", r.In)
		row("outbound", r.Out)
	}
	if err := t.end(); err != nil || !whole {
		return err
	}
	r := list[0]
	t = newTable(a.stdout)
	fmt.Fprintln(a.stdout)
	for _, line := range [][2]string{{"description", r.Description}, {"id", r.ID}, {"at", a.where(r.Position)}} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	for _, half := range []struct {
		direction string
		h         *rules.ListedHalf
	}{{"inbound", r.In}, {"outbound", r.Out}} {
		if half.h != nil {
			t.row(half.direction+" reads", cmp.Or(strings.Join(half.h.Reads, " "), "-"))
			t.row(half.direction+" writes", cmp.Or(strings.Join(half.h.Writes, " "), "-"))
		}
	}
	return t.end()
}

// where returns a place as people find it.
func (a *app) where(at fault.Position) string {
	at.File = a.place(at.File)
	return at.String()
}

type rulesCloneCmd struct {
	Name    string `arg:"" help:"The rule."`
	NewName string `arg:"" name:"newname" help:"The name of the copy."`
}

func (*rulesCloneCmd) Help() string {
	return "Prints the copy, enabled, for you to put into the configuration, and tells how to switch the original off. Nothing is changed."
}

func (c *rulesCloneCmd) Run(a *app) error {
	book, err := daemon.Rules(a.ctx, a.daemon())
	if err != nil {
		return err
	}
	original, err := ruleNamed(book.Rules, c.Name)
	if err != nil {
		return err
	}
	for _, r := range book.Rules {
		if r.Name == c.NewName || r.ID == c.NewName {
			return fault.New("name-in-use", "%q is the name or the id of a rule at %s", c.NewName, a.where(r.Position))
		}
	}
	copied := original.Rule
	copied.Name, copied.ID, copied.Disabled = c.NewName, "", false
	text := config.WriteRules([]rules.Rule{copied})
	if a.JSON {
		err = a.printJSON(map[string]string{"name": copied.Name, "text": string(text)})
	} else {
		_, err = a.stdout.Write(text)
	}
	if strings.Contains(string(text), "[redacted]") {
		fmt.Fprintln(a.stderr, "put the ${} of the original where [redacted] stands")
	}
	if !original.Disabled {
		fmt.Fprintf(a.stderr, "put this below rules:, and disabled: true into the original at %s\n", a.where(original.Position))
	}
	for _, r := range book.Rules {
		for _, relation := range [][2]string{{"dependsOn", r.DependsOn}, {"precedenceBefore", r.PrecedenceBefore}} {
			if relation[1] == c.Name && !r.Disabled {
				fmt.Fprintf(a.stderr, "then the %s of %q at %s must become %q\n", relation[0], r.Name, a.where(r.Position), c.NewName)
			}
		}
	}
	return err
}

type rulesImportCmd struct {
	File string `arg:"" help:"A file with rules as FIM's XML, with what FIM's public tools export, or with single flows."`
}

func (*rulesImportCmd) Help() string {
	return "Prints the rules as they stand in a configuration, and on standard error what has no counterpart. It needs no configuration."
}

// importResult is what rules import prints with --json.
type importResult struct {
	Rules []string `json:"rules"` // each as text
	Notes []string `json:"notes"`
}

func (c *rulesImportCmd) Run(a *app) error {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	document, err := fimxml.Decode(absolute(c.File), data)
	if err != nil {
		for _, e := range fault.All(err) {
			shown := *e
			shown.Position.File = a.place(e.Position.File)
			fmt.Fprintln(a.stderr, shown.Error())
			a.printHint(e)
		}
		return exitFailed
	}
	for i := range document.Rules {
		if r := &document.Rules[i]; r.Name != "" {
			r.Dialect = cmp.Or(r.Dialect, fimDialect)
		}
	}
	if a.JSON {
		result := importResult{Rules: []string{}, Notes: a.noteTexts(document.Notes)}
		for _, r := range document.Rules {
			result.Rules = append(result.Rules, string(config.WriteRules([]rules.Rule{r})))
		}
		return a.printJSON(result)
	}
	a.printNotes(document.Notes)
	_, err = a.stdout.Write(config.WriteRules(document.Rules))
	return err
}
