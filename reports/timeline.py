"""The timeline of a history around its witness: a lane per worker, a bar from call to return, and the same as a table.

Positions are percentages of the drawing's width, so that zooming is a matter of width alone: neither text nor strokes
are stretched. The axis is linear, except that a gap in which nothing happens takes no more room than a few usual ones;
every such gap is marked, and the widest say how long they are.
"""

from __future__ import annotations

import bisect
import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.record import Timeline, TimelineCall
from harness.words import counted

__all__ = ["Drawing", "draw"]

_LANE, _BAR, _TOP = 24, 12, 34
_MOST_OWN_LANES = 32
"""Beyond so many workers, those without a part in the witness share lanes."""
_MOST_SHARED_LANES = 32
_USUAL_GAP, _WIDEST_GAP = 0.9, 4.0
"""A gap is cut where it exceeds this quantile of all gaps so many times."""
_MOST_GAP_LABELS, _LABEL_WIDTH = 8, 8.0
_TICKS, _FINER = 8, (4, 4)
"""Ticks of the whole width, and how many times as many there are when it is zoomed once and twice as far."""
_PRINTED_AROUND = 12
_MOST_WITH_INSTANTS = 120
"""Beyond so many calls the instants are shown only when zoomed."""
_STYLES = 6
_KNOWN = {"write": 0, "try_write": 0, "write_many": 0, "read": 1, "try_read": 1, "read_many": 1, "peek": 2, "skip": 3}
_KNOWN |= {"skip_force": 4, "cas": 2, "enqueue": 0, "dequeue": 1}
_HATCH = (
    '<defs><pattern id="{0}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="hb"/><rect width="2.4" height="6" class="hs"/></pattern></defs>'
)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        operation: its row in the history. mark: what it is in the witness, or empty. printed: on paper too.
    """

    operation: str
    worker: str
    kind: str
    told: str
    begin: str
    took: str
    rank: str
    mark: str
    printed: bool


@dataclass(frozen=True)
class Drawing:
    """What the page needs.

    Attributes:
        anchor: unique in the page. names: of the lanes. svg: an element. rows: in the order of the bars.
        links: by row of the history, where it is drawn, what a link to it is. legend: (class, words).
        origin: what the axis counts from. cut: how much was left out, or empty. caller: what who calls is called.
    """

    anchor: str
    names: Sequence[str]
    lane: int
    top: int
    svg: str
    rows: Sequence[Row]
    links: dict[int, str]
    legend: Sequence[tuple[str, str]]
    origin: str
    cut: str
    prefix: str
    caller: str


def draw(timeline: Timeline, anchor: str, most: int, *, first: bool) -> Drawing:
    """Draw the calls nearest to the witness.

    Args:
        timeline: to draw. anchor: unique in the page. most: calls. first: of the page: links need not name it.
    """
    calls = [call for call in timeline.calls if call.near < most]
    marked = {row for row in (*timeline.witness, timeline.stuck) if row is not None}
    while (lanes := _lanes(calls, marked, timeline.caller)) is None:
        most //= 2
        calls = [call for call in calls if call.near < most]
    axis = _Axis.over(calls)
    marks = _marks(timeline)
    styles = _styles(calls)
    suffix = "" if first else f"&in={anchor}"
    height = _TOP + _LANE * len(lanes.names)
    parts = [_HATCH.format(anchor), *_grid(axis, timeline.clock, height, len(lanes.names))]
    rows, links = [], {}
    for call in calls:
        mark = next((marks[row] for row in call.rows if row in marks), "")
        name = f"op={call.rows[0]}{suffix}"
        links.update(dict.fromkeys(call.rows, f"#{name}"))
        y = _TOP + _LANE * lanes.of[call.rows[0]] + (_LANE - _BAR) // 2
        parts += _bar(call, axis, y, name, mark, styles[call.kind], anchor)
        rows.append(_row(call, timeline, mark, axis.begin))
    label = f"Timeline of {counted(len(calls), 'call')} in {counted(len(lanes.names), 'lane')}"
    label += "; the table below says the same"
    many = " many" if len(calls) > _MOST_WITH_INSTANTS else ""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl-svg{many}" width="100%" height="{height}" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(parts)}</svg>'
    )
    legend = [
        (f"c k{style}", ", ".join(kind for kind in styles if styles[kind] == style))
        for style in sorted(set(styles.values()))
    ]
    left_out = timeline.total - len(calls)
    where = f", {timeline.around}" if timeline.around else ""
    cut = f"{len(calls):,} of {timeline.total:,} calls are drawn{where}." if left_out else ""
    origin = f"0 is {_time(axis.begin, timeline.clock)} after the history began." if axis.begin else ""
    words = (origin, cut, timeline.prefix, timeline.caller)
    return Drawing(anchor, lanes.names, _LANE, _TOP, svg, rows, links, legend, *words)


# ---- lanes


@dataclass(frozen=True)
class _Lanes:
    """Names of the lanes, and by a call's first row the lane that it is in."""

    names: list[str]
    of: dict[int, int] = field(default_factory=dict)


