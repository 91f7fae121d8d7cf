"""A state machine that tests the naive queue from one thread, and passes; run in parallel, it finds the bug.

python -m examples.naive_queue_machine
"""

from __future__ import annotations

import queue

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from examples.naive_queue import CAPACITY, NaiveQueue
from harness.stateful.machine_specification import from_machine
from harness.stateful.parallel import check_parallel


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.subject = NaiveQueue()
        self.model: list[int] = []

    @rule(item=st.integers(0, 9))
    def put(self, item: int) -> None:
        try:
            self.subject.put(item)
        except queue.Full:
            assert len(self.model) == CAPACITY
        else:
            self.model.append(item)
            assert len(self.model) <= CAPACITY

    @rule()
    def get(self) -> None:
        try:
            item = self.subject.get()
        except queue.Empty:
            assert not self.model
        else:
            assert item == self.model.pop(0)


if __name__ == "__main__":
    run_state_machine_as_test(QueueMachine)
    check_parallel(*from_machine(QueueMachine))
