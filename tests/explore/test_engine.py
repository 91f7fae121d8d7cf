"""One exploration shared by several processes and machines: every execution once, whoever dies on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import harness.cluster
from harness import _explorer
from harness.engine import Engine, EngineError, EngineLost, EngineUnreachable, deal, open_engine
from harness.explore import ExploreError, examine, replay
from harness.explore.parts import Part, Piece, Seen, Task, explore_part
from harness.explore.programs import CONVICTING, SMALL, WITH_DEAD
from harness.explore.sharing import Collected, Shares, collect
from harness.stress import EXECUTORS, Cell, stress
from harness.verdict import Outcome
from scenarios import SCENARIOS

GOLDEN = {(3, 3): 81_124, (4, 2): 486_136}


def explore_queue(size: tuple[int, int], parts: list[str]) -> tuple[int, list[str]]:
    """Complete executions, and what is left after some hundredths of a second."""
    result = _explorer.explore(_explorer.vyukov_queue(*size), waiting=False, seconds=0.03, parts=parts)
    return result.complete, result.left


def explore_queue_or_die(size: tuple[int, int], marker: Path, parts: list[str]) -> tuple[int, list[str]]:
    """As `explore_queue`, but whoever comes fifth is killed when it has its result in hand."""
    seen = explore_queue(size, parts)
    for turn in range(1, 6):
        try:
            marker.with_name(f"{marker.name}{turn}").touch(exist_ok=False)
        except FileExistsError:
            continue
        if turn == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        break
    return seen


def share_queue(engine: Engine, size: tuple[int, int], marker: Path | None = None) -> int:
    """Complete executions of a queue that is shared out over an engine, on which somebody dies if there is a marker."""
    work = partial(explore_queue, size) if marker is None else partial(explore_queue_or_die, size, marker)
    complete, left = explore_queue(size, [])

    def next_part(free: int) -> list[str] | None:
        taken = left[:: free + 1]
        del left[:: free + 1]
        return taken or None

    for _, (seen, more) in deal(engine, work, next_part):
        complete += seen
        left += more
    return complete


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_an_execution_counts_against_the_bound_however_it_ends() -> None:
    shares = Shares([Piece(), Piece()], 10, time.monotonic() + 60, alone=True)
    part = shares.first()
    assert part is not None
    assert part.executions == 10
    shares.take_back(part, [Seen(executions=1, cut=2, bounded=3, left=(Piece(),))])
    part = shares.next_part(1)
    assert part is not None
    assert part.executions == 4
    shares.take_back(part, [Seen(executions=1, cut=1, bounded=2, left=(Piece(),))])
    assert shares.next_part(1) is None


@pytest.mark.parametrize("before", [Collected(executions=5), Collected(cut=5), Collected(bounded=5)])
def test_what_was_seen_before_belongs_to_the_same_bound(before: Collected) -> None:
    task = Task(CONVICTING["full"], "exhaustive", "rc11", "", 2)
    spent = before.executions + before.cut + before.bounded
    with open_engine("", 1, None) as engine:
        seen = collect(engine, task, [Piece()], executions=7, deadline=time.monotonic() + 60, collected=before)
    assert seen.executions + seen.cut + seen.bounded - spent == 2
    assert not seen.exhausted


# --- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.parametrize("executions", [1, 7, 100])
def test_parts_are_disjoint_and_together_everything(executions: int, waiting: bool) -> None:
    whole = _explorer.explore(_explorer.vyukov_queue(3, 2), waiting=waiting, graphs=True)
    parts: list[str] = []
    graphs: set[str] = set()
    complete = cut = 0
    while True:
        # another subject each time, as in another process
        seen = _explorer.explore(
            _explorer.vyukov_queue(3, 2), waiting=waiting, executions=executions, graphs=True, parts=parts
        )
        assert not seen.graphs & graphs
        assert seen.repeated == 0
        graphs |= seen.graphs
        complete, cut, parts = complete + seen.complete, cut + seen.cut, seen.left
        assert seen.exhausted == (not parts)
        if not parts:
            break
    assert graphs == whole.graphs
    assert (complete, cut) == (whole.complete, whole.cut)


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_the_channel_goes_on_from_its_parts_in_both_models(model: str) -> None:
    program, kills = WITH_DEAD["dead writer"], ((0, 9),)
    task = Task(program, "crash", model, "", 2)  # type: ignore[arg-type]
    pieces: tuple[Piece, ...] = (Piece(kills),)
    (whole,) = explore_part(task, Part(pieces, 2**63, 60.0, 60.0))
    assert not whole.left
    executions = cut = rounds = 0
    while pieces:
        (seen,) = explore_part(task, Part(pieces, 1, 60.0, 60.0))
        executions, cut, rounds, pieces = executions + seen.executions, cut + seen.cut, rounds + 1, seen.left
    assert (executions, cut) == (whole.executions, whole.cut)
    assert rounds == executions + cut


def a_part() -> str:
    return _explorer.explore(_explorer.vyukov_queue(2, 2), executions=1).left[0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda part: part.replace("part1", "part9"), "does not begin with 'part1:'"),
        (lambda part: part[:6] + "00000000" + part[14:], "is not of the program"),
        (lambda part: part[: part.index(";")], "lacks its events or its alternative"),
        (lambda part: part[: part.index(";")] + ";q1", "has an alternative that is none of"),
        (lambda part: part + "A", "goes on after its end"),
        (lambda part: part.replace(";", "A99;"), "the program does not do what the part says"),
        (lambda part: part.replace(";", "H;"), "the workers stop before its last event"),
    ],
)
def test_a_part_that_is_malformed_or_of_another_program_is_refused(spoil: Callable[[str], str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _explorer.explore(_explorer.vyukov_queue(2, 2), parts=[spoil(a_part())])


def test_a_part_of_another_build_is_refused() -> None:
    task = Task(SMALL["swsr"], "exhaustive", "rc11", "", 2, build="0123456789abcdef")
    with pytest.raises(ExploreError, match="install the same package everywhere"):
        explore_part(task, Part((Piece(),), 1, 1.0, 1.0))


# --- processes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("size", GOLDEN)
def test_several_processes_see_exactly_the_executions_of_one(size: tuple[int, int], jobs: int) -> None:
    with open_engine("processes", jobs) as engine:
        assert share_queue(engine, size) == GOLDEN[size]
        assert engine.parts >= 1
        assert engine.resubmitted == 0


@pytest.mark.parametrize("name", ["swsr", "mwsr"])
def test_a_scenario_has_the_same_executions_and_histories_whoever_explores_it(name: str) -> None:
    alone = examine(SMALL[name])
    assert (alone.engine, alone.jobs, alone.parts) == ("here", 1, 1)
    for jobs in (2, 3):
        shared = examine(SMALL[name], jobs=jobs)
        assert (shared.executions, shared.cut, shared.histories) == (alone.executions, alone.cut, alone.histories)
        assert (shared.verdict.outcome, shared.verdict.reason) == (Outcome.PASS, alone.verdict.reason)
        assert (shared.engine, shared.jobs) == ("processes", jobs)


def test_the_bound_on_executions_holds_over_all_parts() -> None:
    seen = examine(SMALL["mwmr"], jobs=2, executions=50_000)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert 50_000 - 8 <= seen.executions + seen.cut <= 50_000


def test_the_bound_on_seconds_holds_over_all_parts() -> None:
    seen = examine(SMALL["mwmr"], jobs=2, seconds=0.2)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, and nothing found" in seen.verdict.reason
    assert seen.executions < examine(SMALL["mwmr"]).executions


@pytest.mark.parametrize("driver", ["pct", "pos", "uniform"])
def test_random_walks_are_the_same_ones_whoever_makes_them(driver: str) -> None:
    alone = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=5)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as executor:
        shared = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=5, jobs=2, executor=executor)  # type: ignore[arg-type]
    assert (shared.executions, shared.cut, shared.histories) == (alone.executions, alone.cut, alone.histories)
    assert alone.executions + alone.cut == 7_000
    other = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=6)  # type: ignore[arg-type]
    assert other.executions + other.cut == 7_000


# --- who dies ------------------------------------------------------------------------------------------------------


def double(number: int) -> int:
    return 2 * number


def die_at_seven(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return double(number)


def fail_at_seven(number: int) -> int:
    if number == 7:
        raise ArithmeticError("seven")
    return double(number)


def numbers(count: int) -> Callable[[int], int | None]:
    following = iter(range(count))
    return lambda free: next(following, None)


def test_what_a_dead_process_had_is_done_by_another_and_counted_once(tmp_path: Path) -> None:
    with open_engine("processes", 2) as engine:
        assert share_queue(engine, (4, 2), tmp_path / "turn") == GOLDEN[4, 2]
        assert engine.resubmitted >= 1


def test_a_part_that_kills_whoever_takes_it_is_given_up_with_a_reason() -> None:
    done: list[tuple[int, int]] = []
    with open_engine("processes", 2) as engine, pytest.raises(EngineLost, match="3 processes died of the same part"):
        done.extend(deal(engine, die_at_seven, numbers(20)))
    assert all(result == 2 * part for part, result in done)
    assert len(dict(done)) == len(done) < 20


def test_an_exception_in_a_part_is_raised_and_not_tried_again() -> None:
    with open_engine("processes", 2) as engine, pytest.raises(ArithmeticError, match="seven"):
        list(deal(engine, fail_at_seven, numbers(20)))
    assert engine.resubmitted == 0


def test_an_executor_of_somebody_else_that_breaks_makes_the_verdict_inconclusive() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(RuntimeError, match="terminated"):
            executor.submit(die_at_seven, 7).result()
        seen = examine(SMALL["mwmr"], jobs=2, executor=executor)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, since the executor takes no more work" in seen.verdict.reason
    assert not seen.exhausted


class Odd(Executor):
    """Does every other part at once, and the rest never."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.futures.append(future)
        if len(self.futures) % 2 == 0:
            future.set_result(work(*arguments, **named))
        return future


