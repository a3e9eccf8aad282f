"""The promotions engine. Messages of `dealwright.v1` go in and come out as bytes."""

from typing import final

__all__ = [
    "RULE_LANGUAGE",
    "VERSION",
    "EngineError",
    "InvalidRequest",
    "InvalidRuleset",
    "Ruleset",
    "currency_exponent",
    "exposure",
    "fold",
    "key_id",
    "public_key",
    "reason_codes",
    "ruleset_items",
    "ruleset_root",
    "sign",
    "validate",
    "validate_ruleset",
    "verify",
    "work",
]

RULE_LANGUAGE: int
"""The newest rule language that this engine understands."""

VERSION: str
"""The version of the engine."""

class EngineError(Exception):
    """What was given can't be used. Its text is safe to show to whoever gave it."""

    diagnostics: bytes
    """A serialized `Diagnostics` with the code and field path of each fault."""

class InvalidRequest(EngineError):
    """The bytes are no request, or the request is no valid one."""

class InvalidRuleset(EngineError):
    """The bytes are no ruleset, or what holds for all its promotions is at fault."""

@final
class Ruleset:
    """Compiled definitions. Immutable and safe to share between threads; its methods release the GIL."""

    @staticmethod
    def compile(ruleset: bytes) -> Ruleset:
        """Compiles a serialized `Ruleset`; raises InvalidRuleset.

        A promotion that can't be used doesn't fail it: carts are told UNSUPPORTED, `diagnostics` says why.
        """

    def evaluate(self, request: bytes, now_nanos: int) -> bytes:
        """Answers a serialized `EvaluateRequest` with an `EvaluateResponse`; raises InvalidRequest.

        `now_nanos` is Unix time in nanoseconds; it counts when the request has no evaluate_time.
        """

    def explain(self, request: bytes, now_nanos: int) -> bytes:
        """Answers a serialized `ExplainRequest` with an `ExplainResponse`; raises InvalidRequest."""

    def replay(self, request: bytes) -> bytes:
        """Answers a serialized `ReplayRequest` about this revision with a `ReplayResponse`.

        Raises InvalidRequest.
        """

    def compare(self, after: Ruleset, request: bytes, now_nanos: int) -> bytes:
        """Answers a serialized `CompareRequest` from this revision to `after` with a `CompareResponse`.

        Raises InvalidRequest. `now_nanos` counts when the request has no evaluate_time.
        """

    def refund(self, request: bytes) -> bytes:
        """Answers a serialized `RefundRequest` about a sale at this revision with a `RefundResponse`.

        Raises InvalidRequest.
        """

    @property
    def company_id(self) -> str:
        """The company whose definitions these are."""

    @property
    def revision(self) -> int:
        """The revision of the definitions."""

    @property
    def promotion_count(self) -> int:
        """How many promotions there are, unsupported ones included."""

    @property
    def unsupported(self) -> dict[str, str]:
        """Those that can't be used, by id, and why."""

    @property
    def policy_fingerprint(self) -> bytes:
        """A hash of the policy, as results carry it."""

    @property
    def diagnostics(self) -> bytes:
        """A serialized `Diagnostics` about the promotions that can't be used."""

def currency_exponent(code: str) -> int | None:
    """How many digits the minor unit of an ISO 4217 currency has; None when there is no such currency."""

def exposure(promotion: bytes, currency_code: str) -> int | None:
    """The most in minor units that a serialized `Promotion` can give in a currency over its life.

    It is the budget, or what one order can get as often as the promotion may be used. None where neither
    bounds it, where the promotion can't be understood, or where there is no such currency.
    """

def fold(text: str) -> str:
    """A code or a name in the form in which these are compared: trimmed, NFKC, case folded."""

def key_id(public: bytes) -> str:
    """The name of a key, by its public half."""

def public_key(secret: bytes) -> bytes:
    """The public half of an Ed25519 key of 32 bytes; another length is a TypeError or a ValueError."""

def reason_codes() -> list[tuple[str, str, str]]:
    """Every code of a diagnostic as (code, "error" or "warning", English template)."""

def ruleset_items(ruleset: bytes) -> list[tuple[int, str, bytes]]:
    """The items of a serialized `Ruleset`: the number of the field, the id, and the bytes of each.

    Raises InvalidRuleset, also for a field that this version doesn't know.
    """

def ruleset_root(ruleset: bytes) -> bytes:
    """The root of a serialized `Ruleset`, as manifests name it; raises InvalidRuleset as above."""

def sign(secret: bytes, message: str, payload: bytes) -> bytes:
    """Signs the bytes of a message, which is named, with a secret key of 32 bytes."""

def validate(promotion: bytes) -> bytes:
    """Checks a serialized `Promotion`. Gives serialized `Diagnostics`, empty when all is well."""

def validate_ruleset(ruleset: bytes) -> bytes:
    """Checks a serialized `Ruleset` as a whole. Gives serialized `Diagnostics`, empty when all is well.

    What `validate` says about the meaning of each promotion alone isn't repeated.
    """

def verify(public: bytes, message: str, payload: bytes, signature: bytes) -> bool:
    """Whether a signature over the bytes of a message, which is named, is that of a key."""

def work() -> dict[str, int]:
    """Sums over all carts that were priced since the process began.

    `carts`, and of them those that are `unproven` since the search ended at its budget; promotions that were
    `candidates`; those of them that were `eligible`; `nodes` that searches visited.
    """
