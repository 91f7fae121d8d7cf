"""Every execution graph of a litmus program, without any reduction: the explorer's independent opponent.

Written from the axioms of RC11 (Lahav et al., PLDI 2017) as relations over all events, closed and composed literally,
and from nothing of the explorer's: no views, no incremental checks, no revisits. Any worker takes the next step, any
read reads any store, any store takes any place, and what breaks an axiom is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.explore.litmus import Instruction, LitmusProgram

ACQUIRING = {"acquire", "acq_rel", "seq_cst"}
RELEASING = {"release", "acq_rel", "seq_cst"}

Id = tuple[int, int]  # worker, index
Relation = list[int]  # for each event a bit set of its successors


@dataclass(frozen=True)
class Event:
    kind: str  # R, W, F or C
    order: str
    location: int = -1
    value: int = 0
    source: Id | None = None  # of a read; None is the initial store
    exclusive: bool = False  # half of a successful read-modify-write
    spurious: bool = False


@dataclass(frozen=True)
class Graph:
    workers: tuple[tuple[Event, ...], ...]
    stores: tuple[tuple[Id, ...], ...]  # per location, in modification order

    def text(self) -> str:
        """As the explorer's describe() writes it."""
        parts = []
        for number, worker in enumerate(self.workers):
            words = []
            for index, event in enumerate(worker):
                if event.kind == "F":
                    words.append("F")
                elif event.kind == "C":
                    words.append(f"C={event.value}")
                elif event.kind == "R":
                    source = "init" if event.source is None else "{}.{}".format(*event.source)
                    words.append(f"R{event.location}={event.value}<{source}" + "!" * event.spurious)
                else:
                    place = self.stores[event.location].index((number, index)) + 1
                    words.append(f"{'U' if event.exclusive else 'W'}{event.location}={event.value}@{place}")
            parts.append(" ".join(words))
        text = parts[0]
        for part in parts[1:]:
            text += " |" + (" " + part if part else "")
        return text


def compose(first: Relation, second: Relation) -> Relation:
    result = []
    for row in first:
        reached = 0
        for middle, successors in enumerate(second):
            if row >> middle & 1:
                reached |= successors
        result.append(reached)
    return result


def union(*relations: Relation) -> Relation:
    result = [0] * len(relations[0])
    for relation in relations:
        for index, row in enumerate(relation):
            result[index] |= row
    return result


def closure(relation: Relation) -> Relation:
    result = list(relation)
    for middle in range(len(result)):
        for index in range(len(result)):
            if result[index] >> middle & 1:
                result[index] |= result[middle]
    return result


def inverse(relation: Relation) -> Relation:
    result = [0] * len(relation)
    for index, row in enumerate(relation):
        for other in range(len(relation)):
            if row >> other & 1:
                result[other] |= 1 << index
    return result


def irreflexive(relation: Relation) -> bool:
    return not any(row >> index & 1 for index, row in enumerate(relation))


