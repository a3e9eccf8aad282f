"""The first difference between the engine's answer and the reference's, told so that a person can decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dealwright_engine
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateRequest,
    EvaluateResponse,
    ExplainRequest,
    ExplainResponse,
    VerdictScope,
)
from dealwright.v1.result_pb2 import CodeVerdict, Reason, Result, Verdict
from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

from tests.differential.cases import Case
from tests.reference.advice import Advisor
from tests.reference.answer import evaluate

ADVICE_MAX = 20

# Which rules say what stands in a part of the result; the most telling parts are compared first.
RULES = {
    "selection": "S-7.2 to S-7.4",
    "applications": "S-2.3, section 5, section 6, S-10.1",
    "lines": "S-3.4, S-10.1",
    "totals": "S-3.4, S-5.6, S-10.1",
    "gifts": "S-9.4, S-9.6, S-9.7",
    "rewards": "S-9.5",
    "verdicts": "S-8.1, S-8.5, S-10.2, S-10.3",
    "codes": "S-9.1",
    "remarks": "S-10.8",
}


@dataclass(frozen=True)
class Difference:
    """One part of a result on which the two disagree."""

    rules: str
    path: str
    engine: str
    reference: str

    def __str__(self) -> str:
        return f"{self.path} ({self.rules})\n  engine:    {self.engine}\n  reference: {self.reference}"


def difference(case: Case) -> Difference | None:
    """The first difference of a case, or None."""
    engine, reference = ask_engine(case), ask_reference(case)
    for part, rules in RULES.items():
        found = _first_difference(part, getattr(engine, part), getattr(reference, part))
        if found:
            return Difference(rules, *found)
    found = _first_difference("result", engine, reference)
    return Difference("S-1.3", *found) if found else None


def advice_difference(case: Case) -> Difference | None:
    """The first difference between near misses or suggestions, all that may be asked for."""
    request = EvaluateRequest()
    request.CopyFrom(case.request)
    request.options.near_misses_max = request.options.suggestions_max = ADVICE_MAX
    compiled = dealwright_engine.Ruleset.compile(case.ruleset.SerializeToString())
    engine = EvaluateResponse.FromString(compiled.evaluate(request.SerializeToString(), 0)).result
    for told in (*engine.near_misses, *engine.suggestions):
        told.ClearField("text")
    advisor = Advisor(case.ruleset, request)
    near_misses = _first_difference("near_misses", engine.near_misses, advisor.near_misses(ADVICE_MAX))
    suggestions = _first_difference("suggestions", engine.suggestions, advisor.suggestions(ADVICE_MAX))
    found = near_misses or suggestions
    return Difference("S-10.5, S-10.6", *found) if found else None


def refused_definitions(case: Case) -> str:
    """What the validator has against the promotions of a case, which are all meant to be good, or of a later
    rule language."""
    compiled = dealwright_engine.Ruleset.compile(case.ruleset.SerializeToString())
    found = Diagnostics.FromString(compiled.diagnostics).diagnostics
    return "\n".join(
        f"{each.promotion_id} {each.field}: {each.message}"
        for each in found
        if each.code != "language_version"
    )


def ask_engine(case: Case) -> Result:
    """The engine's answer, less what only the engine knows."""
    compiled = dealwright_engine.Ruleset.compile(case.ruleset.SerializeToString())
    request = case.request.SerializeToString()
    if case.explain:
        # The first four fields of the two requests are the same, options aside.
        asked = ExplainRequest(cart=case.request.cart, evaluate_time=case.request.evaluate_time)
        asked.limit_state.CopyFrom(case.request.limit_state)
        result = ExplainResponse.FromString(compiled.explain(asked.SerializeToString(), 0)).result
    else:
        result = EvaluateResponse.FromString(compiled.evaluate(request, 0)).result
    return comparable(result)


def comparable(result: Result) -> Result:
    """Without fingerprint, hash, nodes and texts, which the rules don't fix."""
    for field in (result.near_misses, result.suggestions):
        del field[:]
    result.policy_fingerprint = result.result_hash = b""
    result.selection.ClearField("nodes")
    for application in result.applications:
        application.ClearField("text")
    said: list[Verdict | CodeVerdict] = [*result.verdicts, *result.codes]
    for verdict in said:
        verdict.ClearField("text")
        if verdict.reason == Reason.REASON_UNSUPPORTED:
            verdict.ClearField("parameters")
    for remark in result.remarks:
        remark.ClearField("text")
    return result


def ask_reference(case: Case) -> Result:
    request = EvaluateRequest()
    request.CopyFrom(case.request)
    if case.explain:
        request.options.verdicts = VerdictScope.VERDICT_SCOPE_ALL
    return evaluate(case.ruleset, request)


def _first_difference(path: str, engine: Any, reference: Any) -> tuple[str, str, str] | None:
    """The path, and both sides of the message or the list that it lies in."""
    if engine == reference:
        return None
    if isinstance(engine, Message):
        return _path(path, engine, reference), _told([engine]), _told([reference])
    if len(engine) != len(reference):
        return path, _told(engine), _told(reference)
    pairs = enumerate(zip(engine, reference, strict=True))
    index, (one, other) = next((index, pair) for index, pair in pairs if pair[0] != pair[1])
    return _path(f"{path}[{index}]", one, other), _told([one]), _told([other])


def _path(path: str, engine: Any, reference: Any) -> str:
    """Down to the first field that differs."""
    if isinstance(engine, Message):
        for field in engine.DESCRIPTOR.fields:
            one, other = getattr(engine, field.name), getattr(reference, field.name)
            if one != other:
                return _path(f"{path}.{field.name}", one, other)
    elif not isinstance(engine, str | bytes) and hasattr(engine, "__len__") and len(engine) == len(reference):
        for index, (one, other) in enumerate(zip(engine, reference, strict=True)):
            if one != other:
                return _path(f"{path}[{index}]", one, other)
    return path


def _told(messages: Sequence[Message]) -> str:
    return " | ".join(MessageToString(message, as_one_line=True) for message in messages) or "nothing"
