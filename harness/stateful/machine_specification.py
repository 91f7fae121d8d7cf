"""A `RuleBasedStateMachine` as a sequential specification: what the rules assert of a sequence, asked of every order.

The form. The machine keeps the object under test in one attribute, and its model in others. A rule is one operation:
in every state of the model it makes the same one call of a method of the object, with arguments that come from its own,
and asserts what the model says of the answer::

    @rule(item=st.integers(0, 9))
    def put(self, item):
        if len(self.model) < 2:
            assert self.subject.put(item) is None
            self.model.append(item)
        else:
            with pytest.raises(queue.Full):
                self.subject.put(item)

Which call a rule makes is asked once, on a new machine. In parallel, only the call is made; then, for a candidate
order, a new machine runs the rules one after another, while a stand-in for the object answers as was observed. An order
explains the observation if no rule raises.

Outside the form, and refused: preconditions, bundles and targets, ``initialize`` rules, ``data()``. What they depend on
is not known while calls overlap. Invariants are not asked (between calls that overlap there is no moment at which they
would have to hold), nor is ``teardown`` called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import Bundle, Rule, RuleBasedStateMachine, rule

from harness.checks.specifications import Operation
from harness.checks.specifications.operation import NOT_ITS_OWN
from harness.stateful.observation import Call, ParallelError, Raised

__all__ = ["MachineSpecification", "RuleCall", "from_machine"]

_ONE_CALL = "to be run in parallel, a rule makes one call, the same in every state"


@dataclass(frozen=True, repr=False)
class RuleCall(Call):
    """The call that a rule makes, and the rule with the arguments that it was given."""

    rule: str = ""
    given: tuple[tuple[str, Any], ...] = ()

    def operation(self, result: Any, worker: int) -> Operation:
        """Everything that playing the rule back takes."""
        return Operation(self.rule, self, result, process=worker)


def from_machine(
    machine: type[RuleBasedStateMachine], subject: str = "subject"
) -> tuple[Callable[[], Any], MachineSpecification, st.SearchStrategy[RuleCall]]:
    """What `check_parallel` takes: how an object is made, what it should do, and the calls to draw.

    Args:
        machine: of the form above. subject: its attribute that holds the object under test.

    Raises:
        ParallelError: it is not of the form; or Python runs without ``assert``, and the rules would assert nothing.
    """
    if not __debug__:
        raise ParallelError("Python runs with -O or PYTHONOPTIMIZE, so that no rule asserts anything; run it without")
    specification = MachineSpecification(machine, subject)
    return specification.make, specification, st.one_of([*map(specification.calls, specification.rules)])


class MachineSpecification:
    """Judges an order of calls by running the rules on a stand-in that answers as was observed.

    A state is the order of calls that leads to it, so any two are different: all orders of overlapping calls may have
    to be tried. Every one costs a new machine, which should be cheap to make and hold nothing that has to be closed.

    Attributes:
        rules: by name.
    """

    def __init__(self, machine: type[RuleBasedStateMachine], subject: str) -> None:
        if not (isinstance(machine, type) and issubclass(machine, RuleBasedStateMachine)):
            raise ParallelError(f"expected a class derived from RuleBasedStateMachine; got {machine!r}")
        self._machine = machine
        self._subject = subject
        self._latest: tuple[_Order, RuleBasedStateMachine, _StandIn] | None = None
        try:
            made = machine()
        except Exception as error:
            raise ParallelError(f"{machine.__name__}() fails: {type(error).__name__}: {error}") from error
        if not hasattr(made, subject):
            has = [name for name in vars(made) if name[0] != "_" and name not in vars(_Empty())]
            raise ParallelError(
                f"{machine.__name__} has no attribute {subject!r}; keep the object under test there, or give the name "
                f"of the attribute: from_machine({machine.__name__}, subject=...); it has {', '.join(has) or 'none'}"
            )
        rules = made.rules() if callable(made.rules) else made.rules  # a method in older versions of Hypothesis
        self.rules: dict[str, Rule] = {each.function.__name__: each for each in rules}
        if made._initialize_rules_to_run:
            raise ParallelError(f"{machine.__name__} has initialize rules; do in __init__ what they do")
        for name, made_rule in self.rules.items():
            _check_rule(name, made_rule)

    def make(self) -> Any:
        """A new object under test: a new machine's."""
        return getattr(self._machine(), self._subject)

    def calls(self, name: str) -> st.SearchStrategy[RuleCall]:
        """Calls that a rule makes."""
        arguments: Mapping[str, st.SearchStrategy[Any]] = self.rules[name].arguments
        return st.fixed_dictionaries(dict(arguments)).map(partial(self.call, name))

    def call(self, name: str, given: Mapping[str, Any]) -> RuleCall:
        """The call that a rule makes on a new machine.

        Raises:
            ParallelError: it makes none.
        """
        stand_in = _StandIn(None, None)
        problem = _play(self._new(stand_in), self.rules[name], given)
        call = stand_in.called
        if call is None:
            told = "" if problem is None else f" ({type(problem).__name__}: {problem})"
            raise ParallelError(
                f"rule {name} calls no method of self.{self._subject} on a new machine{told}; {_ONE_CALL}"
            )
        return RuleCall(call.name, call.arguments, call.keywords, name, tuple(given.items()))

    def init(self) -> _Order:
        return _Order(())

    def step(self, state: _Order, operation: Operation) -> _Order | None:
        """The order with the operation at its end, if no rule objects.

        Raises:
            ParallelError: a rule did not make the call that was made, or another besides.
        """
        latest, self._latest = self._latest, None
        if latest is None or latest[0] is not state:
            stand_in = _StandIn(None, None)
            latest = (state, self._new(stand_in), stand_in)
            for earlier in state.operations:
                self._explains(*latest[1:], earlier)
        if not self._explains(*latest[1:], operation):
            return None
        after = _Order((*state.operations, operation))
        self._latest = (after, *latest[1:])
        return after

    def hash(self, state: _Order) -> tuple[int, ...]:
        """Which operations, in which order: these very ones, for an argument may have neither hash nor equality."""
        return tuple(map(id, state.operations))

    def _new(self, stand_in: _StandIn) -> RuleBasedStateMachine:
        made = self._machine()
        setattr(made, self._subject, stand_in)
        return made

    def _explains(self, machine: RuleBasedStateMachine, stand_in: _StandIn, operation: Operation) -> bool:
        call: RuleCall = operation.argument
        stand_in.expect(call, operation.result)
        problem = _play(machine, self.rules[call.rule], dict(call.given))
        if stand_in.wrong or stand_in.called is None:
            told = stand_in.wrong or "makes none" + (f" ({problem!r})" if problem else "")
            raise ParallelError(
                f"rule {call.rule} made the call {call} on a new machine, but played back it {told}; {_ONE_CALL}"
            )
        return problem is None


