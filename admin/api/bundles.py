"""The bundle of a token's stores as a file, for CDNs and tills without a stream (docs/streams.md)."""

from http import HTTPStatus

from admin.api.answers import Answer, Asked
from admin.api.routes import Methods, Shaped
from server.actors import Actor
from server.distribution.files import File

MEDIA_TYPE = "application/vnd.dealwright.bundle"

KEPT = "private, no-cache"
"""Whoever keeps it asks each time whether it is still the newest, and other tokens get other ones."""


def _bundle(methods: Methods, actor: Actor, asked: Asked) -> Answer:
    file: File = methods["bundles/GetBundle"](actor, asked.known_etag)
    headers = {"etag": f'"{file.etag}"', "cache-control": KEPT, "vary": "authorization"}
    if file.data is None:
        return Answer(b"", HTTPStatus.NOT_MODIFIED, headers, MEDIA_TYPE)
    return Answer(file.data, HTTPStatus.OK, headers, MEDIA_TYPE)


BUNDLES = (
    Shaped(
        "GET",
        "/api/v1/bundle",
        "bundles/GetBundle",
        "GetBundle",
        "What is in force in the stores of the token, as a signed Bundle; 304 to whoever has its ETag.",
        _bundle,
        {"type": "string", "contentEncoding": "binary"},
        media_type=MEDIA_TYPE,
    ),
)
