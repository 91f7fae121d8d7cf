"""Multiple writers, single reader."""

from harness.operation import Kind
from harness.scenario import Parameters, Scenario, reader_script, share, writer_script

SCENARIO = Scenario(
    name="mwsr",
    title="multiple writers, single reader",
    claim="writers that meet inside retry, no message is lost, and the reader sees one order that explains them all",
    defaults=Parameters(writers=3, readers=1, messages=200_000),
    build=lambda parameters, generator: [
        *(
            writer_script(generator, worker, messages, parameters)
            for worker, messages in enumerate(share(parameters.messages, parameters.writers))
        ),
        reader_script(generator, {Kind.TRY_READ: 0.45, Kind.READ: 0.45, Kind.READ_MANY: 0.08, Kind.PEEK: 0.02}),
    ],
    fixed={"readers": 1},
    exercises=("delivered", "wrap-around", "full", "empty", "time-out", "retry"),
)
