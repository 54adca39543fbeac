"""Browse runs in a local page: the list, live runs, reports, comparisons, audits."""
