"""Test carts: kept in versions, asked before something comes into force."""

import pytest
from dealwright.v1.guardrails_pb2 import Guardrails, OnDeviation
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.test_cart_pb2 import TestCart as Cart
from google.protobuf.message import Message
from sqlalchemy import Engine, text

from server.actors import Role
from server.audit.service import Audit
from server.definitions.checking import Checks
from server.definitions.checks.gate import DeviationsRefused, read_cart
from server.definitions.checks.saving import TEST_CARTS_MAX, CartDraft
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.references import import_references
from server.definitions.service import Definitions, DefinitionsRefused, Publication
from server.definitions.transitions import Target
from server.runtime.errors import AlreadyThere, Invalid, Stale, Unknown
from tests.definitions.lunch import lunch
from tests.definitions.people import ANN, CARA, do, person, write
from tests.definitions.samples import jakarta_settings, percent_off

ADAM = person("adam", Role.ADMIN)

TEN_OFF = "{payable_minor: 4500000, promotions: [{promotion_id: a, discount_minor: 500000}], no_others: true}"


@pytest.fixture
def checks(database: Engine, definitions: Definitions) -> Checks:
    definitions.publish("kopi", Publication([percent_off("a", 10)], settings=jakarta_settings()))
    return Checks(database)


def save(checks: Checks, *carts: Cart) -> None:
    checks.save(ANN, [CartDraft(cart) for cart in carts], comment="for lunch")


def said(checks: Checks) -> list[str]:
    return [found.text for outcome in checks.run(ANN) for found in outcome.deviations]


def audited(database: Engine, subject: str) -> list[tuple[str, str, int | None]]:
    return [
        (entry.actor, entry.action, entry.version)
        for entry in Audit(database).entries("kopi")
        if entry.subject == subject
    ]


def test_each_save_is_a_version_with_its_author_and_audit_entry(checks: Checks, database: Engine) -> None:
    save(checks, lunch(TEN_OFF))
    save(checks, lunch(TEN_OFF))
    save(checks, lunch())
    found = checks.get(ANN, "lunch")

    assert (found.version, found.author, found.comment) == (2, "ann", "for lunch")
    assert read_cart(found) == lunch()
    assert audited(database, "test_cart") == [("ann", "create", 1), ("ann", "update", 2)]
    checks.delete(ANN, "lunch")
    assert checks.page(ANN) == []
    assert audited(database, "test_cart")[-1] == ("ann", "delete", 3)
    with pytest.raises(Unknown, match="there is no test cart lunch"):
        checks.get(ANN, "lunch")
    save(checks, lunch(TEN_OFF))
    assert (checks.get(ANN, "lunch").version, audited(database, "test_cart")[-1][1]) == (4, "create")


def test_an_edit_is_refused_when_somebody_was_quicker(checks: Checks) -> None:
    save(checks, lunch())
    read = checks.get(ANN, "lunch").audit_number
    checks.save(ADAM, [CartDraft(lunch(TEN_OFF), new=False, etag=read)])

    with pytest.raises(Stale, match="adam: update as version 2") as stale:
        checks.save(ANN, [CartDraft(lunch("{payable_minor: 1}"), new=False, etag=read)])

    assert stale.value.parameters["test_cart_id"] == "lunch"
    with pytest.raises(Stale):
        checks.delete(ANN, "lunch", read)
    with pytest.raises(AlreadyThere):
        checks.save(ANN, [CartDraft(lunch(), new=True)])
    with pytest.raises(Unknown):
        checks.save(ANN, [CartDraft(lunch(test_cart_id="dinner"), new=False)])


def test_versions_are_never_changed(checks: Checks, database: Engine) -> None:
    save(checks, lunch())
    for statement in ("UPDATE test_cart_version SET author = 'x'", "DELETE FROM test_cart_version"):
        with (
            pytest.raises(Exception, match="never changed or deleted"),
            database.begin() as connection,
        ):
            connection.execute(text(statement))


