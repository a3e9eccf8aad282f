"""Whatever is sent, the API answers as its description says, and never with an error of its own."""

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from sqlalchemy import Engine

from admin.api import openapi
from admin.api.app import application
from admin.api.callers import Callers
from admin.api.table import ROUTES
from server.access.grants import Grants
from server.access.service import Access
from server.access.sessions import Sessions
from server.actors import Role
from server.answers.service import Answers
from server.methods import methods
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from tests.access.calls import token_for

EXAMPLES = 4
"""Requests for each operation, of those that its description allows and as many that it doesn't."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
INSIDE = ("Traceback", 'File "', "psycopg", "sqlalchemy", "SELECT ", "site-packages")


def test_whatever_is_sent_is_answered_as_described(database: Engine) -> None:
    token = token_for(database, "root", Role.ADMIN)
    grants, metrics = Grants(Access(database)), Metrics()
    asyncio.run(grants.refresh())
    use_cases = methods(database, Settings(), metrics)
    door = application(
        use_cases,
        Callers(grants, Sessions(database)),
        Answers(database),
        metrics,
        ["testserver", "localhost"],
    )
    schema = schemathesis.openapi.from_dict(openapi.document(ROUTES))
    checks: Any = CHECKS.get_by_names(list(CHECKED))
    asked, statuses = 0, set()

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation: Any = found.ok()
        for mode in schemathesis.GenerationMode:

            @settings(
                max_examples=EXAMPLES,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                case.headers = {**(case.headers or {}), "authorization": f"Bearer {token}"}
                response = case.call(app=door)
                case.validate_response(response, checks=checks)
                # Hypothesis draws words of our own sources too, and what is refused comes back as sent.
                sent = repr((case.path_parameters, case.query, case.body))
                assert not any(word in response.text and word not in sent for word in INSIDE), response.text
                statuses.add(response.status_code)

            ask()

    assert asked > 2 * len(ROUTES)
    assert {200, 400, 404} <= statuses
    assert max(statuses) < 500
