"""The one table of the API: which operation is at which path. Description and access follow from it."""

from functools import partial
from typing import Any

from dealwright.v1 import (
    access_service_pb2,
    audit_service_pb2,
    check_service_pb2,
    definition_service_pb2,
    redemption_service_pb2,
    reference_service_pb2,
    rollout_service_pb2,
    rule_stream_service_pb2,
    voucher_service_pb2,
    webhook_service_pb2,
)
from google.protobuf.descriptor import FileDescriptor

from admin.api import preview
from admin.api.bundles import BUNDLES
from admin.api.routes import Call, Route
from admin.api.sessions import SESSIONS
from admin.api.sync import SYNC

PREFIX = "/api/v1"

_PROMOTION = "/promotions/{promotion_id}"
_TEST_CART = "/test-carts/{test_cart_id}"


def _call(file: FileDescriptor, verb: str, path: str, method: str, **how: Any) -> Call:
    """A method of a file's one service."""
    (service,) = file.services_by_name.values()
    return Call(verb, PREFIX + path, f"/{service.full_name}/{method}", **how)


_definitions = partial(_call, definition_service_pb2.DESCRIPTOR)
_checks = partial(_call, check_service_pb2.DESCRIPTOR)
_access = partial(_call, access_service_pb2.DESCRIPTOR)
_redemptions = partial(_call, redemption_service_pb2.DESCRIPTOR)
_vouchers = partial(_call, voucher_service_pb2.DESCRIPTOR)
_webhooks = partial(_call, webhook_service_pb2.DESCRIPTOR)


def _rollouts(verb: str, path: str, method: str) -> Call:
    return _call(rollout_service_pb2.DESCRIPTOR, verb, path, method)


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
    _definitions("POST", "/promotions:validate", "ValidatePromotion"),
    _definitions("POST", "/promotions:preview", "Preview"),
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

ROLLOUTS = (
    _rollouts("GET", "/rollouts", "ListRollouts"),
    _rollouts("POST", "/rollouts", "StartRollout"),
    _rollouts("GET", "/rollouts/{revision}", "GetRollout"),
    _rollouts("POST", "/rollouts:promote", "PromoteRollout"),
    _rollouts("POST", "/rollouts:stop", "StopRollout"),
)

CHECKS = (
    _checks("GET", "/test-carts", "ListTestCarts"),
    _checks("POST", "/test-carts", "CreateTestCart", location=f"{PREFIX}/test-carts/{{test_cart.id}}"),
    _checks("GET", _TEST_CART, "GetTestCart"),
    _checks("PUT", _TEST_CART, "UpdateTestCart", fields={"test_cart_id": "test_cart.id"}, etag="etag"),
    _checks("DELETE", _TEST_CART, "DeleteTestCart", etag="etag"),
    _checks("POST", "/test-carts:run", "RunTestCarts"),
    _checks("POST", "/test-carts:accept", "AcceptTestCarts"),
    _checks("POST", "/promotions:analyse", "Analyse"),
    _checks("GET", "/guardrails", "GetGuardrails"),
    _checks("PUT", "/guardrails", "SetGuardrails"),
)

REFERENCES = (
    _call(reference_service_pb2.DESCRIPTOR, "GET", "/references", "ListReferences"),
    _call(reference_service_pb2.DESCRIPTOR, "POST", "/references:import", "ImportReferences"),
)


ACCESS = (
    _access("GET", "/tokens", "ListTokens"),
    _access("POST", "/tokens", "CreateToken", secret=True),
    _access("DELETE", "/tokens/{token_id}", "RevokeToken"),
    _access("GET", "/users", "ListUsers"),
    _access("POST", "/users", "CreateUser", secret=True),
    _access("POST", "/users:set-roles", "SetUserRoles"),
    _access("POST", "/users:set-stores", "SetUserStores"),
    _access("POST", "/users:disable", "DisableUser"),
    _access("POST", "/users:enable", "EnableUser"),
    _access("POST", "/users:invite", "InviteUser", secret=True),
    _access("POST", "/users:reset-password", "ResetPassword", secret=True),
    _access("GET", "/users/{name}/sessions", "ListSessions"),
    _access("POST", "/users:end-sessions", "EndSessions"),
)

AUDIT = (
    _call(audit_service_pb2.DESCRIPTOR, "GET", "/audit", "ListAuditEntries"),
    _call(audit_service_pb2.DESCRIPTOR, "GET", "/audit/verification", "VerifyAudit"),
)


REDEMPTIONS = (
    _redemptions("GET", "/redemptions", "ListRedemptions"),
    _redemptions("GET", "/redemptions/{redemption_id}", "GetRedemption"),
    _redemptions("POST", "/redemptions:release", "Release"),
    _redemptions("GET", "/daily-totals", "ListDailyTotals"),
)


# Codes stand in bodies, never in a URL that somebody logs, and no answer with codes is kept.
VOUCHERS = (
    _vouchers("GET", "/voucher-batches", "ListBatches"),
    _vouchers("GET", "/voucher-batches/{batch_id}", "GetBatch"),
    _vouchers("POST", "/voucher-batches:generate", "GenerateVouchers"),
    _vouchers("POST", "/voucher-batches:import", "ImportVouchers"),
    _vouchers("POST", "/voucher-batches:export", "ExportVouchers", secret=True),
    _vouchers("POST", "/voucher-batches:seal", "SealBatch"),
    _vouchers("POST", "/voucher-batches:disable", "DisableBatch"),
    _vouchers("POST", "/vouchers:check", "CheckVouchers", secret=True),
    _vouchers("POST", "/vouchers:look-up", "LookUpVouchers"),
    _vouchers("POST", "/vouchers:disable", "DisableVoucher"),
)


WEBHOOKS = (
    _webhooks("GET", "/webhooks", "ListWebhooks"),
    _webhooks("POST", "/webhooks", "CreateWebhook", secret=True),
    _webhooks("DELETE", "/webhooks/{webhook_id}", "DeleteWebhook"),
    _webhooks("POST", "/webhooks:rotate-secret", "RotateWebhookSecret", secret=True),
    _webhooks("POST", "/webhooks:disable", "DisableWebhook"),
    _webhooks("POST", "/webhooks:enable", "EnableWebhook"),
    _webhooks("POST", "/webhooks:replay", "ReplayEvents"),
    _webhooks("GET", "/deliveries", "ListDeliveries"),
)

TILLS = (
    _call(rule_stream_service_pb2.DESCRIPTOR, "GET", "/clients", "ListClients"),
    _call(rule_stream_service_pb2.DESCRIPTOR, "POST", "/promotions:kill", "KillPromotions"),
    _call(rule_stream_service_pb2.DESCRIPTOR, "POST", "/promotions:release", "ReleasePromotions"),
)

ROUTES: tuple[Route, ...] = (
    *DEFINITIONS,
    *ROLLOUTS,
    *CHECKS,
    *REFERENCES,
    *SESSIONS,
    *ACCESS,
    *AUDIT,
    *REDEMPTIONS,
    *VOUCHERS,
    *WEBHOOKS,
    *TILLS,
    *BUNDLES,
    *preview.ROUTES,
    *SYNC,
)
"""Every operation. To add one, add its line to the part that it belongs to."""
