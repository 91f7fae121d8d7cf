"""Multiple writers, multiple readers."""

from harness.operation import Kind
from harness.scenario import Parameters, Scenario, reader_script, share, writer_script

SCENARIO = Scenario(
    name="mwmr",
    title="multiple writers, multiple readers",
    claim="readers that meet at the head retry, each message goes to one of them, in an order that explains all",
    defaults=Parameters(writers=2, readers=2, messages=200_000),
    build=lambda parameters, generator: [
        *(
            writer_script(generator, worker, messages, parameters)
            for worker, messages in enumerate(share(parameters.messages, parameters.writers))
        ),
        *(
            reader_script(generator, {Kind.TRY_READ: 0.45, Kind.READ: 0.43, Kind.READ_MANY: 0.08, Kind.PEEK: 0.04})
            for _ in range(parameters.readers)
        ),
    ],
    fixed={},
    exercises=("delivered", "wrap-around", "full", "empty", "time-out", "retry"),
)
