"""A payload verifies if and only if every byte of it is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import _native

VALUES = st.integers(0, 2**64 - 1)
SIZES = st.one_of(st.integers(8, 80), st.integers(8, 5000))


@given(VALUES, SIZES)
def test_a_payload_tells_its_value_and_verifies(value: int, size: int) -> None:
    payload = _native.make_payload(value, size)
    assert len(payload) == size
    assert _native.read_payload(payload) == (value, True)


@given(VALUES, st.integers(9, 300), st.data())
def test_every_changed_byte_shows(value: int, size: int, data: st.DataObject) -> None:
    payload = bytearray(_native.make_payload(value, size))
    place = data.draw(st.integers(0, size - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    assert _native.read_payload(bytes(payload))[1] is False


@pytest.mark.parametrize("size", [9, 15, 16, 17, 64, 1024])
def test_every_single_byte_of_a_payload_is_verified(size: int) -> None:
    payload = _native.make_payload(12345, size)
    for place in range(size):
        changed = bytearray(payload)
        changed[place] ^= 1
        assert _native.read_payload(bytes(changed))[1] is False, f"byte {place} of {size}"


def test_a_changed_byte_of_the_smallest_payload_is_another_value() -> None:
    payload = bytearray(_native.make_payload(12345, 8))
    payload[3] ^= 1
    assert _native.read_payload(bytes(payload)) == (12345 ^ 1 << 24, True)


@given(VALUES, st.integers(17, 300))
def test_a_payload_cut_short_or_grown_shows(value: int, size: int) -> None:
    payload = _native.make_payload(value, size)
    assert _native.read_payload(payload[:-1])[1] is False
    assert _native.read_payload(payload + b"\0")[1] is False


@given(VALUES, VALUES, st.integers(24, 300))
def test_halves_of_two_messages_show(one: int, other: int, size: int) -> None:
    if one == other:
        return
    half = size // 2
    torn = _native.make_payload(one, size)[:half] + _native.make_payload(other, size)[half:]
    assert _native.read_payload(torn)[1] is False


def test_what_is_too_short_for_an_identity_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 bytes"):
        _native.make_payload(1, 7)
    assert _native.read_payload(b"1234567") == (0, False)
