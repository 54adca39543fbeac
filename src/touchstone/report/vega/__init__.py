"""Vega-Lite specifications → SVG, by vl-convert (the extra ``charts``). Knows nothing of charts, and imports next to nothing."""
