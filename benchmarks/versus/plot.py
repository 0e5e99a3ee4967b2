"""A bar chart with the spread of the samples, as an SVG in plain Python."""

from __future__ import annotations

import statistics
import textwrap
from html import escape
from math import log10

OURS, THEIRS, INK, PALE = "#d1495b", "#8d99ae", "#222", "#666"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'
BAR, STEP, LEFT, WIDTH, RIGHT = 16, 24, 240, 400, 110
ORDERS = 30.0  # from how many times apart on a scale is logarithmic


def bars(title: str, rows: dict[str, tuple[list[float], bool]], unit: float, digits: int) -> str:
    """A bar per row at its median, a line from its least to its most; rows are marked as ours or not."""
    scaled = {name: ([max(value * unit, 1e-9) for value in values], ours) for name, (values, ours) in rows.items()}
    medians = [statistics.median(values) for values, _ in scaled.values()]
    most = max(max(values) for values, _ in scaled.values())
    logarithmic = max(medians) / min(medians) > ORDERS
    least = min(medians) / 3

    def place(value: float) -> float:
        part = log10(max(value, least) / least) / log10(most / least) if logarithmic else value / most
        return LEFT + WIDTH * part

    lines = textwrap.wrap(title + (" (logarithmic)" if logarithmic else ""), 105)
    top = 12 + 18 * len(lines)
    height = top + STEP * len(scaled) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" {FONT}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, line in enumerate(lines):
        parts.append(f'<text x="10" y="{18 + 18 * number}" font-weight="600" fill="{INK}">{escape(line)}</text>')
    y = top + 0.0
    for name, (values, ours) in scaled.items():
        middle, end = statistics.median(values), place(statistics.median(values))
        weight = ' font-weight="600"' if ours else ""
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 12:g}" text-anchor="end" fill="{INK}"{weight}>{escape(name)}</text>'
            f'<rect x="{LEFT}" y="{y:g}" width="{max(1.0, end - LEFT):.1f}" height="{BAR}"'
            f' fill="{OURS if ours else THEIRS}"/>'
            f'<path d="M{place(min(values)):.1f} {y + BAR / 2:g}H{place(max(values)):.1f}" stroke="{INK}"/>'
            f'<text x="{max(end, place(max(values))) + 6:.1f}" y="{y + 12:g}" fill="{PALE}">{middle:,.{digits}f}</text>'
        )
        y += STEP
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
