from tasks.claims import LEASE
from tasks.provider import Patience


def test_a_claim_is_good_for_more_than_twice_as_long_as_its_post_may_take() -> None:
    assert 2 * Patience().total < LEASE
