"""The document says what the API does: schemathesis asks all of it, in every way that it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.web import create_app

AUTHORIZED = {"authorization": "Bearer secret"}
FABRIC = create_cache_fabric(
    "memory", config=FabricConfig(flight_timeout=0.05)
)  # nothing connects before a test asks
NOT_ASKED = [
    positive_data_acceptance,  # what a key may hold is more than a schema can say
    ignored_auth,  # every request of these tests has the token
]
schema = schemathesis.openapi.from_asgi(
    "/v1/openapi.json",
    create_app(FABRIC, token="secret", hosts=["testserver"]),
    headers=AUTHORIZED,
).exclude(path=["/v1/watch", "/v1/events"])  # they do not end


@pytest.fixture(scope="module", autouse=True)
def fabric() -> Iterator[CacheFabric]:
    FABRIC.sync.set_context("router:risk", "You judge risks.")
    FABRIC.sync.track_execution("run-1", "support", {"input": "Where?", "output": "Here."})
    yield FABRIC
    FABRIC.sync.close()


@schema.parametrize()
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: Any) -> None:
    case.call_and_validate(headers=AUTHORIZED, excluded_checks=NOT_ASKED)
