"""Each file of tests/invalid is broken in one way: its name is the code that the engine gives.

A file holds `expect`, the place (field, and promotion_id or number where that says which), and `document`, or
several of these as `cases`. What YAML can't say, such as an enum value of a later schema, stands in `wire`:
bytes in hexadecimal, that come `wire_times` times behind those of the document, where protobuf merges them.

The promotions of `meaning` can be computed, and are probably not meant so; so can the carts of `remarks`,
which have a `ruleset` each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dealwright.v1.diagnostic_pb2 import Diagnostics, Severity
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    ReplayRequest,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage
from dealwright_engine import InvalidRequest, Ruleset, reason_codes, validate, validate_ruleset
from google.protobuf.message import DecodeError, Message

from server.documents import parse_message, read_source

INVALID = Path(__file__).parents[1] / "invalid"
COMPANY = RulesetMessage(company_id="sinar-rasa")
# What is wrong with the bytes themselves can't be put into a ruleset.
UNREADABLE = {"not_a_message", "too_deep", "message_too_large"}
CODES = {code: severity for code, severity, _ in reason_codes()}


@dataclass(frozen=True)
class Case:
    """One broken document and what the engine should say of it."""

    path: Path
    number: int
    expect: dict[str, Any]
    data: bytes

    def __str__(self) -> str:
        return f"{self.path.relative_to(INVALID).with_suffix('')}-{self.number}"


def cases(folder: str, message_type: type[Message]) -> Iterator[Case]:
    for path in sorted((INVALID / folder).glob("*.yaml")):
        source = read_source(path)
        value: Any = source.value
        several = "cases" in value
        for number, case in enumerate(value["cases"] if several else [value]):
            place = f"cases[{number}].document" if several else "document"
            document = parse_message(source, message_type, place).SerializeToString()
            wire = bytes.fromhex(str(case.get("wire", ""))) * int(case.get("wire_times", 1))
            yield Case(path, number, case["expect"], document + wire)


PROMOTIONS = [*cases(".", Promotion), *cases("rules", Promotion)]
MEANINGS = list(cases("meaning", Promotion))
REQUESTS = list(cases("requests", EvaluateRequest))
REFUNDS = list(cases("refunds", RefundRequest))
REPLAYS = list(cases("replays", ReplayRequest))
COMPARISONS = list(cases("comparisons", CompareRequest))
REMARKS = sorted((INVALID / "remarks").glob("*.yaml"))
RULESETS = list(cases("rulesets", RulesetMessage))


@pytest.mark.parametrize("case", PROMOTIONS, ids=str)
def test_a_broken_promotion_is_named(case: Case) -> None:
    assert_named(case, validate(case.data))


@pytest.mark.parametrize("case", MEANINGS, ids=str)
def test_what_is_probably_not_meant_is_named_before_it_is_published(case: Case) -> None:
    found = Diagnostics.FromString(validate(case.data)).diagnostics

    assert [(finding.code, finding.field) for finding in found] == [(case.path.stem, case.expect["field"])]
    assert "{" not in found[0].message


@pytest.mark.parametrize("case", MEANINGS, ids=str)
def test_what_is_published_is_applied_as_it_is_written(case: Case) -> None:
    message = RulesetMessage(company_id="sinar-rasa", promotions=[Promotion.FromString(case.data)])

    ruleset = Ruleset.compile(message.SerializeToString())

    assert (ruleset.unsupported, ruleset.diagnostics) == ({}, b"")


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_a_broken_request_is_refused(case: Case) -> None:
    ruleset = Ruleset.compile(COMPANY.SerializeToString())

    with pytest.raises(InvalidRequest) as refusal:
        ruleset.evaluate(case.data, 0)

    assert_named(case, refusal.value.diagnostics)


@pytest.mark.parametrize("path", REMARKS, ids=lambda path: path.stem)
def test_a_slip_in_a_request_is_remarked(path: Path) -> None:
    source = read_source(path)
    value: Any = source.value
    ruleset = Ruleset.compile(parse_message(source, RulesetMessage, "ruleset").SerializeToString())
    asked = parse_message(source, EvaluateRequest, "document")
    told = {}
    for language in ("", "en", "id"):
        asked.options.language = language
        answer = EvaluateResponse.FromString(ruleset.evaluate(asked.SerializeToString(), 0))
        (remark,) = answer.result.remarks
        assert (remark.code, remark.field) == (path.stem, value["expect"]["field"])
        told[language] = remark.text

    assert told[""] == ""
    assert told["en"].endswith(".")
    assert told["id"].endswith(".")
    assert told["en"] != told["id"]
    assert "{" not in told["en"] + told["id"]


@pytest.mark.parametrize("case", REFUNDS, ids=str)
def test_a_broken_refund_is_refused(case: Case) -> None:
    ruleset = Ruleset.compile(COMPANY.SerializeToString())

    with pytest.raises(InvalidRequest) as refusal:
        ruleset.refund(with_proof(ruleset, case))

    assert_named(case, refusal.value.diagnostics)


def with_proof(ruleset: Ruleset, case: Case) -> bytes:
    """The request with the hash of its sale, unless it has one or the sale can't be evaluated."""
    try:
        sale = RefundRequest.FromString(case.data).sale
        evaluated = ruleset.evaluate(sale.request.SerializeToString(), 0)
    except (DecodeError, InvalidRequest):
        return case.data
    if sale.WhichOneof("paid") or case.expect["field"] == "sale.paid":
        return case.data
    proof = RefundRequest()
    proof.sale.result_hash = EvaluateResponse.FromString(evaluated).result.result_hash
    # Behind the document, where protobuf merges it in.
    return case.data + proof.SerializeToString()