def test_carts_are_pruned_and_another_companys_stay(checks: Checks) -> None:
    other = person("olga", Role.AUTHOR, company_id="teh")
    checks.save(other, [CartDraft(lunch())])
    save(checks, lunch(), lunch(test_cart_id="dinner"))

    saved = checks.save(ANN, [CartDraft(lunch())], prune=True, dry_run=True)
    assert (saved.unchanged, saved.deleted) == (("lunch",), ("dinner",))
    assert len(checks.page(ANN)) == 2
    checks.save(ANN, [CartDraft(lunch())], prune=True)

    assert [stored.test_cart_id for stored in checks.page(ANN)] == ["lunch"]
    assert [stored.test_cart_id for stored in checks.page(other)] == ["lunch"]


def test_there_is_an_end_to_how_many_a_company_has(checks: Checks) -> None:
    save(checks, *(lunch(test_cart_id=f"c{number}") for number in range(TEST_CARTS_MAX)))

    with pytest.raises(Invalid, match="at most 500 test carts, not 501"):
        save(checks, lunch())

    checks.save(ANN, [CartDraft(lunch())], prune=True)
    assert len(checks.page(ANN)) == 1


@pytest.mark.parametrize(
    ("expected", "deviations"),
    [
        ("{}", []),
        (TEN_OFF, []),
        ("{payable_minor: 4400000}", ["payable: expected IDR 44,000.00, but 45,000.00"]),
        (
            "{promotions: [{promotion_id: a, discount_minor: 1}]}",
            ["promotion a: discount expected IDR 0.01, but 5,000.00"],
        ),
        (
            "{promotions: [{promotion_id: a, reason: REASON_NOT_STARTED}]}",
            ["promotion a: expected not started, but applied"],
        ),
        (
            "{promotions: [{promotion_id: gone}]}",
            ["promotion gone: expected applied, but no verdict"],
        ),
        ("{no_others: true}", ["promotion a: expected nothing of it, but applied"]),
        (
            "{lines: [{line_id: latte}]}",
            ["line latte: discount expected IDR 0.00, but 5,000.00"],
        ),
        ("{lines: [{line_id: latte, discount_minor: 500000}]}", []),
    ],
)
def test_what_comes_out_is_compared_with_what_is_expected(
    checks: Checks, expected: str, deviations: list[str]
) -> None:
    save(checks, lunch(expected))

    assert said(checks) == deviations


def test_the_reason_of_a_promotion_that_is_no_candidate_can_be_expected(
    checks: Checks, definitions: Definitions
) -> None:
    elsewhere = percent_off("elsewhere", 50)
    elsewhere.targeting.store_ids.include.append("kemang")
    definitions.publish("kopi", Publication([elsewhere]))
    save(checks, lunch("{promotions: [{promotion_id: elsewhere, reason: REASON_STORE}]}"))

    assert said(checks) == []


def fields_refused(checks: Checks, cart: Cart) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionsRefused) as refused:
        save(checks, cart)
    return [(found.code, found.field) for found in refused.value.diagnostics]


def test_a_cart_that_cannot_be_priced_or_met_is_refused_with_its_fields(checks: Checks) -> None:
    timeless = lunch()
    timeless.ClearField("evaluate_time")
    assert fields_refused(checks, timeless) == [("required", "evaluate_time")]
    negative = lunch()
    negative.cart.lines[0].quantity = 0
    assert fields_refused(checks, negative) == [("out_of_range", "cart.lines[0].quantity")]
    assert fields_refused(checks, lunch(test_cart_id="no-id-of-ours-ÄÖ")) == [("id_invalid", "id")]
    assert fields_refused(checks, lunch("{lines: [{line_id: tea}, {line_id: tea}]}")) == [
        ("line_unknown", "expected.lines[0].line_id"),
        ("line_unknown", "expected.lines[1].line_id"),
        ("duplicate", "expected.lines[1].line_id"),
    ]
    assert fields_refused(
        checks,
        lunch("{promotions: [{}, {promotion_id: a, reason: REASON_ENDED, discount_minor: 1}]}"),
    ) == [
        ("required", "expected.promotions[0].promotion_id"),
        ("not_allowed", "expected.promotions[1].discount_minor"),
    ]
    assert checks.page(ANN) == []


