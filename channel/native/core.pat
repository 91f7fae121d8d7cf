# Signatures of the raw slots, which the generator of _core.pyi cannot see. \doc is the docstring in handle.hpp.

\.Entry$:
    class Entry:
        """A message as it was read: its entry id and its bytes."""
        __match_args__: tuple[str, str]
        def __init__(self, id: int, data: bytes) -> None: ...
        @property
        def id(self) -> int: ...
        @property
        def data(self) -> bytes: ...
        def __len__(self) -> int: ...
        def __getitem__(self, index: int, /) -> int | bytes: ...

ChannelBase\.write$:
    \from typing_extensions import Buffer
    def write(self, data: Buffer, timeout: float | None = None) -> int:
        \doc

ChannelBase\.try_write$:
    def try_write(self, data: Buffer, /) -> int:
        \doc

ChannelBase\.write_many$:
    \from array import array
    \from collections.abc import Iterable
    def write_many(self, messages: Iterable[Buffer], timeout: float | None = None) -> array[int]:
        \doc

ChannelBase\.read$:
    def read(self, timeout: float | None = None) -> Entry:
        \doc

ChannelBase\.try_read$:
    def try_read(self) -> Entry | None:
        \doc

ChannelBase\.read_into$:
    def read_into(self, buffer: Buffer, timeout: float | None = None) -> tuple[int, int]:
        \doc

ChannelBase\.read_many$:
    def read_many(self, limit: int, timeout: float | None = None) -> list[Entry]:
        \doc

ChannelBase\.try_read_many$:
    def try_read_many(self, limit: int, /) -> list[Entry]:
        \doc

ChannelBase\.peek$:
    def peek(self) -> Entry | None:
        \doc

ChannelBase\._skip$:
    def _skip(self, entry_id: int, /) -> tuple[bool, int | None]:
        \doc

ChannelBase\.skip_force$:
    def skip_force(self) -> int | None:
        \doc

ChannelBase\._shutdown$:
    def _shutdown(self, timeout: float | None = None) -> None:
        \doc

\.last_effort$:
    def last_effort() -> tuple[int, int]:
        \doc

ChannelBase\._create$:
    def _create(self, name: str, capacity: int, participants: int, policy: tuple[int, ...]) -> None: ...

ChannelBase\._connect$:
    def _connect(self, name: str, policy: tuple[int, ...]) -> None: ...

ChannelBase\._create_in$:
    def _create_in(self, buffer: Buffer, participants: int, lock_file: str, policy: tuple[int, ...]) -> None: ...

ChannelBase\._connect_to$:
    def _connect_to(self, buffer: Buffer, lock_file: str, policy: tuple[int, ...]) -> None: ...

ChannelBase\._state$:
    \from typing import Any
    def _state(self) -> dict[str, Any]: ...