@pytest.mark.parametrize("case", REPLAYS, ids=str)
def test_a_broken_replay_is_refused(case: Case) -> None:
    ruleset = Ruleset.compile(COMPANY.SerializeToString())

    with pytest.raises(InvalidRequest) as refusal:
        ruleset.replay(case.data)

    assert_named(case, refusal.value.diagnostics)


@pytest.mark.parametrize("case", COMPARISONS, ids=str)
def test_a_broken_comparison_is_refused(case: Case) -> None:
    ruleset = Ruleset.compile(COMPANY.SerializeToString())

    with pytest.raises(InvalidRequest) as refusal:
        ruleset.compare(ruleset, case.data, 0)

    assert_named(case, refusal.value.diagnostics)


@pytest.mark.parametrize("case", RULESETS, ids=str)
def test_a_broken_ruleset_is_named(case: Case) -> None:
    assert_named(case, validate_ruleset(case.data))


@pytest.mark.parametrize("case", [case for case in PROMOTIONS if case.path.stem not in UNREADABLE], ids=str)
def test_a_broken_promotion_breaks_no_ruleset(case: Case) -> None:
    promotion = Promotion.FromString(case.data)
    message = RulesetMessage(company_id="sinar-rasa", promotions=[promotion])

    ruleset = Ruleset.compile(message.SerializeToString())

    assert ruleset.promotion_count == len(ruleset.unsupported) == 1


def test_every_code_has_a_file_and_every_file_a_code() -> None:
    after_a_sale = [*REFUNDS, *REPLAYS, *COMPARISONS]
    shown = {case.path.stem for case in [*PROMOTIONS, *MEANINGS, *REQUESTS, *after_a_sale, *RULESETS]}
    # Found by the analysis, which has tests of its own.
    shown |= {path.stem for path in (INVALID / "analysis").glob("*.yaml")}
    shown |= {path.stem for path in REMARKS}
    assert shown == set(CODES)


def assert_named(case: Case, data: bytes) -> None:
    """The code and the place are found, and nothing else that would refuse the document."""
    found = Diagnostics.FromString(data).diagnostics
    named = [(finding.code, finding.field, finding.promotion_id) for finding in found]
    expected = (case.path.stem, case.expect["field"], case.expect.get("promotion_id", ""))

    assert [each for each in named if each == expected or CODES[each[0]] == "error"] == [expected]
    numbers = [each.number for finding in found for each in finding.parameters if each.name == "number"]
    assert numbers == ([case.expect["number"]] if "number" in case.expect else [])
    for finding in found:
        assert Severity.Name(finding.severity) == f"SEVERITY_{CODES[finding.code].upper()}"