def test_drafts_are_tried_on_them_and_nothing_changes(checks: Checks, database: Engine) -> None:
    save(checks, lunch(TEN_OFF))
    promotions = Promotions(database)
    write(promotions, percent_off("a", 20))

    (tried,) = checks.run(ANN, promotion_ids=["a"])
    (unsaved,) = checks.run(ANN, promotions=[percent_off("b", 50)])

    assert tried.result.totals.payable_minor == 4_000_000
    assert unsaved.result.totals.payable_minor == 2_250_000
    assert said(checks) == []


def test_accepting_expects_all_that_comes_out(checks: Checks, database: Engine) -> None:
    save(checks, lunch("{payable_minor: 1, promotions: [{promotion_id: gone}]}"), lunch(test_cart_id="other"))

    accepted = checks.accept(ANN, ["lunch"], comment="prices rose")

    (found,) = accepted
    assert (found.version, found.comment) == (2, "prices rose")
    expected = read_cart(found).expected
    assert (
        expected
        == lunch(
            "{payable_minor: 4500000, promotions: [{promotion_id: a, discount_minor: 500000}], "
            "no_others: true, lines: [{line_id: latte, discount_minor: 500000}]}"
        ).expected
    )
    assert said(checks) == []
    assert checks.accept(ANN, ["lunch"]) == []
    with pytest.raises(Unknown):
        checks.accept(ANN, ["dinner"])
    with pytest.raises(Invalid):
        checks.accept(ANN, [])


def test_accepting_keeps_asking_about_what_is_not_applied(checks: Checks, definitions: Definitions) -> None:
    late = percent_off("late", 50)
    late.schedule.start_date = "2030-01-01"
    definitions.publish("kopi", Publication([late]))
    save(checks, lunch("{promotions: [{promotion_id: late, reason: REASON_ENDED}]}"))

    (found,) = checks.accept(ANN, ["lunch"])

    wanted = {each.promotion_id: each.reason for each in read_cart(found).expected.promotions}
    assert wanted == {"a": Reason.REASON_UNSPECIFIED, "late": Reason.REASON_NOT_STARTED}


