package main

import (
	"fmt"
	"strconv"
)

var badgeColumns = []string{"badgeId", "employeeId", "number", "building", "valid"}

// A badge is a row of badges.csv.
type badge struct {
	id, employeeID   int
	number, building string
	valid            bool
}

func (b badge) cells() []string {
	return []string{
		fmt.Sprintf("B%05d", b.id), fmt.Sprint(b.employeeID), b.number, b.building, strconv.FormatBool(b.valid),
	}
}

// badges returns the badges of the buildings: at most one valid badge for each
// person, some that were replaced or taken back, and some of visitors whom the
// personnel department does not know.
func badges(people []*person) []badge {
	d := dice(7)
	var list []badge
	add := func(employee int, at *site, valid bool) {
		list = append(list, badge{
			employeeID: employee,
			number:     fmt.Sprintf("%s-%04d", at.code, d.upTo(10000)),
			building:   at.city + " " + pick(&d, at.buildings),
			valid:      valid,
		})
	}
	for _, p := range people {
		if d.percent(10) {
			add(p.id, p.location, false) // lost, and replaced
		}
		if d.percent(95) {
			add(p.id, p.location, p.status != "left")
		}
	}
	for i := range 15 {
		add(900001+i, &sites[d.upTo(len(sites))], true)
	}
	shuffle(&d, list)
	for i := range list {
		list[i].id = i + 1
	}
	return list
}
