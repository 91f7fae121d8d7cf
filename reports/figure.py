"""From a matplotlib figure to SVG that belongs in the page: themed by CSS variables, reproducible, and accessible.

A figure is drawn in stand-in colours; each becomes a CSS variable of the page, so that one drawing serves light, dark
and paper. Every id gets the figure's prefix, since all figures share one document.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GRID", "INK", "MOST_MARKS", "SERIES", "STYLE", "plain", "to_svg"]

MOST_MARKS = 2_000
"""Beyond so many marks an artist is rasterised, lest the page grows with the run."""

INK, GRID = "#010101", "#010102"
SERIES = ("#010111", "#010112", "#010113", "#010114", "#010115", "#010116", "#010117", "#010118", "#010119")
_VARIABLES = {INK: "currentColor", GRID: "var(--grid)"} | {c: f"var(--s{n})" for n, c in enumerate(SERIES)}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "channel-harness",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.4,
}


_LONGEST_NAME = 60
_UNSEEN = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(name: object) -> str:
    """A name as a label: what a record says is no mathematics, has no characters without a shape, and an end."""
    text = _UNSEEN.sub("\ufffd", str(name)).replace("$", r"\$")
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1].rstrip("\\") + "…"


def to_svg(figure: Figure, prefix: str, title: str, description: str) -> str:
    """The `<svg>` element; `prefix` is unique in the page."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # text stays text: the reader's fonts have the shape, not the one that matplotlib measures by
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = _slim(re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S), prefix)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    opening, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    assert box is not None, "matplotlib writes a viewBox"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-desc"><title id="{prefix}-title">{html.escape(title)}</title>'
        f'<desc id="{prefix}-desc">{html.escape(description)}</desc>{rest.strip()}'
    )


def _slim(svg: str, prefix: str) -> str:
    """The same drawing in fewer bytes: two decimals, ids only where something refers to them, and those short."""
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d+\.\d{2})\d+", r"\1", tag[0]), svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", re.sub(r" font-family: [^;\"]*;", "", svg))
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    short = {name: f"{prefix}-{number}" for number, name in enumerate(used)}
    svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", svg)
    svg = re.sub(r'(href="#|url\(#)([^")]+)', lambda found: found[1] + short[found[2]], svg)
    return re.sub(r'<g( [^>]*)?>\n((?:<use [^>]*? style="([^"]*)"/>\n)+)</g>', _shared_style, svg)


def _shared_style(group: re.Match[str]) -> str:
    """Marks of one series have one style, which the group can carry."""
    attributes, marks, style = group[1] or "", group[2], group[3]
    if "style=" in attributes or set(re.findall(r'style="([^"]*)"', marks)) != {style}:
        return group[0]
    bare = marks.replace(f' style="{style}"', "")
    return f'<g{attributes} style="{style}">\n{bare}</g>'