def test_a_publication_that_changes_an_expected_result_is_refused(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    save(checks, lunch(TEN_OFF))
    promotions = Promotions(database)
    write(promotions, percent_off("a", 20))
    do(promotions, Action.SUBMIT, Action.APPROVE)

    with pytest.raises(DeviationsRefused) as refused:
        promotions.act(CARA, Action.PUBLISH, [Target("a")])

    assert refused.value.reason == "TEST_CARTS_DEVIATE"
    assert "lunch: payable: expected IDR 45,000.00, but 40,000.00" in str(refused.value)
    assert definitions.head_revision("kopi") == 1
    assert promotions.get(ANN, "a").head.review == "approved"


def test_a_dry_run_shows_what_changes_and_what_deviates(checks: Checks, database: Engine) -> None:
    save(checks, lunch(TEN_OFF), lunch(test_cart_id="unasked"))
    promotions = Promotions(database)
    write(promotions, percent_off("a", 20))
    do(promotions, Action.SUBMIT, Action.APPROVE)

    shown = promotions.act(CARA, Action.PUBLISH, [Target("a")], dry_run=True).test_carts

    assert [(each.test_cart_id, each.payable_before_minor) for each in shown] == [
        ("lunch", 4_500_000),
        ("unasked", 4_500_000),
    ]
    assert shown[0].changes == shown[1].changes
    assert shown[0].changes == (
        "IDR 5,000.00 less to pay.",
        "a: Before: Applied: IDR 5,000.00 off. After: Applied: IDR 10,000.00 off.",
    )
    assert [len(each.deviations) for each in shown] == [2, 0]


def test_deviations_are_accepted_with_a_reason_that_the_audit_log_keeps(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    save(checks, lunch(TEN_OFF))
    publication = Publication([percent_off("a", 20)], accept_deviations="the new year's prices")

    published = definitions.publish("kopi", publication)

    assert (published.revision, len(published.test_carts)) == (2, 1)
    (entry,) = [each for each in Audit(database).entries("kopi") if each.action == "accept_deviations"]
    assert (entry.subject_id, entry.revision, entry.comment) == ("2", 2, "the new year's prices")
    assert entry.after is not None
    assert list(entry.after["test_carts"]) == ["lunch"]
    assert Audit(database).verify("kopi").problem == ""


def test_what_needs_no_acceptance_records_none(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    save(checks, lunch(TEN_OFF))
    definitions.publish("kopi", Publication([percent_off("z", 50)], dry_run=True, accept_deviations="try"))
    tea_only = percent_off("tea", 20)
    tea_only.percent_discount.scope.include.add(product_ids=["tea"])

    published = definitions.publish("kopi", Publication([tea_only], accept_deviations="to be sure"))

    assert published.test_carts == ()
    assert all(entry.action != "accept_deviations" for entry in Audit(database).entries("kopi"))


def test_the_way_out_of_trouble_is_never_refused(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    definitions.publish("kopi", Publication([percent_off("a", 20)]))
    checks.save(ANN, [CartDraft(lunch("{payable_minor: 4000000}"))])

    done = Promotions(database).act(ADAM, Action.PAUSE, [Target("a")])
    assert [found.text for found in done.test_carts[0].deviations] == [
        "payable: expected IDR 40,000.00, but 50,000.00"
    ]
    assert definitions.roll_back(ADAM, 1).test_carts[0].result.totals.payable_minor == 4_500_000


def test_resuming_and_imports_of_reference_data_are_asked_too(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    in_jakarta = percent_off("b", 10)
    in_jakarta.targeting.regions.include.append("jakarta")
    definitions.publish("kopi", Publication([in_jakarta]))
    Promotions(database).act(ADAM, Action.PAUSE, [Target("a")])
    save(checks, lunch("{payable_minor: 5000000}"))
    with pytest.raises(DeviationsRefused):
        Promotions(database).act(ADAM, Action.RESUME, [Target("a")])
    stores: list[Message] = [*jakarta_settings().stores]
    stores[0].region = "jakarta"  # type: ignore[attr-defined]

    with pytest.raises(DeviationsRefused):
        import_references(database, ADAM, "store", stores)
    assert definitions.head_revision("kopi") == 3
    import_references(database, ADAM, "store", stores, accept_deviations="it lies in Jakarta")

    assert definitions.head_revision("kopi") == 4


def test_a_company_may_let_deviations_pass(
    checks: Checks, definitions: Definitions, database: Engine
) -> None:
    save(checks, lunch(TEN_OFF))
    checks.set_guardrails(ADAM, Guardrails(on_deviation=OnDeviation.ON_DEVIATION_WARN), comment="trying")
    checks.set_guardrails(ADAM, Guardrails(on_deviation=OnDeviation.ON_DEVIATION_WARN))

    published = definitions.publish("kopi", Publication([percent_off("a", 20)]))

    assert [outcome.test_cart_id for outcome in published.test_carts] == ["lunch"]
    entries = [each for each in Audit(database).entries("kopi") if each.subject == "guardrails"]
    assert [(each.actor, each.comment, each.before, each.after) for each in entries] == [
        ("adam", "trying", {}, {"on_deviation": "ON_DEVIATION_WARN"})
    ]
    assert checks.guardrails(ANN).on_deviation == OnDeviation.ON_DEVIATION_WARN
