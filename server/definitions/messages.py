"""What use cases give back, as messages of the schema. One vocabulary for every door."""

import json
from typing import Any

from dealwright.v1 import analysis_pb2 as analysis
from dealwright.v1 import lifecycle_pb2 as schema
from dealwright.v1 import test_cart_pb2 as test_carts

from server.audit.service import Entry
from server.definitions.analysis.findings import Finding
from server.definitions.checks.expectations import Deviation
from server.definitions.checks.gate import read_cart
from server.definitions.checks.test_carts import Outcome
from server.definitions.conflicts import changed
from server.definitions.contents import read_promotion
from server.definitions.differences import Difference
from server.definitions.lifecycle import Review, State
from server.definitions.promotions import Record
from server.definitions.store.revisions import Revision, StoredPromotion
from server.definitions.store.test_carts import StoredCart
from server.runtime.instants import timestamp

STATES = {state: schema.PromotionState.Value(f"PROMOTION_STATE_{state.name}") for state in State}
"""The values of the schema, by state."""

REVIEWS = {review: schema.ReviewState.Value(f"REVIEW_STATE_{review.name}") for review in Review}
"""The values of the schema, by review."""


def record(found: Record) -> schema.PromotionRecord:
    head, version = found.head, found.version
    stored = StoredPromotion(version.promotion_id, version.version, version.definition)
    return schema.PromotionRecord(
        promotion=read_promotion(stored),
        version=version.version,
        author=version.author,
        comment=version.comment,
        create_time=timestamp(version.create_time),
        state=STATES[head.state],
        review=REVIEWS[head.review],
        newest_version=head.version,
        published_version=head.published_version,
        etag=str(head.audit_number),
        approvers=head.approvers,
    )


def history_entry(entry: Entry) -> schema.HistoryEntry:
    return schema.HistoryEntry(
        number=entry.number,
        time=timestamp(entry.time),
        actor=entry.actor,
        source=entry.source,
        action=entry.action,
        version=entry.version or 0,
        revision=entry.revision,
        comment=entry.comment,
        changes=changed(entry),
    )


def revision(found: Revision) -> schema.Revision:
    return schema.Revision(
        revision=found.revision,
        action=found.action,
        author=found.author,
        comment=found.comment,
        publish_time=timestamp(found.publish_time),
    )


def difference(found: Difference) -> schema.Difference:
    return schema.Difference(
        subject=found.subject,
        subject_id=found.subject_id,
        kind=schema.DifferenceKind.Value(f"DIFFERENCE_KIND_{found.kind.name}"),
        fields=[
            schema.FieldDifference(
                path=field.path,
                before=_protojson(field.before),
                after=_protojson(field.after),
                text=field.text,
            )
            for field in found.fields
        ],
        sentences=found.sentences(),
    )


def test_cart_record(stored: StoredCart) -> test_carts.TestCartRecord:
    return test_carts.TestCartRecord(
        test_cart=read_cart(stored),
        version=stored.version,
        author=stored.author,
        comment=stored.comment,
        create_time=timestamp(stored.create_time),
        etag=str(stored.audit_number),
    )


def finding(found: Finding) -> analysis.Finding:
    return analysis.Finding(
        diagnostic=found.diagnostic,
        promotion_ids=sorted(found.promotion_ids),
        request=found.priced.request,
        result=found.priced.result,
    )


def outcome(found: Outcome) -> test_carts.TestCartOutcome:
    return test_carts.TestCartOutcome(
        test_cart_id=found.test_cart_id,
        currency_code=found.result.currency_code,
        payable_minor=found.result.totals.payable_minor,
        payable_before_minor=found.payable_before_minor,
        deviations=map(deviation, found.deviations),
        changes=found.changes,
    )


def deviation(found: Deviation) -> test_carts.Deviation:
    return test_carts.Deviation(
        subject=found.subject,
        subject_id=found.subject_id,
        expected_minor=found.expected_minor,
        given_minor=found.given_minor,
        expected_reason=found.expected_reason,
        given_reason=found.given_reason,
        text=found.text,
    )


def _protojson(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
