"""Ints and bytes that were let go are used again: nobody who holds one sees it change."""

from __future__ import annotations

import random

import pytest

from channel import Channel

ROUNDS = 3_000


def fresh(content: bytes) -> bytes:
    """Equal bytes of which no hash was ever asked for."""
    return bytes(bytearray(content))


def test_ids_are_right_whether_they_are_kept_or_let_go() -> None:
    generator = random.Random(1)
    kept: list[tuple[int, int]] = []
    with Channel.create(capacity=4096) as channel:
        expected = channel.write(b"x" * 8)
        for _ in range(ROUNDS):
            assert channel.skip_force() == expected
            expected += 16
            number = channel.write(b"x" * 8)
            assert number == expected
            assert hash(number) == expected
            if generator.random() < 0.3:
                kept.append((number, expected))
            if generator.random() < 0.1:
                kept.clear()
            assert all(number == expected for number, expected in kept[-5:])
        assert all(number == expected for number, expected in kept)


def test_ids_that_grow_a_digit() -> None:
    size = (1 << 20) - 8
    kept = []
    with Channel.create(capacity=4 << 20) as channel:
        for number in range(1 << 10):  # to 2**30, where an int of CPython becomes one digit longer
            assert channel.write(bytes(size)) == number << 20
            assert channel.skip_force() == number << 20
        for _ in range(5):
            kept.append(channel.write(b""))
            channel.write(bytes(size - 16))
            channel.skip_force()
            channel.skip_force()
        assert kept == [number << 20 for number in range(1 << 10, (1 << 10) + 5)]


@pytest.mark.parametrize("batch", [1, 64, 100])
def test_payloads_are_right_whether_they_are_kept_or_let_go(batch: int) -> None:
    generator = random.Random(batch)
    kept: list[tuple[bytes, bytes]] = []
    with Channel.create(capacity=1 << 20) as channel:
        for _ in range(ROUNDS // batch):
            sizes = [generator.choice((0, 1, 8, 8, 8, 16, 256, 257)) for _ in range(batch)]
            messages = [generator.randbytes(size) for size in sizes]
            channel.write_many(messages)
            entries = channel.read_many(batch) if batch > 1 else [channel.read()]
            for entry, message in zip(entries, messages, strict=True):
                assert entry.data == message
                assert hash(entry.data) == hash(fresh(message))
                if generator.random() < 0.3:
                    kept.append((entry.data, fresh(message)))
            assert all(held == message for held, message in kept[-200:])
            if generator.random() < 0.1:
                kept.clear()
        assert all(held == message for held, message in kept)


def test_a_view_of_a_payload_holds_it() -> None:
    with Channel.create(capacity=4096) as channel:
        channel.write(b"held for")
        view = memoryview(channel.read().data)
        for _ in range(200):
            channel.write(b"replaced")
            channel.read()
        assert view == b"held for"


def test_a_key_of_a_dictionary_is_found() -> None:
    with Channel.create(capacity=1 << 16) as channel:
        seen = {}
        for number in range(500):
            channel.write(number.to_bytes(8, "little"))
            data = channel.read().data
            hash(data)
            if number % 3 == 0:
                seen[data] = number
        assert all(seen[number.to_bytes(8, "little")] == number for number in range(0, 500, 3))
