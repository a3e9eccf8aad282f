"""The one table of the API: which operation is at which path. Description and access follow from it."""

from dealwright.v1 import check_service_pb2, definition_service_pb2

from admin.api.routes import Call, Route

PREFIX = "/api/v1"

_DEFINITION_SERVICE = definition_service_pb2.DESCRIPTOR.services_by_name["DefinitionService"].full_name
_CHECK_SERVICE = check_service_pb2.DESCRIPTOR.services_by_name["CheckService"].full_name
_PROMOTION = "/promotions/{promotion_id}"
_TEST_CART = "/test-carts/{test_cart_id}"


def _definitions(verb: str, path: str, method: str, **how: object) -> Call:
    return Call(verb, PREFIX + path, f"/{_DEFINITION_SERVICE}/{method}", **how)  # type: ignore[arg-type]


def _checks(verb: str, path: str, method: str, **how: object) -> Call:
    return Call(verb, PREFIX + path, f"/{_CHECK_SERVICE}/{method}", **how)  # type: ignore[arg-type]


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

CHECKS = (
    _checks("GET", "/test-carts", "ListTestCarts"),
    _checks("POST", "/test-carts", "CreateTestCart", location=f"{PREFIX}/test-carts/{{test_cart.id}}"),
    _checks("GET", _TEST_CART, "GetTestCart"),
    _checks("PUT", _TEST_CART, "UpdateTestCart", fields={"test_cart_id": "test_cart.id"}, etag="etag"),
    _checks("DELETE", _TEST_CART, "DeleteTestCart", etag="etag"),
    _checks("POST", "/test-carts:run", "RunTestCarts", writes=False),
    _checks("POST", "/test-carts:accept", "AcceptTestCarts"),
    _checks("GET", "/guardrails", "GetGuardrails"),
    _checks("PUT", "/guardrails", "SetGuardrails"),
)

ROUTES: tuple[Route, ...] = (*DEFINITIONS, *CHECKS)
"""Every operation. To add one, add its line to the part that it belongs to."""
