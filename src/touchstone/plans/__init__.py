"""Ready-made plans, as data. A scenario is a file here; none is named in code."""