def _lanes(calls: Sequence[TimelineCall], marked: set[int], caller: str) -> _Lanes | None:
    """A lane per worker; where there are too many, one per worker of the witness, and the others share.

    None if more lanes would be needed than can be read.
    """
    workers = sorted({call.worker for call in calls}, key=_natural)
    if len(workers) > _MOST_OWN_LANES:
        involved = {call.worker for call in calls if marked & set(call.rows)}
        workers = [worker for worker in workers if worker in involved][:_MOST_OWN_LANES]
    own = {worker: number for number, worker in enumerate(workers)}
    lanes = _Lanes([f"{caller} {worker}" for worker in workers])
    free: list[int] = []
    for call in calls:
        if call.worker in own:
            lanes.of[call.rows[0]] = own[call.worker]
            continue
        place = next((number for number, until in enumerate(free) if until < call.invoked), len(free))
        if place == _MOST_SHARED_LANES:
            return None
        if place == len(free):
            free.append(0)
            lanes.names.append("others")
        # what never returned is drawn as a line that takes no room
        free[place] = call.invoked if call.returned is None else call.returned
        lanes.of[call.rows[0]] = len(own) + place
    return lanes


def _natural(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdigit() else (1, 0, name)


# ---- the axis


@dataclass(frozen=True)
class _Axis:
    """Times to percentages of the width: piecewise linear between the instants at which something happens."""

    times: list[int]
    places: list[float]
    gaps: list[int]  # numbers of the pieces that are cut

    @classmethod
    def over(cls, calls: Sequence[TimelineCall]) -> _Axis:
        found = {call.invoked for call in calls} | {call.point for call in calls if call.point is not None}
        times = sorted(found | {call.returned for call in calls if call.returned is not None})
        lengths = [after - before for before, after in itertools.pairwise(times)]
        usual = sorted(lengths)[int(_USUAL_GAP * (len(lengths) - 1))] if lengths else 1
        cut = [min(length, _WIDEST_GAP * usual) for length in lengths]
        gaps = [number for number, length in enumerate(lengths) if length > _WIDEST_GAP * usual]
        total = sum(cut) or 1.0
        places, reached = [1.0], 0.0
        for length in cut:
            reached += length
            places.append(1.0 + 98.0 * reached / total)
        return cls(times or [0], places, gaps)

    @property
    def begin(self) -> int:
        return self.times[0]

    def place(self, time: int) -> float:
        """Of an instant at which something happens."""
        return self.places[bisect.bisect_left(self.times, time)]

    def time(self, place: float) -> float:
        """The instant that is drawn at a place."""
        after = min(max(bisect.bisect_left(self.places, place), 1), len(self.places) - 1)
        if len(self.places) == 1:
            return float(self.begin)
        low, high = self.places[after - 1], self.places[after]
        share = (place - low) / (high - low) if high > low else 0.0
        return self.times[after - 1] + share * (self.times[after] - self.times[after - 1])

    def at(self, time: int) -> float:
        """Of any instant of the axis."""
        if len(self.times) == 1:
            return self.places[0]
        after = min(max(bisect.bisect_left(self.times, time), 1), len(self.times) - 1)
        share = (time - self.times[after - 1]) / (self.times[after] - self.times[after - 1])
        return self.places[after - 1] + share * (self.places[after] - self.places[after - 1])


def _grid(axis: _Axis, clock: str, height: int, lanes: int) -> list[str]:
    """Lanes, ticks, and the gaps that were cut."""
    parts = [
        f'<rect x="0" y="{_TOP + _LANE * lane}" width="100%" height="{_LANE}" class="lane"/>'
        for lane in range(1, lanes, 2)
    ]
    finest = _TICKS * _FINER[0] * _FINER[1]
    steps = (_FINER[0] * _FINER[1], _FINER[1], 1)
    labelled: set[str] = set()
    for level, step in enumerate(steps):
        for tick in range(0, finest, step):
            if level and tick % steps[level - 1] == 0:
                continue  # stands already
            time = round(axis.time(1.0 + 98.0 * tick / finest))
            words = _time(time - axis.begin, clock)
            if words in labelled:  # a short history has fewer instants than there are ticks
                continue
            labelled.add(words)
            place = axis.at(time)  # which is not where it was before it was rounded
            parts.append(f'<text x="{place:.2f}%" y="12" class="t{level}">{words}</text>')
            if level == 0:
                parts.append(f'<line x1="{place:.2f}%" x2="{place:.2f}%" y1="16" y2="{height}" class="g"/>')
    lengths = {number: axis.times[number + 1] - axis.times[number] for number in axis.gaps}
    said: list[float] = []
    for number, length in sorted(lengths.items(), key=lambda item: -item[1]):
        low, high = axis.places[number], axis.places[number + 1]
        parts.append(f'<rect x="{low:.3f}%" y="16" width="{high - low:.3f}%" height="{height - 16}" class="gap"/>')
        middle = (low + high) / 2
        if len(said) < _MOST_GAP_LABELS and all(abs(middle - other) > _LABEL_WIDTH for other in said):
            said.append(middle)
            anchor = "start" if middle < _LABEL_WIDTH / 2 else "end" if middle > 100 - _LABEL_WIDTH / 2 else "middle"
            words = f"//{_time(length, clock)}//"
            parts.append(f'<text x="{middle:.2f}%" y="27" class="cut" text-anchor="{anchor}">{words}</text>')
    return parts


# ---- calls


def _marks(timeline: Timeline) -> dict[int, str]:
    """By row its number in the witness, or that the prefix sticks at it."""
    marks = {row: str(number) for number, row in enumerate(timeline.witness, 1)}
    if timeline.stuck is not None:
        marks[timeline.stuck] = f"{marks.get(timeline.stuck, '')} stuck".strip()
    return marks


def _styles(calls: Sequence[TimelineCall]) -> dict[str, int]:
    """By kind the style of its bars: one of its own as long as there are enough."""
    kinds = sorted({call.kind for call in calls})
    known = {kind: _KNOWN[kind] for kind in kinds if kind in _KNOWN}
    others = [kind for kind in kinds if kind not in _KNOWN]
    free = [style for style in range(_STYLES) if style not in known.values()] or [_STYLES - 1]
    return known | {kind: free[number % len(free)] for number, kind in enumerate(others)}


def _bar(call: TimelineCall, axis: _Axis, y: int, name: str, mark: str, style: int, anchor: str) -> list[str]:
    begin = axis.place(call.invoked)
    end = begin + 0.4 if call.returned is None else axis.place(call.returned)
    classes = f"c k{style}{'' if call.outcome == 'ok' else ' x'}"
    hatch = f' style="fill:url(#{anchor}-hatch)"' if mark else ""
    rows = f' data-rows="{_ranges(call.rows)}"' if len(call.rows) > 1 else ""
    parts = [
        f'<rect id="{html.escape(name)}" class="{classes}{" w" if mark else ""}" x="{begin:.3f}%" y="{y}" '
        f'width="{max(end - begin, 0.01):.3f}%" height="{_BAR}"{hatch}{rows}/>'
    ]
    if call.returned is None:
        middle = y + _BAR // 2
        parts.append(f'<line x1="{begin:.3f}%" x2="100%" y1="{middle}" y2="{middle}" class="pending"/>')
    if call.point is not None:
        parts.append(f'<circle cx="{axis.place(call.point):.3f}%" cy="{y + _BAR // 2}" r="2.5"/>')
    if mark:
        parts.append(f'<text x="{begin:.3f}%" y="{y - 1}" class="mark">{mark}</text>')
    return parts


def _row(call: TimelineCall, timeline: Timeline, mark: str, begin: int) -> Row:
    took = "never returned" if call.returned is None else _time(call.returned - call.invoked, timeline.clock)
    return Row(
        operation=_ranges(call.rows),
        worker=call.worker,
        kind=call.kind,
        told=call.told,
        begin=_time(call.invoked - begin, timeline.clock),
        took=took,
        rank="" if call.rank is None else f"{call.rank:,}",
        mark=mark,
        printed=call.near <= _PRINTED_AROUND,
    )


def _ranges(rows: Sequence[int]) -> str:
    """``8 10-12``."""
    begins = [row for number, row in enumerate(rows) if not number or rows[number - 1] != row - 1]
    ends = [row for number, row in enumerate(rows, 1) if number == len(rows) or rows[number] != row + 1]
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in zip(begins, ends, strict=True))


def _time(duration: int, clock: str) -> str:
    if clock == "order":
        return f"{duration:,}"
    for unit, sign in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if duration >= unit:
            return f"{duration / unit:.4g} {sign}"
    return f"{duration} ns"
