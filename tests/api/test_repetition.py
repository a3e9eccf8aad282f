"""Idempotency keys: what is sent again is done once, and answered to the byte as the first time."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from server.answers import service
from server.answers.service import CLAIMED, KEPT, Answers, KeptAnswer
from server.audit.service import Audit
from server.definitions.service import Definitions
from server.runtime.errors import Invalid, Refusal
from tests.access.calls import owner
from tests.api.people import People, about, reason, sample


async def again(api: People, who: str, path: str, body: Any, key: str) -> httpx.Response:
    return await api.call(who, "POST", path, body, headers={"idempotency-key": key})


async def test_what_is_sent_again_is_answered_to_the_byte(api: People, database: Engine) -> None:
    body = {"promotion": sample("ten")}
    first = await again(api, "ann", "/promotions", body, "k1")
    entries = len(Audit(database).entries("kopi"))

    second = await again(api, "ann", "/promotions", body, "k1")

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 201
    for name in ("etag", "location", "content-type"):
        assert first.headers[name] == second.headers[name]
    assert len(Audit(database).entries("kopi")) == entries
    assert reason(await again(api, "ann", "/promotions", body, "k2")) == "PROMOTION_EXISTS"


async def test_a_refusal_is_kept_too(api: People) -> None:
    refused = await again(api, "ann", "/promotions:submit", about("ten"), "k")
    assert reason(refused) == "PROMOTION_UNKNOWN"
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    assert (await again(api, "ann", "/promotions:submit", about("ten"), "k")).content == refused.content
    assert (await again(api, "ann", "/promotions:submit", about("ten"), "new")).status_code == 200


async def test_a_key_means_one_request_of_one_caller(api: People) -> None:
    assert (await again(api, "ann", "/promotions", {"promotion": sample("ten")}, "k")).status_code == 201
    for path, body in (
        ("/promotions", {"promotion": sample("ten", 20)}),
        ("/promotions:submit", about("ten")),
        ("/promotions?x=1", {"promotion": sample("ten")}),
    ):
        refused = await again(api, "ann", path, body, "k")
        assert (refused.status_code, reason(refused)) == (400, "KEY_REUSED")
    other = await again(api, "root", "/promotions", {"promotion": sample("ten")}, "k")
    assert reason(other) == "PROMOTION_EXISTS"
    for key in ("", "a b", "x" * 256):
        refused = await again(api, "ann", "/promotions", {"promotion": sample("ten")}, key)
        assert (refused.status_code, reason(refused)) == (400, "KEY_INVALID")
    assert (
        await again(api, "ann", "/promotions", {"promotion": sample("six")}, "x" * 255)
    ).status_code == 201


async def test_of_many_at_once_one_is_done(api: People, database: Engine) -> None:
    body = {"promotion": sample("ten")}

    answers = await asyncio.gather(*(again(api, "ann", "/promotions", body, "k") for _ in range(8)))

    done = {answer.content for answer in answers if answer.status_code == 201}
    assert len(done) == 1
    assert {reason(answer) for answer in answers if answer.status_code != 201} <= {"KEY_IN_USE"}
    created = [entry for entry in Audit(database).entries("kopi") if entry.subject == "promotion"]
    assert len(created) == 1


async def test_what_failed_inside_may_be_tried_again(
    api: People, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE promotion RENAME TO elsewhere"))
    failed = await again(api, "ann", "/promotions", {"promotion": sample("ten")}, "k")
    assert (failed.status_code, reason(failed)) == (500, "INTERNAL")
    assert failed.json()["parameters"].keys() == {"reference"}
    assert "elsewhere" not in failed.text
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO promotion"))
    assert (await again(api, "ann", "/promotions", {"promotion": sample("ten")}, "k")).status_code == 201


def test_a_key_whose_owner_died_is_taken_over_and_old_ones_are_forgotten(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FORGOTTEN_AT_ONCE", 1)
    Definitions(database).create_company(owner())
    answers, me = Answers(database), owner()
    given = KeptAnswer(200, {"content-type": "x"}, b"\xff")

    assert answers.claim(me, "dead", b"1" * 32) is None
    assert refusal(answers, "dead", b"1" * 32) == "KEY_IN_USE"
    assert refusal(answers, "dead", b"2" * 32) == "KEY_REUSED"
    _age(database, CLAIMED + timedelta(seconds=1))
    assert answers.claim(me, "dead", b"1" * 32) is None
    answers.keep(me, "dead", given)
    answers.release(me, "dead")
    assert answers.claim(me, "dead", b"1" * 32) == given

    _age(database, KEPT - timedelta(minutes=1))
    assert answers.claim(me, "dead", b"1" * 32) == given
    for key in ("a", "b", "c"):
        answers.claim(me, key, b"3" * 32)
    _age(database, KEPT + timedelta(seconds=1))
    counts = []
    for key in ("d", "e", "f", "g"):
        assert answers.claim(me, key, b"2" * 32) is None
        with database.connect() as connection:
            counts.append(connection.scalar(text("SELECT count(*) FROM kept_answer")))
    assert counts == [4, 4, 4, 4]
    assert answers.claim(me, "dead", b"2" * 32) is None


def test_a_secret_is_not_kept(database: Engine) -> None:
    Definitions(database).create_company(owner())
    answers, me = Answers(database), owner()
    assert answers.claim(me, "k", b"1" * 32) is None
    answers.keep(me, "k", KeptAnswer(201, {}, None))
    assert refusal(answers, "k", b"1" * 32) == "ANSWER_NOT_KEPT"


def refusal(answers: Answers, key: str, request_hash: bytes) -> str:
    with pytest.raises((Refusal, Invalid)) as refused:
        answers.claim(owner(), key, request_hash)
    return refused.value.reason


def _age(engine: Engine, age: timedelta) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE kept_answer SET create_time = now() - :age"), {"age": age})
