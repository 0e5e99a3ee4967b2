"""A bar chart as an SVG, in plain Python."""

from __future__ import annotations

from html import escape
from math import log10

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e")
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
BAR, GAP, WIDTH, LEFT = 11, 14, 460, 250


def bars(title: str, unit: str, rows: dict[str, dict[str, float]], least: float) -> str:
    """One group of bars per row, one bar per series, on a logarithmic scale that begins at `least`."""
    series = list(next(iter(rows.values())))
    highest = max(max(values.values()) for values in rows.values())
    decades = max(1.0, log10(max(highest, least * 10) / least))
    height = 64 + len(rows) * (len(series) * BAR + GAP) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" {FONT}>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>',
    ]
    for number, name in enumerate(series):
        left = 12 + number * 120
        parts.append(f'<rect x="{left}" y="34" width="11" height="11" fill="{COLOURS[number]}"/>')
        parts.append(f'<text x="{left + 16}" y="44">{escape(name.replace("_", " "))}</text>')
    bottom = height - 24
    for decade in range(int(decades) + 1):
        x = LEFT + WIDTH * decade / decades
        parts.append(f'<line x1="{x:.1f}" y1="56" x2="{x:.1f}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#666">{least * 10**decade:g}{unit}</text>'
        )
    y = 64.0
    for row, values in rows.items():
        middle = y + len(series) * BAR / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.1f}" text-anchor="end">{escape(row)}</text>')
        for number, name in enumerate(series):
            length = max(1.0, WIDTH * log10(max(values[name], least) / least) / decades)
            box = f'x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR - 2}"'
            parts.append(f'<rect {box} fill="{COLOURS[number]}"/>')
            place = f'x="{LEFT + length + 5:.1f}" y="{y + 8:.1f}" font-size="9" fill="#666"'
            parts.append(f"<text {place}>{values[name]:.3g}</text>")
            y += BAR
        y += GAP
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
