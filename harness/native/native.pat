# Types of harness._native that the generator of its stubs cannot see.

\.PHASES$:
    PHASES: tuple[str, ...]

\.REASONS$:
    REASONS: tuple[str, ...]

\.MUTANTS$:
    MUTANTS: list[tuple[str, str, str, str, bool, str]]

\.script_layout$:
    def script_layout() -> dict[str, tuple[int, int]]:
        \doc

\.record_layout$:
    def record_layout() -> dict[str, tuple[int, int]]:
        \doc

\.KINDS$:
    KINDS: dict[str, int]

\.STATUSES$:
    STATUSES: dict[str, int]
