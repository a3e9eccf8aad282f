"""Who may call what: one table of every method. What isn't in it is denied to everybody."""

from dataclasses import dataclass

from server.actors import Role
from server.runtime.errors import Denied

EVERYBODY = frozenset(Role)
READERS = EVERYBODY - {Role.DEVICE}
PRICING = EVERYBODY
ADMIN = frozenset({Role.ADMIN})
TILLS = ADMIN | {Role.DEVICE}
AUTHORS = ADMIN | {Role.AUTHOR}
APPROVERS = ADMIN | {Role.APPROVER}
PUBLISHERS = ADMIN | {Role.PUBLISHER}
AUDITORS = ADMIN | {Role.AUDITOR}
OPERATORS = PUBLISHERS | {Role.OPERATOR}
SELLERS = ADMIN | {Role.OPERATOR, Role.DEVICE}
"""Who grants promotions to orders: tills, shops, and those who mend what went wrong there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a method."""

    roles: frozenset[Role] = frozenset()
    public: bool = False
    """Anybody may, without a token."""
    pricing: bool = False
    """It prices a cart: a token for some stores prices carts of those alone, and where access is open, which
    is possible on this machine only, no token is needed."""


PUBLIC = Rule(public=True)

DEFINITION_SERVICE = "dealwright.v1.DefinitionService"
CHECK_SERVICE = "dealwright.v1.CheckService"
REDEMPTION_SERVICE = "dealwright.v1.RedemptionService"
LEASE_SERVICE = "dealwright.v1.LeaseService"
ROLLOUT_SERVICE = "dealwright.v1.RolloutService"
WEBHOOK_SERVICE = "dealwright.v1.WebhookService"
VOUCHER_SERVICE = "dealwright.v1.VoucherService"

