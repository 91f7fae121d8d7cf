"""Race between skip and read."""

from harness.operation import Kind
from harness.scenario import Parameters, Scenario, reader_script, share, writer_script

SCENARIO = Scenario(
    name="skip-vs-read",
    title="race between skip and read",
    claim="skip(id), skip_force, peek and read meet at one head, exactly one removes it; MISMATCH tells the true head",
    defaults=Parameters(writers=1, readers=3, messages=150_000),
    build=lambda parameters, generator: [
        *(
            writer_script(generator, worker, messages, parameters)
            for worker, messages in enumerate(share(parameters.messages, parameters.writers))
        ),
        *(
            reader_script(
                generator,
                {Kind.SKIP: 0.25, Kind.SKIP_FORCE: 0.15, Kind.PEEK: 0.2, Kind.TRY_READ: 0.2, Kind.READ: 0.2},
            )
            for _ in range(parameters.readers)
        ),
    ],
    fixed={},
    exercises=("delivered", "skipped", "wrap-around", "full", "empty", "time-out", "mismatch", "retry"),
)
