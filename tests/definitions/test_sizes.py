"""What stores would receive: too much, much more than before, or nothing any more."""

import pytest
from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset, Store
from sqlalchemy import Engine

from server.actors import Role
from server.audit.service import Audit
from server.definitions.checking import Checks
from server.definitions.checks.gate import SizesRefused
from server.definitions.checks.sizes import SMALL_BYTES, Size, said_of_sizes, sizes
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.references import import_references
from server.definitions.service import Definitions, DefinitionsRefused, Publication
from server.definitions.transitions import Target
from server.distribution.catalogue import KINDS, PROMOTIONS, Catalogue
from tests.definitions.people import ANN, CARA, do, person, write
from tests.definitions.samples import jakarta_settings, percent_off

ADAM = person("adam", Role.ADMIN)
STORES = ("Menteng", "ubud", "kuta")


def offer(promotion_id: str, *, include: str = "", exclude: str = "", text: str = "more") -> Promotion:
    """A promotion for stores, of about as many bytes as its text."""
    promotion = percent_off(promotion_id, 10)
    if include or exclude:
        promotion.targeting.store_ids.include.extend(include.split())
        promotion.targeting.store_ids.exclude.extend(exclude.split())
    promotion.description.add(language="en", text=text)
    return promotion


def ruleset(*promotions: Promotion) -> Ruleset:
    return Ruleset(promotions=promotions, stores=[Store(id=key) for key in STORES])


def codes(rails: Guardrails, before: Ruleset, after: Ruleset) -> list[str]:
    return [found.code for found in said_of_sizes(rails, before, after)]


def long_texts(count: int) -> list[Promotion]:
    """Promotions of a thousand bytes of text each."""
    return [offer(f"p{number}", text="x" * 1000) for number in range(count)]


def test_sizes_are_those_of_what_tills_receive() -> None:
    company = jakarta_settings()
    company.promotions.extend(
        [
            offer("a"),
            offer("b", include="MENTENG ubud", exclude="ubud", text="x" * 200),
            offer("c", exclude="menteng elsewhere", text="y" * 20_000),
            offer("d", include="elsewhere"),
            offer("e", include="menteng", exclude="menteng"),
        ]
    )
    company.stores.extend([Store(id="Ubud"), Store(id="kuta")])
    catalogue = Catalogue(company)

    found = sizes(company)

    assert set(found) == {"menteng", "ubud", "kuta"}
    for store_id, size in found.items():
        parts = catalogue.parts([store_id])
        promotions = parts[KINDS.index(PROMOTIONS)].items
        assert size == Size(sum(len(part.fields) for part in parts), len(promotions))


def test_without_stores_all_of_it_counts() -> None:
    assert sizes(Ruleset()) == {"": Size(0, 0)}
    found = sizes(Ruleset(promotions=[offer("a"), offer("b", exclude="kuta")]))
    assert (list(found), found[""].promotions) == ([""], 2)


def test_the_most_bytes_of_a_store() -> None:
    before, after = ruleset(offer("a")), ruleset(offer("a"), offer("b", include="ubud"))
    most = sizes(after)["ubud"].bytes

    assert codes(Guardrails(store_bytes_max=most), before, after) == []
    [found] = said_of_sizes(Guardrails(store_bytes_max=most - 1), before, after)
    assert (found.code, found.field) == ("store_too_large", "guardrails.store_bytes_max")
    assert found.message == f"Stores would receive: ubud: {most} bytes. {most - 1} bytes are allowed."
    [found] = said_of_sizes(Guardrails(store_bytes_max=0), before, after)
    assert found.message.count(": ") == 1 + len(STORES)