class Axioms:
    """The relations of one graph."""

    def __init__(self, graph: Graph) -> None:
        ids = [(w, i) for w, events in enumerate(graph.workers) for i in range(len(events))]
        number = {identity: index for index, identity in enumerate(ids)}
        self.events = [graph.workers[w][i] for w, i in ids]
        self.count = count = len(ids)
        self.po = self.relation(lambda a, b: ids[a][0] == ids[b][0] and ids[a][1] < ids[b][1])
        self.rf = [0] * count
        self.mo = [0] * count
        self.rb = [0] * count
        for order in graph.stores:
            for place, store in enumerate(order):
                for later in order[place + 1 :]:
                    self.mo[number[store]] |= 1 << number[later]
        for identity, index in number.items():
            event = graph.workers[identity[0]][identity[1]]
            if event.kind != "R":
                continue
            if event.source is not None:
                self.rf[number[event.source]] |= 1 << index
                self.rb[index] = self.mo[number[event.source]]
            else:
                for store in graph.stores[event.location]:
                    self.rb[index] |= 1 << number[store]
        self.rmw = self.relation(
            lambda a, b: (
                ids[a][0] == ids[b][0]
                and ids[a][1] + 1 == ids[b][1]
                and self.events[a].kind == "R"
                and self.events[a].exclusive
                and self.events[b].exclusive
            )
        )
        self.hb = closure(union(self.po, self.synchronizes()))
        self.eco = closure(union(self.rf, self.mo, self.rb))

    def relation(self, holds) -> Relation:  # type: ignore[no-untyped-def]
        count = self.count
        return [sum(1 << b for b in range(count) if holds(a, b)) for a in range(count)]

    def only(self, holds) -> Relation:  # type: ignore[no-untyped-def]
        """The identity on the events that are so."""
        return [1 << index if holds(event) else 0 for index, event in enumerate(self.events)]

    def identity(self) -> Relation:
        return [1 << index for index in range(self.count)]

    def synchronizes(self) -> Relation:
        maybe = self.identity()
        atomic_write = self.only(lambda e: e.kind == "W" and e.order != "plain")
        atomic_read = self.only(lambda e: e.kind == "R" and e.order != "plain")
        fence = self.only(lambda e: e.kind == "F")
        release = self.only(lambda e: e.order in RELEASING and e.kind in "WF")
        acquire = self.only(lambda e: e.order in ACQUIRING and e.kind in "RF")
        sequence = compose(atomic_write, union(maybe, closure(compose(self.rf, self.rmw))))
        before = union(maybe, compose(fence, self.po))
        after = union(maybe, compose(self.po, fence))
        path = compose(release, compose(before, compose(sequence, compose(self.rf, atomic_read))))
        return compose(path, compose(after, acquire))

    def same_location(self, relation: Relation, same: bool) -> Relation:
        locations = [event.location for event in self.events]
        kept = []
        for index, row in enumerate(relation):
            mask = 0
            for other in range(self.count):
                equal = locations[index] == locations[other] and locations[index] >= 0
                if equal == same and self.events[index].kind != "C" and self.events[other].kind != "C":
                    mask |= 1 << other
            kept.append(row & mask)
        return kept

    def psc(self) -> Relation:
        maybe = self.identity()
        elsewhere = self.same_location(self.po, same=False)
        scb = union(
            self.po,
            compose(elsewhere, compose(self.hb, elsewhere)),
            self.same_location(self.hb, same=True),
            self.mo,
            self.rb,
        )
        access = self.only(lambda e: e.order == "seq_cst" and e.kind in "RW")
        fence = self.only(lambda e: e.order == "seq_cst" and e.kind == "F")
        maybe_hb = union(maybe, self.hb)
        base = compose(union(access, compose(fence, maybe_hb)), compose(scb, union(access, compose(maybe_hb, fence))))
        between = union(self.hb, compose(self.hb, compose(self.eco, self.hb)))
        return union(base, compose(fence, compose(between, fence)))

    def consistent(self, model: str) -> bool:
        if not irreflexive(closure(union(self.po, self.rf))):
            return False
        for index, row in enumerate(compose(self.rb, self.mo)):  # atomicity
            if row & self.rmw[index]:
                return False
        if model == "sc":
            return irreflexive(closure(union(self.po, self.rf, self.mo, self.rb)))
        return (
            irreflexive(self.hb)
            and irreflexive(compose(self.hb, self.eco))
            and irreflexive(self.eco)
            and irreflexive(closure(self.psc()))
        )

    def racy(self) -> bool:
        for a, first in enumerate(self.events):
            for b in range(a):
                second = self.events[b]
                if (
                    first.location == second.location >= 0
                    and "W" in (first.kind, second.kind)
                    and "plain" in (first.order, second.order)
                    and not (self.hb[a] >> b & 1 or self.hb[b] >> a & 1)
                ):
                    return True
        return False


