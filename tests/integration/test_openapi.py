"""The API and the door as tests/openapi.yaml describes them, asked by schemathesis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from api_driver import BEARER, Api, manifest, row
from door_driver import Door
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from store_driver import StoreServer

pytest_plugins = ("door_fixtures",)

DESCRIPTION = Path(__file__).parents[1] / "openapi.yaml"
described = schemathesis.openapi.from_path(DESCRIPTION)
of_the_api = described.include(path_regex="^/v1/")
of_the_door = described.include(path_regex="^/webhooks/")

# No schema says which text is a manifest; and of a parameter given twice the first counts.
NOT_DESCRIBED = [positive_data_acceptance, negative_data_rejection]

quickly = settings(
    max_examples=max(25, settings().max_examples // 2),
    suppress_health_check=list(HealthCheck),
    deadline=None,
)


@pytest.fixture(scope="module")
def api(valkey: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Give a running API with a batch in it."""
    with Api(valkey.url, tmp_path_factory.mktemp("api")) as running:
        assert running.submit("there", manifest([row("a")])).status_code == 201
        yield running


@of_the_api.parametrize()
@quickly
def test_the_api_answers_as_described(api: Api, case: schemathesis.Case) -> None:
    case.call_and_validate(base_url=api.base, headers=BEARER, excluded_checks=NOT_DESCRIBED)


@of_the_door.parametrize()
@quickly
def test_the_door_lets_nobody_in_who_has_no_token(door: Door, case: schemathesis.Case) -> None:
    answer = case.call(base_url=door.base)
    assert answer.status_code in {400, 401, 405, 414, 415}
    assert answer.content == b""
