package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cron is a schedule of five fields: minute, hour, day of the month, month, day of the week.
type cron [5]map[int]bool

var cronBounds = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}

// parseCron reads lists, ranges and steps of numbers.
func parseCron(text string) (cron, error) {
	fields := strings.Fields(text)
	var c cron
	if len(fields) != 5 {
		return c, fmt.Errorf("expected exactly 5 fields, found %d: %s", len(fields), text)
	}
	for i, field := range fields {
		c[i] = map[int]bool{}
		for _, item := range strings.Split(field, ",") {
			span, stepText, hasStep := strings.Cut(item, "/")
			low, high, step := cronBounds[i][0], cronBounds[i][1], 1
			var err error
			if hasStep {
				if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
					return c, fmt.Errorf("bad step in %q", item)
				}
			}
			if span != "*" {
				from, to, isRange := strings.Cut(span, "-")
				if low, err = strconv.Atoi(from); err != nil {
					return c, fmt.Errorf("bad number in %q", item)
				}
				if isRange {
					if high, err = strconv.Atoi(to); err != nil {
						return c, fmt.Errorf("bad number in %q", item)
					}
				} else if !hasStep {
					high = low
				}
			}
			if low < cronBounds[i][0] || high > cronBounds[i][1] || low > high {
				return c, fmt.Errorf("%q is out of range", item)
			}
			for n := low; n <= high; n += step {
				c[i][n] = true
			}
		}
	}
	return c, nil
}

// after is the first minute later than now that the schedule names. A schedule that names none
// within five years (30 February) gives that far day.
func (c cron) after(now time.Time) time.Time {
	t := now.Truncate(time.Minute).Add(time.Minute)
	for end := now.AddDate(5, 0, 0); t.Before(end); {
		switch {
		case !c[3][int(t.Month())], !c[2][t.Day()], !c[4][int(t.Weekday())]:
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
		case !c[1][t.Hour()]:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case !c[0][t.Minute()]:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return t
}