class _Empty(RuleBasedStateMachine):
    """What every machine has."""

    @rule()
    def nothing(self) -> None:
        """A machine has a rule."""


@dataclass(frozen=True, eq=False)
class _Order:
    """A state: the operations that lead to it."""

    operations: tuple[Operation, ...]


class _Told(BaseException):
    """Ends a rule whose call is known; no rule expects it."""


class _StandIn:
    """Takes the place of the object under test: notes the call that a rule makes, and answers as it is told."""

    def __init__(self, expected: Call | None, answer: Any) -> None:
        self.expect(expected, answer)

    def expect(self, expected: Call | None, answer: Any) -> None:
        """The one call to come, and its answer; None: any, and it ends the rule."""
        self.called: Call | None = None
        self.wrong = ""
        self._expected = expected
        self._answer = answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(f"the object under test is called by its methods; not by {name}")
        return partial(self._call, name)

    def _call(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        call = Call(name, arguments, tuple(keywords.items()))
        if self._expected is None:
            self.called = self.called or call
            raise _Told
        same = (name, arguments, call.keywords) == (
            self._expected.name,
            self._expected.arguments,
            self._expected.keywords,
        )
        if self.called is not None or not same:
            self.wrong = f"{'makes' if self.called is None else 'also makes'} the call {call}"
            raise _Told
        self.called = call
        if isinstance(self._answer, Raised):
            if self._answer.exception is None:
                self.wrong = f"meets a {self._answer.kind} that cannot be sent between processes"
                raise _Told
            raise self._answer.exception
        return self._answer


def _play(machine: RuleBasedStateMachine, rule: Rule, given: Mapping[str, Any]) -> BaseException | None:
    """Run a rule; what it raised."""
    try:
        rule.function(machine, **given)
    except (GeneratorExit, *NOT_ITS_OWN):
        raise
    except InvalidArgument as error:
        raise ParallelError(f"rule {rule.function.__name__}: {error}; leave out what only works in a test") from error
    except BaseException as error:  # pytest's own failures are not Exceptions
        return error
    return None


def _check_rule(name: str, rule: Rule) -> None:
    bundles = [argument for argument, strategy in rule.arguments.items() if isinstance(strategy, Bundle)]
    data = [argument for argument, strategy in rule.arguments.items() if repr(strategy) == repr(st.data())]
    problems = {
        "a precondition; say in the rule what the call answers when it does not hold": bool(rule.preconditions),
        "a target; keep what it returns in the model": bool(rule.targets),
        f"the bundle argument {', '.join(bundles)}; draw it from a strategy": bool(bundles),
        f"the data() argument {', '.join(data)}; draw it from a strategy": bool(data),
    }
    for problem, has in problems.items():
        if has:
            raise ParallelError(f"rule {name} has {problem}: what it depends on is not known while calls overlap")
