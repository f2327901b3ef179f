"""A line chart as SVG: no library is worth one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 420, 60, 50, 40, 190
COLOURS = ("#0b6e4f", "#1f4e9c", "#b3541e", "#6b2d73")


def line_chart(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw each series as a line from zero on, with its name at its end."""
    points = [point for line in series.values() for point in line]
    most_x, most_y = max(x for x, _y in points), _round_up(max(y for _x, y in points))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + wide * x / most_x, 1), round(HEIGHT - BOTTOM - high * y / most_y, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for step in range(5):
        y = most_y * step / 4
        _x, at = place(0, y)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{y:g}</text>')
    for x in sorted({x for x, _y in points}):
        at, _y = place(x, 0)
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x:g}</text>')
    for (name, line), colour in zip(series.items(), COLOURS):
        places = [place(x, y) for x, y in line]
        drawn = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(f'<text x="{x + 10}" y="{y + 4}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _round_up(value: float) -> float:
    step = 10.0
    while value / step > 10:
        step *= 2
    return step * -(-value // step)