def test_a_failure_found_by_one_part_calls_off_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shares, "first", lambda self: None)  # nothing is explored but by the executor
    executor = Odd()
    program, mutant = CONVICTING["alone 32"], "publish-relaxed"
    seen = examine(program, driver="pct", executions=100_000, mutant=mutant, jobs=2, executor=executor)
    assert seen.verdict.outcome is Outcome.FAIL
    assert executor.futures[0].cancelled()
    assert replay(program, seen.schedule, mutant=mutant).splitlines()[-1].startswith(seen.verdict.rule)


def test_an_engine_that_does_not_answer_is_lost() -> None:
    executor = Odd()
    with pytest.raises(EngineLost, match="has not answered for"):
        list(deal(Engine("odd", 2, lambda: executor), double, numbers(3), patience=0.05))
    assert executor.futures[0].cancelled()


@pytest.mark.parametrize(
    "workers", [ThreadPoolExecutor, partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"))]
)
def test_any_executor_will_do(workers: Callable[[int], Executor]) -> None:
    alone = examine(SMALL["swsr"])
    with workers(2) as executor:
        for _ in range(2):  # it stays open
            seen = examine(SMALL["swsr"], jobs=2, executor=executor)
            assert (seen.executions, seen.cut, seen.histories) == (alone.executions, alone.cut, alone.histories)
            assert (seen.engine, seen.exhausted) == ("executor", True)


@pytest.mark.parametrize(
    ("name", "jobs", "message"),
    [
        ("quantum", None, "unknown engine 'quantum'; there are here, processes and dask://HOST:PORT"),
        ("processes", 0, "jobs is a whole number from 1; got 0"),
        ("here", 2, "the engine 'here' has one job, not 2"),
        ("dask://nowhere", None, "a cluster's address is dask://HOST:PORT; got 'dask://nowhere'"),
    ],
)
def test_an_engine_that_there_is_not_is_refused(name: str, jobs: int | None, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        examine(SMALL["swsr"], engine=name, jobs=jobs)


# --- a cluster -----------------------------------------------------------------------------------------------------


@contextmanager
def running_cluster(workers: int) -> Iterator[tuple[str, int]]:
    """The address of a cluster of so many worker processes, and the process of its scheduler."""
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    commands = [["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter"]]
    commands += [["dask_worker", f"127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * workers
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command, *options in commands
    ]
    try:
        with distributed.Client(f"tcp://127.0.0.1:{port}", timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield f"dask://127.0.0.1:{port}", processes[0].pid
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with running_cluster(2) as (address, _):
        yield address


def test_a_cluster_explores_exactly_what_one_process_does(cluster: str) -> None:
    alone = examine(SMALL["swsr"])
    seen = examine(SMALL["swsr"], engine=cluster)
    assert (seen.executions, seen.cut, seen.histories) == (alone.executions, alone.cut, alone.histories)
    assert (seen.verdict.outcome, seen.engine, seen.jobs) == (Outcome.PASS, cluster, 2)
    convicted = examine(CONVICTING["two sleepers"], mutant="bump-seq-relaxed", engine=cluster)
    assert convicted.verdict.rule == "stuck"


def test_a_cluster_runs_the_rounds_of_a_stress_campaign(cluster: str) -> None:
    scenario = SCENARIOS["swsr"]
    for executor in EXECUTORS:
        with open_engine(cluster) as engine:
            record = stress(
                scenario, scenario.parameters(messages=20_000), Cell(executor), seeds=2, engine=engine
            ).record
        assert record.outcome is Outcome.PASS, record
        assert (record.details["rounds"], record.details["engine"]) == (2, cluster)


def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(cluster: str, tmp_path: Path) -> None:
    with open_engine(cluster) as engine:
        assert engine.jobs == 2
        assert share_queue(engine, (4, 2), tmp_path / "turn") == GOLDEN[4, 2]
        assert engine.resubmitted >= 1
    assert (tmp_path / "turn5").exists()
    with open_engine(cluster) as engine:
        assert engine.jobs == 1  # the other is gone


def test_a_part_that_kills_the_workers_of_a_cluster_one_after_another_is_given_up(cluster: str) -> None:
    with open_engine(cluster, 1) as engine, pytest.raises(EngineLost, match=r"died|has not answered"):
        list(deal(engine, die_at_seven, numbers(8), patience=3.0))


def test_a_cluster_whose_scheduler_dies_makes_the_verdict_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.cluster, "CONNECT_S", 2.0)
    monkeypatch.setattr(Shares, "first", lambda self: os.kill(scheduler, signal.SIGKILL))
    with running_cluster(1) as (address, scheduler):
        seen = examine(SMALL["mwmr"], engine=address)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert f"not exhausted, since the scheduler of the cluster at {address} is gone" in seen.verdict.reason


def test_an_address_where_nobody_answers_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr(harness.cluster, "CONNECT_S", 0.5)
    with pytest.raises(EngineUnreachable, match=r"no dask scheduler answers at dask://127\.0\.0\.1:9 within"):
        examine(SMALL["swsr"], engine="dask://127.0.0.1:9")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match=r"pip install 'ipc-channel-harness\[dask\]'"):
        examine(SMALL["swsr"], engine="dask://127.0.0.1:8786")
