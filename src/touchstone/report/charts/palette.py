"""Every colour a picture may have, by its role. A picture is drawn with the light colours; :func:`css` makes them follow the page.

Series are the colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), told apart by the colour-blind; on white their orange, sky blue
and yellow are darkened to a contrast of 3 (WCAG 1.4.11), on dark the blue ones are lightened. No colour stands alone: shapes and dashes
go with it.
"""

from __future__ import annotations

from collections.abc import Mapping

INK, MUTED, GRID, SURFACE, SHADE = "#1f2328", "#59636e", "#d8dee4", "#ffffff", "#eef1f4"
"""Text and marks without a series; axes and their labels; grid lines; what lies behind; a shaded stretch of an axis."""

GOOD, BAD, WARN = "#166f2d", "#b42318", "#8a5c00"
"""Only ever beside a word or a sign that says the same."""

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87f00", "#2b93cc", "#978c00", "#000000")
"""Blue, vermillion, bluish green, reddish purple, orange, sky blue, yellow, black."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-right", "triangle-left",
          "M0,-1L0.3,-0.3L1,0L0.3,0.3L0,1L-0.3,0.3L-1,0L-0.3,-0.3Z")
"""The shape of each series, in the words of Vega; the last is a star of four points."""

CROSS = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
"""The shape of what was rejected."""

DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (10, 4), (4, 2, 1, 2), (1, 3), (12, 3, 2, 3, 2, 3))
"""The dash of each series; the first is solid."""

STEPS = ("#f2f7fc", "#d6e6f4", "#b3d1ea", "#85b5dc", "#2f74ad", "#1c5a92", "#0b3d6e")
"""From the least to the most of one hue."""

ON_LOW, ON_HIGH = "#1f2327", "#fefefe"
STEP_INKS = (ON_LOW,) * 4 + (ON_HIGH,) * 3
"""The text that is readable on each of the steps."""

_DARK: Mapping[str, str] = {
    INK: "#e6edf3", MUTED: "#9aa5b1", GRID: "#333b44", SURFACE: "#15191e", SHADE: "#21272e",
    GOOD: "#4ac26b", BAD: "#ff8a7a", WARN: "#e3b341", ON_LOW: "#e6edf3", ON_HIGH: "#10151a",
    **dict(zip(SERIES, ("#4da3dc", "#f08a3c", "#2fc296", "#e0a3c6", "#e69f00", "#9ad4f7", "#f0e442", "#f5f5f5"), strict=True)),
    **dict(zip(STEPS, ("#1b2733", "#20364a", "#264a69", "#2d5f8b", "#6ba6d6", "#9cc7e8", "#d3e7f7"), strict=True)),
}
PROPERTIES: Mapping[str, str] = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface", SHADE: "--shade", GOOD: "--good", BAD: "--bad", WARN: "--warn",
    ON_LOW: "--on-low", ON_HIGH: "--on-high",
    **{colour: f"--s{place}" for place, colour in enumerate(SERIES)}, **{colour: f"--q{place}" for place, colour in enumerate(STEPS)},
}
"""The custom property of each colour: what a drawn picture names instead of the colour."""


def series(place: int) -> str:
    """The colour of the series at ``place``; they are at most eight, and start again after that."""
    return SERIES[place % len(SERIES)]


def css() -> str:
    """The rules that give each property its colour: light, dark as the reader's system or the page's switch says, and light on paper.

    The switch is a radio button whose id is theme-light or theme-dark; where neither is checked the system decides.
    """
    light = _rules({colour: colour for colour in PROPERTIES})
    dark = _rules(_DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not(:has(#theme-light:checked)){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root:has(#theme-dark:checked){{color-scheme:dark;{dark}}}}}\n"
        "svg.chart{display:block;width:100%;height:auto}\n"
        "svg.chart text{font-family:inherit;font-variant-numeric:tabular-nums}\n"
    )


def _rules(colours: Mapping[str, str]) -> str:
    return ";".join(f"{PROPERTIES[role]}:{colour}" for role, colour in colours.items())
