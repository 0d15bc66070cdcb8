package render

import "fmt"

// Finding draws one thing that was looked at, and below it what to do.
func (p Printer) Finding(state, name, detail, try string) error {
	colors := map[string]int{"ok": 0, "warn": 1, "fail": 2}
	mark := []string{p.colored(green, "ok  "), p.colored(yellow, "WARN"), p.colored(red, "FAIL")}[colors[state]]
	if _, err := fmt.Fprintf(p.Out, "%s  %-18s  %s\n", mark, cell(name), cell(detail)); err != nil || try == "" {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "      %-18s  try: %s\n", "", cell(try))
	return err
}
