package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// firstID is the smallest number that the personnel department has given.
const firstID = 100001

var personColumns = []string{
	"id", "givenName", "sn", "title", "department", "location", "managerId", "status", "startDate", "phones",
}

// A person is a row of hr.csv.
type person struct {
	id            int
	givenName, sn string
	title         string
	department    string
	location      *site
	manager       *person // nil at the top of the company
	status        string
	startDate     string
	phones        []string
	rank          int
}

func (p *person) cells() []string {
	manager := ""
	if p.manager != nil {
		manager = fmt.Sprint(p.manager.id)
	}
	return []string{
		fmt.Sprint(p.id), p.givenName, p.sn, p.title, p.department, p.location.city,
		manager, p.status, p.startDate, strings.Join(p.phones, "|"),
	}
}

// The ranks of the company, each led by the one before.
const (
	chief = iota
	head
	lead
	staff
)

// company returns n people, sorted by id. Everybody but the chief has a manager;
// ids are given without regard to rank, so that a manager's row may come after
// the rows of the reports.
func company(n int) []*person {
	d := dice(20260105)
	people := hierarchy(&d, n)

	ids := make([]int, n)
	for i := range ids {
		ids[i] = firstID + i
	}
	shuffle(&d, ids)
	for i, p := range people {
		p.id = ids[i]
		fill(&d, p)
	}
	slices.SortFunc(people, func(a, b *person) int { return cmp.Compare(a.id, b.id) })
	return people
}

// hierarchy returns n people with rank, department and manager: one chief, a
// head for each department, a lead for about ten of its staff.
func hierarchy(d *dice, n int) []*person {
	top := &person{rank: chief, department: "Management"}
	people := []*person{top}
	teams := map[string][]*person{}
	for _, department := range departments {
		h := &person{rank: head, department: department.name, manager: top}
		people = append(people, h)
		for range n * department.share / 100 / 11 {
			l := &person{rank: lead, department: department.name, manager: h}
			people = append(people, l)
			teams[department.name] = append(teams[department.name], l)
		}
	}
	for len(people) < n {
		l := pick(d, teams[weighted(d)])
		people = append(people, &person{rank: staff, department: l.department, manager: l})
	}
	return people
}

// weighted returns a department's name, as often as the department is large.
func weighted(d *dice) string {
	total := 0
	for _, department := range departments {
		total += department.share
	}
	n := d.upTo(total)
	for _, department := range departments {
		if n -= department.share; n < 0 {
			return department.name
		}
	}
	panic("shares do not add up")
}

// fill gives a person a place, a name, a title, a history and phones.
func fill(d *dice, p *person) {
	p.location = &sites[d.upTo(len(sites))]
	origin := p.location
	if d.percent(25) {
		origin = &sites[d.upTo(len(sites))] // people move
	}
	p.givenName, p.sn = pick(d, origin.given), pick(d, origin.family)
	if d.percent(3) {
		if second := pick(d, origin.family); second != p.sn {
			p.sn += "-" + second
		}
	}

	p.title = title(d, p)
	p.startDate = fmt.Sprintf("%04d-%02d-%02d", 1996+d.upTo(30), 1+d.upTo(12), 1+d.upTo(28))
	switch {
	case p.rank < lead:
		p.status = "active"
	case d.percent(4):
		p.status = "left"
	case d.percent(5):
		p.status = "leave"
	default:
		p.status = "active"
	}

	for range []int{0, 1, 1, 1, 2, 2, 3}[d.upTo(7)] {
		p.phones = append(p.phones, fmt.Sprintf("%s 555 %04d", p.location.dial, d.upTo(10000)))
	}
	slices.Sort(p.phones)
	p.phones = slices.Compact(p.phones)
}

func title(d *dice, p *person) string {
	switch p.rank {
	case chief:
		return "Chief Executive Officer"
	case head:
		return "Head of " + p.department
	case lead:
		return "Team Lead, " + p.department // a cell with a comma, on purpose
	}
	for _, department := range departments {
		if department.name == p.department {
			return pick(d, department.titles)
		}
	}
	panic("no department " + p.department)
}
