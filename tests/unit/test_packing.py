"""Requests in the store: plain where they are short, compressed where they are long."""

import zlib
from decimal import Decimal

import pytest

from tasks.packing import SMALL, packed, unpacked


@pytest.mark.parametrize("length", [0, SMALL - 8, SMALL - 7, 10_000])
def test_what_is_packed_is_read_again(length: int) -> None:
    raw = b'{"a":"%s"}' % (b"x" * length)
    assert unpacked(packed(raw)) == {"a": "x" * length}


def test_a_long_request_takes_less_room_and_a_short_one_stays_legible() -> None:
    long = b'{"a":"%s"}' % (b"clip" * 1000)
    assert len(packed(long)) < len(long) / 10
    assert packed(b'{"a":1}') == b'{"a":1}'


def test_decimals_stay_exact() -> None:
    assert unpacked(packed(b'{"a":0.1}')) == {"a": Decimal("0.1")}


@pytest.mark.parametrize("blob", [b"", b"nothing", zlib.compress(b"{"), b'{"a":'])
def test_what_was_never_packed_is_refused(blob: bytes) -> None:
    with pytest.raises((ValueError, zlib.error)):
        unpacked(blob)
