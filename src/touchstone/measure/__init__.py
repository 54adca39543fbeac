"""The measuring wing: turns a plan into a run. Facts only; it never computes an average and never judges."""