def test_growth_counts_from_what_was_there_and_above_what_is_small() -> None:
    before = ruleset(*long_texts(70))
    had = sizes(before)["ubud"].bytes
    after = ruleset(*long_texts(150))
    growth = -(-(sizes(after)["ubud"].bytes - had) * 1_000_000 // had)

    assert codes(Guardrails(), before, after) == ["store_grown"]
    assert codes(Guardrails(store_growth_max_ppm=growth), before, after) == []
    assert codes(Guardrails(store_growth_max_ppm=growth - 1), before, after) == ["store_grown"]
    assert codes(Guardrails(store_growth_max_ppm=0), before, before) == []
    assert codes(Guardrails(), ruleset(), after) == [], "nothing is to be compared with"
    small = ruleset(*long_texts(60))
    assert sizes(small)["ubud"].bytes < SMALL_BYTES
    assert codes(Guardrails(store_growth_max_ppm=0), ruleset(offer("p0")), small) == []


def test_a_store_without_promotions() -> None:
    both = ruleset(offer("a", include="ubud"), offer("b", include="menteng kuta"))
    one = ruleset(offer("a", include="menteng"), offer("b", include="menteng"))

    [found] = said_of_sizes(Guardrails(), both, one)

    assert found.code == "store_emptied"
    assert found.message == (
        "Stores would receive: kuta: no promotion any more after 1; ubud: no promotion any more after 1."
    )
    assert codes(Guardrails(), one, both) == []
    without = ruleset(offer("b", include="menteng kuta"))
    assert codes(Guardrails(), both, without) == ["store_emptied"]
    assert said_of_sizes(Guardrails(), both, without, ["a"]) == []
    closed = Ruleset(promotions=one.promotions, stores=[Store(id="menteng")])
    assert codes(Guardrails(), both, closed) == [], "stores that are gone receive nothing anyway"


@pytest.fixture
def promotions(database: Engine, definitions: Definitions) -> Promotions:
    """A company of one store with a promotion in force."""
    definitions.publish("kopi", Publication([offer("a")], settings=jakarta_settings()))
    return Promotions(database)


def test_a_publication_is_refused_shown_and_accepted(promotions: Promotions, database: Engine) -> None:
    write(promotions, offer("a", include="ubud"))
    do(promotions, Action.SUBMIT, Action.APPROVE)
    targets = [Target("a")]

    with pytest.raises(SizesRefused, match="menteng: no promotion any more") as refused:
        promotions.act(CARA, Action.PUBLISH, targets)
    assert (refused.value.reason, refused.value.field) == ("SIZES_REFUSED", "accept_sizes")
    assert refused.value.parameters == {"codes": "store_emptied"}
    shown = promotions.act(CARA, Action.PUBLISH, targets, dry_run=True)
    assert "store_emptied" in [each.code for each in shown.warnings]
    done = promotions.act(CARA, Action.PUBLISH, targets, accept_sizes="menteng closes")

    assert done.revision == 2
    entries = [each for each in Audit(database).entries("kopi") if each.action == "accept_sizes"]
    assert [(each.actor, each.revision, each.comment) for each in entries] == [("cara", 2, "menteng closes")]


def test_the_way_out_of_trouble_stays_open(promotions: Promotions, definitions: Definitions) -> None:
    write(promotions, offer("b"))
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH, promotion_id="b")

    do(promotions, Action.PAUSE, promotion_id="a")
    do(promotions, Action.PAUSE, promotion_id="b")
    assert not definitions.ruleset("kopi").promotions
    definitions.roll_back(ADAM, 1)
    assert [each.id for each in definitions.ruleset("kopi").promotions] == ["a"]


def test_files_and_reference_data_are_looked_at_too(
    promotions: Promotions, definitions: Definitions, database: Engine
) -> None:
    with pytest.raises(SizesRefused):
        definitions.publish("kopi", Publication(complete=True))
    definitions.publish("kopi", Publication(deleted_ids=["a"]))
    definitions.publish("kopi", Publication(long_texts(70), accept_sizes="the first ones"))
    zone, currency = "Asia/Jakarta", "IDR"
    chains = [Store(id=f"s{number}", time_zone=zone, currency_code=currency) for number in range(5)]
    checks = Checks(database)
    checks.set_guardrails(ADAM, Guardrails(store_bytes_max=70_000))

    with pytest.raises(SizesRefused, match="; and 1 more"):
        import_references(database, ADAM, "store", chains)
    shown = import_references(database, ADAM, "store", chains, dry_run=True)
    assert [each.code for each in shown.warnings if each.code.startswith("store_too")] == ["store_too_large"]
    assert import_references(database, ADAM, "store", chains, accept_sizes="they know").written == 5


def test_guardrails_of_less_than_nothing(promotions: Promotions, database: Engine) -> None:
    with pytest.raises(DefinitionsRefused, match="store_bytes_max: -1 is less than nothing"):
        Checks(database).set_guardrails(ADAM, Guardrails(store_bytes_max=-1, store_growth_max_ppm=-1))


def test_nobody_is_asked_about_what_stays(promotions: Promotions, database: Engine) -> None:
    """A store that was empty before, or a promotion that is replaced, is nothing to be accepted."""
    write(promotions, offer("a", text="longer"))
    do(promotions, Action.SUBMIT, Action.APPROVE, Action.PUBLISH)
    assert promotions.get(ANN, "a").head.published_version == 2
