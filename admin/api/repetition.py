"""A request that is sent again with its Idempotency-Key gets the answer of the first time, to the byte."""

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus

import structlog
from starlette.requests import Request

from admin.api.answers import Answer
from admin.api.problems import HttpRefusal, Problem, problem_of
from server.actors import Actor
from server.answers.service import Answers, KeptAnswer
from server.db.engine import DatabaseUnavailable

log = structlog.get_logger()

HEADER = "idempotency-key"
KEY_PATTERN = "[!-~]{1,255}"

_KEY = re.compile(KEY_PATTERN)
_MEDIA_TYPE = "content-type"


def key_of(request: Request) -> str | None:
    """The key of a request, if it has one."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise HttpRefusal(
            Problem(
                HTTPStatus.BAD_REQUEST,
                "KEY_INVALID",
                "an Idempotency-Key has 1 to 255 visible ASCII characters and no space",
            )
        )
    return key


def fingerprint(request: Request, body: bytes | None) -> bytes:
    """What tells a request from another one."""
    place = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(place.encode() + (body or b"")).digest()


def once(
    answers: Answers,
    actor: Actor,
    key: str,
    request_hash: bytes,
    answer: Callable[[], Answer],
    *,
    secret: bool,
) -> Answer:
    """What was answered with a key, or what is answered now and kept. What failed may be tried again."""
    kept = answers.claim(actor, key, request_hash)
    if kept is not None:
        headers = dict(kept.headers)
        media_type = headers.pop(_MEDIA_TYPE)
        return Answer(kept.body or b"", HTTPStatus(kept.status), headers, media_type)
    try:
        given = answer()
    except BaseException as error:  # noqa: BLE001 - a refusal is an answer too
        given = problem_of(error).answer()
    try:
        if given.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            answers.release(actor, key)
        else:
            headers = {**given.headers, _MEDIA_TYPE: given.media_type}
            body = None if secret and given.status < HTTPStatus.BAD_REQUEST else given.body
            answers.keep(actor, key, KeptAnswer(given.status, headers, body))
    except DatabaseUnavailable as error:
        # What was done is done, and the caller hears of it this once.
        log.warning("answer_not_kept", error=str(error))
    return given
