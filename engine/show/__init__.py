"""The kit of displays: words, tables, lines, plots and pages that report, comparison and other tools share."""
