"""Waveform, pitch, level, and what the model made of each moment, on one time axis in one SVG.

Boxes with curves stretch with the page, text and ticks do not, so lines stay thin and text stays readable from a phone
to a wide screen. Curves are distinguished by names and line styles, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.page.branches import Shown, shown
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import plain
from speechbrain_xser.page.ticks import ticks

if TYPE_CHECKING:
    from torch import Tensor

    from speechbrain_xser.evidence.curves import Curves
    from speechbrain_xser.evidence.localization import BranchTrace, Where

WIDTH = 1000  # of a box, in its own units
HEIGHT = 84  # of a box, pixels
GAP = 38  # between two boxes, pixels; contains the name of the lower one
AXIS = 40  # below the last one, pixels
SILENCE = -60.0  # dB re full scale; lower levels are drawn here
LEAST_HERTZ, LEAST_DECIBELS = 40.0, 12.0  # smallest range of an axis, so that a steady voice looks steady
TIME_TICKS = 8
CURVE = "xser-curve"  # class of a line that belongs to no branch


class Path(NamedTuple):
    """A line or an area in a box of WIDTH x HEIGHT."""

    style: str  # classes of CSS
    line: str  # the SVG path


class Panel(NamedTuple):
    """One box of the plot."""

    name: str
    aside: str  # unit and how to read it
    low: float
    high: float
    marks: Sequence[float]  # ticks, inside low..high
    paths: Sequence[Path]
    keys: Sequence[Shown] = ()  # the branches of the curves


class Box(NamedTuple):
    """A panel at its position."""

    panel: Panel
    top: int  # pixels
    marks: list[tuple[float, float]]  # position of each tick in pixels, and its value


def signal_plot(curves: Curves, where: Where | None = None) -> str:
    """Draws a clip over time.

    Arguments
    ---------
    curves : Curves
        Waveform, pitch and level.
    where : Where, optional
        The information that each branch keeps of every frame, and each token's contribution to the label.

    Returns
    -------
    str
        One SVG element, as wide as its container.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> from speechbrain_xser.evidence.curves import curves_of
    >>> wav = 0.5 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> drawn = signal_plot(curves_of(wav, hear(wav)))
    >>> [name for name in ("Waveform", "Pitch", "Level", "Information") if f">{name} " in drawn]
    ['Waveform', 'Pitch', 'Level']
    """
    panels = [_waveform(curves), _pitch(curves), _level(curves)]
    if where is not None:
        panels += [panel for panel in (_information(curves, where), _shares(curves, where)) if panel is not None]
    height = len(panels) * (HEIGHT + GAP) + AXIS
    told = f"{', '.join(panel.name.lower() for panel in panels)} over {curves.seconds:.1f} seconds"
    return render(
        "plot",
        told=told,
        seconds=curves.seconds,
        height=height,
        axis=height - AXIS,
        box_width=WIDTH,
        box_height=HEIGHT,
        boxes=[_box(panel, place) for place, panel in enumerate(panels)],
        pauses=list(_pauses(curves)),
        times=_times(curves.seconds),
    )


def _waveform(curves: Curves) -> Panel:
    peak = max(float(curves.peaks.abs().max()), 1e-4)
    steps = [(WIDTH * place / (len(curves.peaks) - 0.5), pair) for place, pair in enumerate(curves.peaks.tolist())]
    upper = [(x, _height(pair[1], -peak, peak)) for x, pair in steps]
    lower = [(x, _height(pair[0], -peak, peak)) for x, pair in reversed(steps)]
    path = Path("xser-wave", f"M{_points(upper + lower)}Z")
    return Panel("Waveform", f"of full scale, peak {plain(peak)}", -peak, peak, (0.0,), [path])


def _pitch(curves: Curves) -> Panel:
    voiced = curves.hertz[curves.hertz > 0]
    if len(voiced) == 0:
        return Panel("Pitch", "F0, Hz: no voiced sound", 0.0, 1.0, (), [])
    low, high, marks = ticks(*_apart(float(voiced.min()), float(voiced.max()), LEAST_HERTZ))
    spoken = [value if value > 0 else None for value in curves.hertz.tolist()]
    return Panel("Pitch", "F0, Hz", low, high, marks, [_curve(_heard_times(curves), spoken, low, high, curves)])


def _level(curves: Curves) -> Panel:
    decibels = curves.decibels.clamp(min=SILENCE)
    low, high, marks = ticks(*_apart(float(decibels.min()), float(decibels.max()), LEAST_DECIBELS))
    path = _curve(_heard_times(curves), decibels.tolist(), low, high, curves)
    return Panel("Level", "dB re full scale", low, high, marks, [path])


def _information(curves: Curves, where: Where) -> Panel | None:
    kept = {name: trace.kl_nats for name, trace in where.branches.items() if trace.kl_nats is not None}
    if not kept:
        return None
    _, high, marks = ticks(0.0, max(float(nats.max()) for nats in kept.values()))
    paths = [
        _curve(_centres(nats, where), nats.tolist(), 0.0, high, curves, shown(name).kind)
        for name, nats in kept.items()
    ]
    return Panel("Information", "nats a frame", 0.0, high, marks, paths, _keys(where))


def _shares(curves: Curves, where: Where) -> Panel | None:
    found = [value for trace in where.branches.values() for value in trace.shares.tolist()]
    if not found:
        return None
    low, high, marks = ticks(min(0.0, *found), max(0.0, *found))
    paths = [
        _steps(trace.shares.tolist(), _edges(trace, where, curves.seconds), low, high, curves.seconds, shown(name).kind)
        for name, trace in where.branches.items()
        if len(trace.shares)
    ]
    keys = _keys(where) if _information(curves, where) is None else ()  # otherwise the panel above has them
    return Panel(f"Share in “{where.emotion}”", "nats a moment", low, high, marks, paths, keys)


def _keys(where: Where) -> list[Shown]:
    return [shown(name) for name in where.branches]


def _heard_times(curves: Curves) -> list[float]:
    return [curves.start_seconds + place * curves.hop_seconds for place in range(len(curves.hertz))]


def _centres(values: Tensor, where: Where) -> list[float]:
    return [where.start_seconds + (place + 0.5) * where.frame_seconds for place in range(len(values))]


def _edges(trace: BranchTrace, where: Where, seconds: float) -> list[float]:
    """Where the tokens begin, and the end of the last one, within the clip."""
    return [min(where.start_seconds + n * trace.token_seconds, seconds) for n in range(len(trace.shares) + 1)]


def _curve(
    times: Sequence[float], values: Sequence, low: float, high: float, curves: Curves, style: str = CURVE
) -> Path:
    """A line with a gap where a value is None."""
    placed = zip(times, values, strict=True)
    runs = [list(run) for there, run in groupby(placed, key=lambda pair: pair[1] is not None) if there]
    lines = [[(WIDTH * time / curves.seconds, _height(value, low, high)) for time, value in run] for run in runs]
    return Path(style, "".join(f"M{_points(line)}h.1" for line in lines))


def _steps(
    values: Sequence[float], edges: Sequence[float], low: float, high: float, seconds: float, style: str
) -> Path:
    """An area between zero and a step function."""
    zero, corners = _height(0.0, low, high), []
    for value, *around in zip(values, edges, edges[1:], strict=False):
        corners += [(WIDTH * edge / seconds, _height(value, low, high)) for edge in around]
    around = [(corners[0][0], zero), *corners, (corners[-1][0], zero)]
    return Path(f"xser-area {style}", f"M{_points(around)}Z")


def _apart(low: float, high: float, least: float) -> tuple[float, float]:
    missing = max(least - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _height(value: float, low: float, high: float) -> float:
    return HEIGHT * (high - value) / (high - low)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _box(panel: Panel, place: int) -> Box:
    top = place * (HEIGHT + GAP) + GAP - 8
    return Box(panel, top, [(top + _height(mark, panel.low, panel.high), mark) for mark in panel.marks])


def _pauses(curves: Curves) -> Iterator[tuple[float, float]]:
    """Pauses, as left edge and width in a box."""
    first = curves.start_seconds
    edges, spoken = [0.0, first], [False]
    for speaks, run in groupby(curves.speech.tolist()):
        edges.append(edges[-1] + len(list(run)) * curves.hop_seconds)
        spoken.append(speaks)
    for start, stop, speaks in zip(edges, [*edges[1:], curves.seconds], [*spoken, False], strict=True):
        width = WIDTH * (min(stop, curves.seconds) - start) / curves.seconds
        if not speaks and width > 0:
            yield WIDTH * start / curves.seconds, width


def _times(seconds: float) -> list[tuple[float, float]]:
    """Positions on the time axis in percent, and their seconds."""
    _, _, marks = ticks(0.0, seconds, TIME_TICKS)
    return [(100 * mark / seconds, mark) for mark in marks if mark <= seconds]
