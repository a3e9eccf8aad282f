"""The one table of the API: which operation is at which path. Description and access follow from it."""

from dealwright.v1 import definition_service_pb2

from admin.api.routes import Call, Route

PREFIX = "/api/v1"

_DEFINITION_SERVICE = definition_service_pb2.DESCRIPTOR.services_by_name["DefinitionService"].full_name
_PROMOTION = "/promotions/{promotion_id}"


def _definitions(verb: str, path: str, method: str, **how: object) -> Call:
    return Call(verb, PREFIX + path, f"/{_DEFINITION_SERVICE}/{method}", **how)  # type: ignore[arg-type]


DEFINITIONS = (
    _definitions("GET", "/promotions", "ListPromotions"),
    _definitions("POST", "/promotions", "CreatePromotion", location=f"{PREFIX}/promotions/{{promotion.id}}"),
    _definitions("GET", _PROMOTION, "GetPromotion"),
    _definitions("PUT", _PROMOTION, "UpdatePromotion", fields={"promotion_id": "promotion.id"}, etag="etag"),
    _definitions(
        "DELETE",
        _PROMOTION,
        "ArchivePromotions",
        name="DeletePromotion",
        fields={"promotion_id": "promotions.promotion_id"},
        etag="promotions.etag",
    ),
    _definitions("GET", f"{_PROMOTION}/history", "ListHistory"),
    _definitions("GET", f"{_PROMOTION}/diff", "Diff", name="DiffPromotion"),
    _definitions("POST", "/promotions:validate", "ValidatePromotion", writes=False),
    _definitions("POST", "/promotions:preview", "Preview", writes=False),
    _definitions("POST", "/promotions:submit", "SubmitPromotions"),
    _definitions("POST", "/promotions:approve", "ApprovePromotions"),
    _definitions("POST", "/promotions:reject", "RejectPromotions"),
    _definitions("POST", "/promotions:request-changes", "RequestChanges"),
    _definitions("POST", "/promotions:publish", "PublishPromotions"),
    _definitions("POST", "/promotions:pause", "PausePromotions"),
    _definitions("POST", "/promotions:resume", "ResumePromotions"),
    _definitions("POST", "/promotions:archive", "ArchivePromotions"),
    _definitions("POST", "/promotions:restore", "RestorePromotions"),
    _definitions("GET", "/revisions", "ListRevisions"),
    _definitions("GET", "/revisions/diff", "Diff", left_out=frozenset({"promotion_id"})),
    _definitions("POST", "/revisions:rollback", "Rollback"),
)

ROUTES: tuple[Route, ...] = (*DEFINITIONS,)
"""Every operation. To add one, add its line to the part that it belongs to."""
