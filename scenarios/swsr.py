"""Single writer, single reader."""

from harness.operation import Kind
from harness.scenario import Parameters, Scenario, reader_script, writer_script

SCENARIO = Scenario(
    name="swsr",
    title="single writer, single reader",
    claim="every message arrives once, whole, in the order in which it was written; EMPTY, FULL and time-outs are true",
    defaults=Parameters(writers=1, readers=1, messages=200_000),
    build=lambda parameters, generator: [
        writer_script(generator, 0, parameters.messages, parameters),
        reader_script(generator, {Kind.TRY_READ: 0.45, Kind.READ: 0.45, Kind.READ_MANY: 0.08, Kind.PEEK: 0.02}),
    ],
    fixed={"writers": 1, "readers": 1},
    exercises=("delivered", "wrap-around", "full", "empty", "time-out"),
)
