"""A chart of cost against size, as a picture made of plain text: readable in light, in dark, and without colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

from growth import UNITS, Growth

_WIDTH: Final = 360
_HEIGHT: Final = 300
_LEFT: Final = 52
_TOP: Final = 46
_RIGHT: Final = 24
_BOTTOM: Final = 48
_KEY: Final = 62
_LETTER: Final = 6.6
_LOOKS: Final = 4
_STYLE: Final = """
.paper{fill:#ffffff}.ink{fill:#1f2328}.grid{stroke:#d0d7de;stroke-width:1}.axis{stroke:#59636e;stroke-width:1}
text{font:12px system-ui,sans-serif}.title{font-weight:600;font-size:13px}.quiet{fill:#59636e}
.line{fill:none;stroke-width:2}.s0{stroke:#59636e;stroke-dasharray:2 4}.s1{stroke:#0550ae}
.s2{stroke:#9a3412;stroke-dasharray:8 4}
.s3{stroke:#116329;stroke-dasharray:10 3 2 3}.m0{fill:#59636e}.m1{fill:#0550ae}.m2{fill:#9a3412}.m3{fill:#116329}
@media (prefers-color-scheme: dark){
.paper{fill:#14181d}.ink{fill:#e6edf3}.grid{stroke:#30363d}.axis,.s0{stroke:#9198a1}.quiet,.m0{fill:#9198a1}
.s1{stroke:#79c0ff}.m1{fill:#79c0ff}.s2{stroke:#ffa657}.m2{fill:#ffa657}
.s3{stroke:#56d364}.m3{fill:#56d364}}
"""
"""With paper of its own, so that it can be read on any page; lines differ also by dashes and marks."""


class Scale:
    """
    A logarithmic scale from powers of ten to pixels.

    Args:
        values: What has to be on it; all above 0.
        start, end: Where its ends are.
    """

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = floor(log10(min(values)) + 1e-9)
        self.high = max(ceil(log10(max(values)) - 1e-9), self.low + 1)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        """Return where *value* is."""
        return self._start + (log10(value) - self.low) / (self.high - self.low) * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        """The powers of ten on it."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def told(value: float) -> str:
    """Return *value*, a power of ten, as short as it can be read."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def _mark(series: int, x: float, y: float) -> str:
    match series:
        case 0:
            return f'<circle class="m0" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case 1:
            return f'<rect class="m1" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
        case 2:
            return f'<path class="m2" d="M{x:.1f} {y - 4.5:.1f}l4.5 8h-9z"/>'
        case _:
            return f'<path class="m3" d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>'


def panel(growth: Growth, left: float, top: float, names: Sequence[str]) -> str:
    """Return the panel of *growth* with its corner at *left* and *top*; *names* gives each line its looks."""
    across = Scale(growth.sizes, left + _LEFT, left + _WIDTH - _RIGHT)
    up = Scale([cost for costs in growth.costs.values() for cost in costs], top + _HEIGHT - _BOTTOM, top + _TOP)
    parts = [f'<text class="ink title" x="{left + 8:.0f}" y="{top + 20:.0f}">{escape(growth.subject)}</text>']
    parts.append(f'<text class="quiet" x="{left + 8:.0f}" y="{top + 36:.0f}">cost, 1 = floor of the smallest</text>')
    for tick in up.ticks:
        y = up(tick)
        parts.append(f'<path class="grid" d="M{left + _LEFT:.1f} {y:.1f}H{left + _WIDTH - _RIGHT:.1f}"/>')
        parts.append(
            f'<text class="quiet" x="{left + _LEFT - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{told(tick)}</text>'
        )
    bottom = top + _HEIGHT - _BOTTOM
    parts.append(f'<path class="axis" d="M{left + _LEFT:.1f} {bottom:.1f}H{left + _WIDTH - _RIGHT:.1f}"/>')
    for tick in across.ticks:
        x = across(tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v5"/>')
        parts.append(f'<text class="quiet" x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{told(tick)}</text>')
    unit = escape(UNITS[growth.subject])
    middle = left + (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text class="quiet" x="{middle:.1f}" y="{bottom + 36:.1f}" text-anchor="middle">{unit}</text>')
    for name, costs in growth.costs.items():
        series = names.index(name)
        points = [(across(size), up(cost)) for size, cost in zip(growth.sizes, costs, strict=True)]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path class="line s{series}" d="M{way}"/>' + "".join(_mark(series, x, y) for x, y in points))
    return f"<g>{''.join(parts)}</g>"


def summary(grown: Sequence[Growth]) -> str:
    """Return in words what the chart shows, for who can't see it."""
    sentences = []
    for growth in grown:
        ends = "; ".join(f"{name} from {costs[0]:.3g} to {costs[-1]:.3g}" for name, costs in growth.costs.items())
        sentences.append(
            f"{growth.subject}, from {growth.sizes[0]} to {growth.sizes[-1]} {UNITS[growth.subject]}: {ends}."
        )
    return "Cost in floors of the smallest size. " + " ".join(sentences)


def drawn(grown: Sequence[Growth]) -> str:
    """Return the chart of all of *grown* as SVG, two panels beside each other."""
    names = list(dict.fromkeys(name for growth in grown for name in growth.costs))
    if len(names) > _LOOKS:
        raise ValueError(f"There are looks for {_LOOKS} lines.")
    rows = -(-len(grown) // 2)
    width, height = 2 * _WIDTH, rows * _HEIGHT + _KEY
    key, x = [], 16.0
    for series, name in enumerate(names):
        key.append(
            f'<path class="line s{series}" d="M{x:.0f} {height - 26}h34"/>{_mark(series, x + 17, height - 26)}'
            f'<text class="ink" x="{x + 42:.0f}" y="{height - 22}">{escape(name)}</text>'
        )
        x += 60 + len(name) * _LETTER
    panels = [panel(growth, place % 2 * _WIDTH, place // 2 * _HEIGHT, names) for place, growth in enumerate(grown)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="title about"><title id="title">Cost against size</title>'
        f'<desc id="about">{escape(summary(grown))}</desc><style>{_STYLE}</style>'
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>{"".join(panels)}{"".join(key)}</svg>\n'
    )
