package cli

import (
	"strings"

	urfave "github.com/urfave/cli/v2"
)

func labelFlag(more string) urfave.Flag {
	return &urfave.StringSliceFlag{Name: "label", Usage: "label `KEY=VALUE`" + more + "; repeatable"}
}

// labelsOf reads labels that there shall be.
func labelsOf(c *urfave.Context) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range c.StringSlice("label") {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef(c.Command.HelpName+" --label team=core", "--label %q is not KEY=VALUE", text)
		}
		labels[key] = value
	}
	if len(labels) == 0 {
		return nil, nil
	}
	return labels, nil
}

// relabelOf reads labels that there shall be, and with a minus behind them those that there
// shall not be.
func relabelOf(c *urfave.Context) (map[string]*string, error) {
	labels := map[string]*string{}
	for _, text := range c.StringSlice("label") {
		key, value, ok := strings.Cut(text, "=")
		gone := strings.TrimSuffix(text, "-")
		switch {
		case ok && key != "":
			labels[key] = &value
		case !ok && gone != text && gone != "":
			labels[gone] = nil
		default:
			return nil, usagef(c.Command.HelpName+" NAME --label team=core --label old-", "--label %q is neither KEY=VALUE nor KEY-", text)
		}
	}
	if len(labels) == 0 {
		return nil, nil
	}
	return labels, nil
}
