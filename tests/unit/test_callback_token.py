"""The token in a callback URL: what passes, and that nothing else does."""

import base64
import string
from urllib.parse import parse_qs

import pytest

from tasks.errors import ConfigurationError
from tasks.token import Keyring, new_keys, parse_keys

JOB = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
OTHER_JOB = "ead5ba1a-9a2d-46e3-8ee2-373fb66251f6"
NOW, EXPIRY = 1_800_000_000, 1_800_604_800
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = Keyring("reelqueue", {"k1": OLD})


def fields(ring: Keyring = RING, job: str = JOB, expiry: int = EXPIRY) -> dict[str, str]:
    query = parse_qs(ring.query(ring.signing, job, expiry), strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


def passes(token: dict[str, str], ring: Keyring = RING, now: float = NOW) -> bool:
    return ring.verify(token["k"], token["j"], token["e"], token["t"], now=now)


def test_our_own_token_passes_until_it_expires() -> None:
    assert passes(fields())
    assert passes(fields(), now=EXPIRY - 0.001)
    assert not passes(fields(), now=EXPIRY)


@pytest.mark.parametrize("name", ["k", "j", "e", "t"])
def test_no_single_character_can_be_changed(name: str) -> None:
    token = fields()
    assert len(token["t"]) == 43
    for at, was in enumerate(token[name]):
        for other in set(string.ascii_letters + string.digits + "-_") - {was}:
            changed = token[name][:at] + other + token[name][at + 1 :]
            assert not passes(token | {name: changed}), (name, at, other)


@pytest.mark.parametrize("name", ["k", "j", "e", "t"])
@pytest.mark.parametrize("change", ["", "é", "\uff11", "\x00", " ", "x" * 100_000, "=", "\n"])
def test_a_field_that_is_empty_foreign_or_over_long_is_refused(name: str, change: str) -> None:
    token = fields()
    assert not passes(token | {name: change})
    assert not change or not passes(token | {name: token[name] + change})


def test_a_token_is_good_for_one_job_and_one_namespace_only() -> None:
    token = fields()
    assert not passes(token | {"j": OTHER_JOB})
    assert not passes(token | {"t": fields(job=OTHER_JOB)["t"]})
    assert not passes(token, Keyring("other", {"k1": OLD}))
    assert not passes(token | {"e": str(EXPIRY + 1)})


def test_a_token_of_an_unknown_key_is_refused() -> None:
    token = fields(Keyring("reelqueue", {"k9": OLD}))
    assert token["k"] == "k9"
    assert not passes(token)
    assert not passes(token | {"k": "k1"})  # the key id is signed too


def test_rotation_signs_with_the_new_key_and_still_takes_the_old() -> None:
    before, during = RING, Keyring("reelqueue", {"k2": NEW, "k1": OLD})
    after = Keyring("reelqueue", {"k2": NEW})
    assert during.signing == "k2"
    assert passes(fields(before), during)
    assert passes(fields(during), during)
    assert passes(fields(during), after)
    assert not passes(fields(before), after)


def test_a_job_frozen_to_a_dropped_key_is_signed_with_the_present_one() -> None:
    query = parse_qs(Keyring("reelqueue", {"k2": NEW}).query("k1", JOB, EXPIRY))
    assert query["k"] == ["k2"]


def test_a_fresh_keyring_reads_back_and_never_repeats() -> None:
    assert new_keys() != new_keys()
    (key,) = parse_keys(new_keys()).values()
    assert len(key) == 32


def test_the_first_of_several_keys_signs() -> None:
    one, two = (base64.b64encode(key).decode() for key in (OLD, NEW))
    keys = parse_keys(f" k2:{two} ,k1:{one}, ")
    assert list(keys.items()) == [("k2", NEW), ("k1", OLD)]


SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
SHORT_SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no key"),
        (" , ,", "holds no key"),
        (SECRET, "entry 1 is not kid:base64"),
        (SHORT_SECRET, "entry 1 is not kid:base64"),
        (f"k1:{SECRET},{SHORT_SECRET}", "entry 2 is not kid:base64"),
        (f"{SHORT_SECRET}:k1", "key of entry 1"),
        (f"{SECRET}:k1", "entry 1 is not kid:base64"),
        (f"k 1:{SECRET}", "entry 1 is not kid:base64"),
        (f"\uff4b1:{SECRET}", "entry 1 is not kid:base64"),
        (f":{SECRET}", "entry 1 is not kid:base64"),
        ("k1:", "key of entry 1 has 0 bytes"),
        ("k1:c2VjcmV0", "key of entry 1 has 6 bytes; 24 are the least"),
        (f"k1:{SECRET}!", "key of entry 1 is not base64"),
        (f"k1:é{SECRET}", "key of entry 1 is not base64"),
        (f"k1:{SECRET},k1:{SECRET}", "entry 2 has the kid of an earlier one"),
    ],
)
def test_a_broken_keyring_is_told_by_place_and_never_quoted(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_keys(text)
    assert told in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (SECRET, SHORT_SECRET, "c2VjcmV0"))
