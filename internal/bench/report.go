package main

import "fmt"

// reportJob shows each step of the job beside its floor.
func reportJob(figures best) {
	fmt.Printf("\n%-30s %8s %8s %10s %8s %18s %9s %9s\n", fmt.Sprintf("%d people", *people), "seconds", "cpu s", "objects/s", "of floor", "floor", "peak MiB", "anon MiB")
	for _, step := range job {
		if step.name == "" {
			continue
		}
		f := figures[step.name]
		ratio, label := "", ""
		if floor, found := figures[floorOf(step)]; found && f.Time > 0 {
			ratio = fmt.Sprintf("%.2f", floor.Time.Seconds()/f.Time.Seconds())
			label = fmt.Sprintf("%s %.3f s", step.floor, floor.Time.Seconds())
		}
		fmt.Printf("%-30s %8.3f %8.2f %10.0f %8s %18s %9d %9d\n", step.name, f.Time.Seconds(), f.CPU.Seconds(),
			float64(f.Objects)/f.Time.Seconds(), ratio, label, f.PeakKiB/1024, f.AnonKiB/1024)
	}
	if f := figures[putsOf+"first full sync, provisioning"]; f.Objects > 0 {
		fmt.Printf("\na full sync writes %.1f keys and %d bytes per object\n", float64(f.Puts)/float64(f.Objects), f.Bytes/int64(f.Objects))
	}
	sync, delta := figures["first full sync, provisioning"], figures["delta sync of changes"]
	aims{
		{"objects/s of the first full sync", float64(sync.Objects) / sync.Time.Seconds(), 20_000, true},
		{fmt.Sprintf("seconds of the delta sync of %d", *changes), delta.Time.Seconds(), 0.3, false},
	}.print()
}

// floorOf returns the name of the figure that a step is compared with.
func floorOf(s step) string {
	if s.floor == putsOf {
		return putsOf + s.name
	}
	return s.floor
}

// reportScale does the job for several numbers of people and shows what one of
// them costs in each.
func reportScale() error {
	sizes := []int{*people / *factor, *people, *people * *factor}
	all := make([]best, len(sizes))
	for i, size := range sizes {
		all[i] = best{}
		if err := inFolder(size, func(dir string) error {
			for range *runs {
				for _, name := range []string{"engine", "csv"} {
					figures, err := child[figure](name, dir, size)
					if err != nil {
						return err
					}
					all[i].add(figures)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	fmt.Printf("\n%-30s", "µs per object")
	for i, size := range sizes {
		fmt.Printf(" %10d", size)
		if i > 0 {
			fmt.Printf(" %6s", "ratio")
		}
	}
	fmt.Println()
	worst := 0.0
	for _, step := range job {
		if step.name == "" {
			continue
		}
		grows(step.name, all, step.name, figure.timePerObject)
		ratio := grows("  processors", all, step.name, figure.cpuPerObject)
		if all[len(all)-1][step.name].Objects > all[0][step.name].Objects { // of a step over everybody, not over the changed
			worst = max(worst, ratio)
		}
	}
	grows(csvParse, all, csvParse, figure.timePerObject)
	fmt.Printf("\n%-30s", "peak MiB, of it anonymous")
	for _, size := range sizes {
		fmt.Printf(" %12d", size)
	}
	fmt.Println()
	peak := 0
	for _, step := range job {
		if step.name == "" {
			continue
		}
		fmt.Printf("%-30s", step.name)
		for i := range sizes {
			f := all[i][step.name]
			fmt.Printf(" %12s", fmt.Sprintf("%d %5d", f.PeakKiB/1024, f.AnonKiB/1024))
			peak = max(peak, f.PeakKiB)
		}
		fmt.Println()
	}
	largest := all[len(all)-1]
	aims{
		{"processor time of one, most to fewer", worst, 1.5, false},
		{"of the CSV floor: unchanged import", largest[csvParse].Time.Seconds() / largest["unchanged full import"].Time.Seconds(), 0.5, true},
		{"MiB of resident memory", float64(peak) / 1024, 1024, false},
	}.print()
	return nil
}

// grows shows a value of a figure for each size, and its ratio to the one before.
// It returns the last ratio.
func grows(label string, all []best, name string, value func(figure) float64) (ratio float64) {
	fmt.Printf("%-30s", label)
	for i := range all {
		now := value(all[i][name])
		fmt.Printf(" %10.2f", now)
		if i > 0 {
			ratio = now / value(all[i-1][name])
			fmt.Printf(" %6.2f", ratio)
		}
	}
	fmt.Println()
	return ratio
}

// An aim is a figure and what we want it to be.
type aim struct {
	what    string
	is, aim float64
	atLeast bool // else at most
}

type aims []aim

func (list aims) print() {
	fmt.Println()
	for _, a := range list {
		word, verdict := "at most", "met"
		if a.atLeast {
			word = "at least"
		}
		if a.atLeast != (a.is >= a.aim) && a.is != a.aim {
			verdict = "missed"
		}
		fmt.Printf("%-38s %10.2f   aim: %s %g: %s\n", a.what, a.is, word, a.aim, verdict)
	}
}
