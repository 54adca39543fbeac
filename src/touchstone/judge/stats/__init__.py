"""The mathematics of judging: plain numbers in, intervals and probabilities out. Has never heard of a token."""

from touchstone.judge.stats.blocks import batch_means, block_bootstrap
from touchstone.judge.stats.comparison import Effect, Welch, compare_samples, launches_needed, noise_floor, welch
from touchstone.judge.stats.distribution import ks_against, ks_distance, ks_p
from touchstone.judge.stats.early_stopping import (
    allowed_misses,
    chance_of_at_least,
    chance_of_at_most,
    least_issued,
    lower_bound,
    passes,
    share_interval,
    upper_bound,
)
from touchstone.judge.stats.history import LEAST_POINTS, ChangePoint, change_points
from touchstone.judge.stats.intervals import CONFIDENCE, Interval, log_t_half_width, paired_ratio, ratio_of_sums, t_half_width
from touchstone.judge.stats.multiplicity import holm
from touchstone.judge.stats.outliers import far_by_mad, far_by_quartiles
from touchstone.judge.stats.quantiles import (
    least_n,
    least_n_two_sided,
    median_interval,
    quantile,
    quantile_bounds,
    quantile_interval,
    quantile_ranks,
    quantile_upper,
    quantiles,
)
from touchstone.judge.stats.ranks import rank_sum_p
from touchstone.judge.stats.replication import (
    LEAST_UNITS,
    Variances,
    iterations_per_launch,
    known_within,
    units_needed,
    variance_components,
)
from touchstone.judge.stats.steady import PROBE, SteadyState, is_steady, steady_state
from touchstone.judge.stats.trend import mann_kendall_p, theil_sen, theil_sen_drift

__all__ = [
    "CONFIDENCE",
    "LEAST_POINTS",
    "LEAST_UNITS",
    "PROBE",
    "ChangePoint",
    "Effect",
    "Interval",
    "SteadyState",
    "Variances",
    "Welch",
    "allowed_misses",
    "batch_means",
    "block_bootstrap",
    "chance_of_at_least",
    "chance_of_at_most",
    "change_points",
    "compare_samples",
    "far_by_mad",
    "far_by_quartiles",
    "holm",
    "is_steady",
    "iterations_per_launch",
    "known_within",
    "ks_against",
    "ks_distance",
    "ks_p",
    "launches_needed",
    "least_issued",
    "least_n",
    "least_n_two_sided",
    "log_t_half_width",
    "lower_bound",
    "mann_kendall_p",
    "median_interval",
    "noise_floor",
    "paired_ratio",
    "passes",
    "quantile",
    "quantile_bounds",
    "quantile_interval",
    "quantile_ranks",
    "quantile_upper",
    "quantiles",
    "rank_sum_p",
    "ratio_of_sums",
    "share_interval",
    "steady_state",
    "t_half_width",
    "theil_sen",
    "theil_sen_drift",
    "units_needed",
    "upper_bound",
    "variance_components",
    "welch",
]