def enumerate_graphs(program: LitmusProgram, model: str = "rc11", spurious_failures: int = 1) -> tuple[set[str], bool]:
    """The texts of all complete consistent graphs, and whether some consistent graph has a race."""
    start = Graph(tuple(() for _ in program.workers), tuple(() for _ in range(program.locations)))
    positions = tuple(0 for _ in program.workers)
    lasts = tuple(0 for _ in program.workers)
    pending = [(start, positions, lasts)]
    seen = {(start, positions)}
    complete: set[str] = set()
    race = False
    while pending:
        graph, positions, lasts = pending.pop()
        finished = True
        for worker, code in enumerate(program.workers):
            if positions[worker] >= len(code):
                continue
            finished = False
            for extended, last, position in step(
                graph, worker, code, positions[worker], lasts[worker], spurious_failures
            ):
                axioms = Axioms(extended)
                if not axioms.consistent(model):
                    continue
                race = race or axioms.racy()
                state = (extended, (*positions[:worker], position, *positions[worker + 1 :]))
                if state not in seen:
                    seen.add(state)
                    pending.append((*state, (*lasts[:worker], last, *lasts[worker + 1 :])))
        if finished:
            complete.add(graph.text())
    return complete, race


def step(
    graph: Graph, worker: int, code: Sequence[Instruction], position: int, last: int, spurious_failures: int
) -> Iterator[tuple[Graph, int, int]]:
    """Every way to go on by one instruction: the graph, the last value read, the next instruction."""
    instruction = code[position]
    after = position + 1
    if instruction.code == "guard":
        yield graph, last, after if last == instruction.value else len(code)
    elif instruction.code == "fence":
        yield append(graph, worker, Event("F", instruction.order)), last, after
    elif instruction.code == "choose":
        for value in range(instruction.value):
            yield append(graph, worker, Event("C", "relaxed", value=value)), value, after
    elif instruction.code == "store":
        event = Event("W", instruction.order, instruction.location, instruction.value)
        for extended in place(graph, worker, event):
            yield extended, last, after
    else:
        for source in (None, *graph.stores[instruction.location]):
            yield from read(graph, worker, instruction, source, after, spurious_failures)


def read(
    graph: Graph, worker: int, instruction: Instruction, source: Id | None, after: int, spurious_failures: int
) -> Iterator[tuple[Graph, int, int]]:
    location = instruction.location
    found = 0 if source is None else graph.workers[source[0]][source[1]].value
    event = Event("R", instruction.order, location, found, source)
    if instruction.code == "load" or (instruction.code == "await" and found == instruction.value):
        yield append(graph, worker, event), found, after
    elif instruction.code in ("add", "exchange") or (
        instruction.code in ("compare", "compare_weak") and found == instruction.expected
    ):
        written = found + instruction.value if instruction.code == "add" else instruction.value
        reading = append(graph, worker, replace(event, exclusive=True))
        writing = Event("W", instruction.order, location, written, exclusive=True)
        for extended in place(reading, worker, writing):
            yield extended, found, after
        failed = sum(other.spurious for other in graph.workers[worker])
        if instruction.code == "compare_weak" and failed < spurious_failures:
            yield append(graph, worker, replace(event, order=instruction.failure, spurious=True)), found, after
    elif instruction.code in ("compare", "compare_weak"):
        yield append(graph, worker, replace(event, order=instruction.failure)), found, after


def append(graph: Graph, worker: int, event: Event) -> Graph:
    workers = (*graph.workers[:worker], (*graph.workers[worker], event), *graph.workers[worker + 1 :])
    return replace(graph, workers=workers)


def place(graph: Graph, worker: int, event: Event) -> Iterator[Graph]:
    extended = append(graph, worker, event)
    identity = (worker, len(graph.workers[worker]))
    order = graph.stores[event.location]
    for at in range(len(order) + 1):
        stores = (*order[:at], identity, *order[at:])
        yield replace(extended, stores=(*graph.stores[: event.location], stores, *graph.stores[event.location + 1 :]))