_SERVICES: dict[str, dict[str, Rule]] = {
    "dealwright.v1.EvaluationService": {
        "Evaluate": Rule(PRICING, pricing=True),
        "Explain": Rule(PRICING, pricing=True),
        "Replay": Rule(PRICING, pricing=True),
        "Compare": Rule(PRICING, pricing=True),
        "Refund": Rule(PRICING, pricing=True),
    },
    DEFINITION_SERVICE: {
        "GetPromotion": Rule(READERS),
        "ListPromotions": Rule(READERS),
        "ListHistory": Rule(READERS),
        "ListRevisions": Rule(READERS),
        "Diff": Rule(READERS),
        "ValidatePromotion": Rule(READERS),
        "Preview": Rule(READERS),
        "CreatePromotion": Rule(AUTHORS),
        "UpdatePromotion": Rule(AUTHORS),
        "SubmitPromotions": Rule(AUTHORS),
        "RestorePromotions": Rule(AUTHORS),
        "ApprovePromotions": Rule(APPROVERS),
        "RejectPromotions": Rule(APPROVERS),
        "RequestChanges": Rule(APPROVERS),
        "PublishPromotions": Rule(PUBLISHERS),
        "ArchivePromotions": Rule(PUBLISHERS),
        "Rollback": Rule(PUBLISHERS),
        "PausePromotions": Rule(OPERATORS),
        "ResumePromotions": Rule(OPERATORS),
    },
    CHECK_SERVICE: {
        "GetTestCart": Rule(READERS),
        "ListTestCarts": Rule(READERS),
        "RunTestCarts": Rule(READERS),
        "Analyse": Rule(READERS),
        "GetGuardrails": Rule(READERS),
        "CreateTestCart": Rule(AUTHORS),
        "UpdateTestCart": Rule(AUTHORS),
        "DeleteTestCart": Rule(AUTHORS),
        "AcceptTestCarts": Rule(AUTHORS),
        "SetGuardrails": Rule(ADMIN),
    },
    "dealwright.v1.JournalService": {"UploadJournal": Rule(ADMIN | {Role.DEVICE})},
    REDEMPTION_SERVICE: {
        "Reserve": Rule(SELLERS),
        "Commit": Rule(SELLERS),
        "Release": Rule(SELLERS),
        "Redeem": Rule(SELLERS),
        "Return": Rule(SELLERS),
        "GetRedemption": Rule(PRICING),
        "ListRedemptions": Rule(PRICING),
        "ListDailyTotals": Rule(READERS),
        "GetLimitState": Rule(PRICING),
    },
    LEASE_SERVICE: {"RenewLeases": Rule(TILLS), "ListLeases": Rule(PRICING)},
    # Where events go is where data goes.
    WEBHOOK_SERVICE: {
        "CreateWebhook": Rule(ADMIN),
        "ListWebhooks": Rule(ADMIN),
        "DeleteWebhook": Rule(ADMIN),
        "RotateWebhookSecret": Rule(ADMIN),
        "DisableWebhook": Rule(ADMIN),
        "EnableWebhook": Rule(ADMIN),
        "ListDeliveries": Rule(ADMIN),
        "ReplayEvents": Rule(ADMIN),
    },
    VOUCHER_SERVICE: {
        "CheckVouchers": Rule(PRICING),
        "LookUpVouchers": Rule(READERS),
        "GetBatch": Rule(READERS),
        "ListBatches": Rule(READERS),
        "GenerateVouchers": Rule(PUBLISHERS),
        "ImportVouchers": Rule(PUBLISHERS),
        # Whoever has the codes can spend them.
        "ExportVouchers": Rule(PUBLISHERS),
        "SealBatch": Rule(OPERATORS),
        "DisableBatch": Rule(OPERATORS),
        "DisableVoucher": Rule(OPERATORS),
    },
    "dealwright.v1.ReferenceService": {
        "ListReferences": Rule(READERS),
        "ImportReferences": Rule(PUBLISHERS),
    },
    "dealwright.v1.AccessService": {
        "CreateToken": Rule(ADMIN),
        "ListTokens": Rule(ADMIN),
        "RevokeToken": Rule(ADMIN),
        "CreateUser": Rule(ADMIN),
        "ListUsers": Rule(ADMIN),
        "SetUserRoles": Rule(ADMIN),
        "SetUserStores": Rule(ADMIN),
        "DisableUser": Rule(ADMIN),
        "EnableUser": Rule(ADMIN),
        "InviteUser": Rule(ADMIN),
        "ResetPassword": Rule(ADMIN),
        "ListSessions": Rule(ADMIN),
        "EndSessions": Rule(ADMIN),
    },
    "dealwright.v1.AuditService": {
        "ListAuditEntries": Rule(AUDITORS),
        "VerifyAudit": Rule(AUDITORS),
    },
    "dealwright.v1.RuleStreamService": {
        "Sync": Rule(TILLS),
        "Watch": Rule(TILLS),
        "Report": Rule(TILLS),
        "GetBundle": Rule(TILLS),
        "ListClients": Rule(OPERATORS),
        "KillPromotions": Rule(OPERATORS),
        "ReleasePromotions": Rule(OPERATORS),
    },
    ROLLOUT_SERVICE: {
        "GetRollout": Rule(READERS),
        "ListRollouts": Rule(READERS),
        "StartRollout": Rule(PUBLISHERS),
        "PromoteRollout": Rule(PUBLISHERS),
        "StopRollout": Rule(OPERATORS),
    },
    "grpc.health.v1.Health": {"Check": PUBLIC, "List": PUBLIC, "Watch": PUBLIC},
    # The schema is no secret.
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": PUBLIC},
}

HTTP_ALONE: dict[str, Rule] = {
    "sessions/LogIn": PUBLIC,
    "sessions/AcceptInvitation": PUBLIC,
    "sessions/GetSession": Rule(EVERYBODY),
    "sessions/ChangePassword": Rule(EVERYBODY),
    "sessions/LogOut": Rule(EVERYBODY),
    "bundles/GetBundle": Rule(TILLS),
    "sync/GetChanges": Rule(TILLS),
    "sync/GetDocument": Rule(TILLS),
    "sync/GetDocuments": Rule(TILLS),
    "sync/GetVersion": Rule(TILLS),
    "sync/UploadUsages": Rule(TILLS),
    "sync/UploadLogs": Rule(TILLS),
}
"""What is offered over HTTP alone: sessions of browsers, and shapes that others have prescribed."""

RULES = HTTP_ALONE | {
    f"/{service}/{method}": rule for service, methods in _SERVICES.items() for method, rule in methods.items()
}
"""The rule of each method, by its path."""


def require_role(method: str, roles: frozenset[Role]) -> None:
    """Refuses roles of which none may call a method."""
    rule = RULES.get(method, Rule())
    if rule.public or rule.roles & roles:
        return
    needed = " or ".join(sorted(rule.roles)) or "nobody"
    raise Denied(
        "ROLE_MISSING",
        f"{method.rpartition('/')[2]} is for {needed}",
        needed=",".join(sorted(rule.roles)),
    )
