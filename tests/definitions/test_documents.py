"""Documents: YAML and JSON read without surprises, and all that is wrong said at once with its line."""

from pathlib import Path

import pytest
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.promotion_pb2 import Promotion
from hypothesis import given
from hypothesis import strategies as st

from server.documents import (
    DocumentError,
    parse_cart,
    parse_definitions,
    parse_json,
    parse_message,
    parse_yaml,
    read_definitions,
    read_source,
    to_json,
    to_value,
)
from tests.definitions.samples import jakarta_settings, percent_off


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("22:00", "22:00"),
        ("2026-11-21", "2026-11-21"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-5", -5),
        ("'12'", "12"),
        ("'true'", "true"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_yaml_scalars_mean_what_they_say(text: str, value: object) -> None:
    source = parse_yaml(f"key: {text}", "file")

    assert source.value == {"key": value}
    assert isinstance(source.value, dict)
    assert type(source.value["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\na: 2", 'the key "a" stands twice', 2),
        ("a: &x 1\nb: *x", "aliases aren't used here", 2),
        ("a: !!int 1", "tags aren't used here", 1),
        ("a: 1\n---\nb: 2", "second document", 2),
        ("a: [1", "no YAML", 2),
        ("? [a]\n: 1", "a key must be a text", 1),
        ("[" * 200, "nested deeper", 1),
        ("\x00", "a character that isn't allowed", None),
    ],
)
def test_yaml_that_could_be_misread_is_refused(text: str, message: str, line: int | None) -> None:
    with pytest.raises(DocumentError, match=message) as refused:
        parse_yaml(text, "file")
    assert refused.value.problems[0].line == line


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000, "1" * 5000, "{", "\ud800"])
def test_json_that_could_be_misread_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        parse_message(parse_json(text, "file"), Promotion)


@pytest.mark.parametrize(
    ("text", "field", "message", "line"),
    [
        ("id: a\npriority: 1.0", "priority", "expected a whole number", 2),
        ("id: a\npriority: 1e3", "priority", "expected a whole number", 2),
        ("id: a\npriority: true", "priority", "expected a whole number", 2),
        ("id: a\npriority: '012'", "priority", "expected a whole number", 2),
        ("id: a\npriority: 2147483648", "priority", "must lie between", 2),
        ("id: 12", "id", "write it in quotes", 1),
        ("id: a\nnaem: []", "naem", "did you mean name?", 2),
        ("id: a\ncombo: {}\npackage: {}", "package", "only one of combo and package", 3),
        ("id: a\nmax: 1", "max", "no such field", 2),
        ("percent_discount:\n  phase: ITEM", "percent_discount.phase", "expected one of PHASE_ITEM", 2),
        ("percent_discount: 5", "percent_discount", "expected the fields of PercentDiscount", 1),
        ("name: en", "name", "expected a list", 1),
        ("schedule:\n  start_time: tomorrow", "schedule.start_time", "expected an instant", 2),
        ("limits:\n  maxUses: 1\n  max_uses: 1", "limits.max_uses", "given twice", None),
    ],
)
def test_a_problem_names_its_field_and_line(text: str, field: str, message: str, line: int | None) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_definitions(parse_yaml(text, "file"))

    (problem,) = refused.value.problems
    assert (problem.field, problem.source) == (field, "file")
    assert message in problem.message
    assert line is None or problem.line == line


def test_every_problem_is_said_at_once() -> None:
    text = "- id: 1\n- id: b\n  colour: red\n- id: c\n- 7\n"
    with pytest.raises(DocumentError) as refused:
        parse_definitions(parse_yaml(text, "file"))
    assert [(problem.field, problem.line) for problem in refused.value.problems] == [
        ("[0].id", 1),
        ("[1].colour", 3),
        ("[3]", 5),
    ]


def test_messages_nested_without_end_are_refused() -> None:
    text = '{"condition": ' + '{"not": ' * 300 + "{}" + "}" * 301
    with pytest.raises(DocumentError, match="nested deeper than 64 messages"):
        parse_definitions(parse_json(text, "file"))


def test_a_file_holds_one_promotion_a_list_or_a_ruleset(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(to_json(percent_off("a", 10)))
    (tmp_path / "list.json").write_text(f"[{to_json(percent_off('b', 10))}]")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "ruleset.yml").write_text(
        f'{{"company_id": "kopi", "promotions": [{to_json(percent_off("c", 10))}]}}'
    )
    (tmp_path / "notes.txt").write_text("not read")

    definitions = read_definitions([tmp_path])

    assert sorted(promotion.id for promotion in definitions.promotions) == ["a", "b", "c"]
    assert definitions.settings is not None
    assert definitions.ruleset().company_id == "kopi"
    assert len(definitions.ruleset().promotions) == 3


def test_settings_in_two_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("company_id: kopi")
    with pytest.raises(DocumentError, match=r"b\.yaml: gives settings of a ruleset, as .*a\.yaml"):
        read_definitions([tmp_path])


def test_a_cart_stands_bare_or_in_a_request() -> None:
    bare = parse_cart(parse_yaml("currency_code: IDR\nlines:\n- quantity: 0", "bare"))
    asked = parse_cart(
        parse_yaml("cart:\n  currency_code: IDR\nevaluate_time: 2026-11-21T09:00:00Z", "request")
    )

    assert bare.request.cart.currency_code == asked.request.cart.currency_code == "IDR"
    assert asked.request.evaluate_time.seconds == 1795251600
    assert bare.problem("cart.lines[0].quantity", "bad").line == 3
    assert asked.problem("cart.currency_code", "bad").line == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: 1\n" * 4_000_000])
def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(content)
    with pytest.raises(DocumentError, match=r"UTF-8|larger than"):
        read_source(file)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="No such file"):
        read_source(tmp_path / "none.yaml")


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_amount_comes_back_exactly(minor: int) -> None:
    cart = Cart(currency_code="IDR")
    cart.lines.add(id="a", unit_price_minor=minor)

    assert parse_message(parse_json(to_json(cart), "file"), Cart) == cart
    assert (
        parse_message(
            parse_yaml(f"currency_code: IDR\nlines: [{{id: a, unit_price_minor: {minor}}}]", "f"), Cart
        )
        == cart
    )


@given(st.text())
def test_any_yaml_is_read_or_refused_in_words(text: str) -> None:
    try:
        parse_definitions(parse_yaml(text, "file"))
    except DocumentError as error:
        assert error.problems  # noqa: PT017 - most texts are refused, and few are not


def test_what_is_written_is_what_is_read() -> None:
    for message in (percent_off("a", 10), jakarta_settings()):
        assert parse_message(parse_json(to_json(message), "file"), type(message)) == message
    assert "percent_off_ppm" in to_value(percent_off("a", 10))["percent_discount"]


def test_a_folder_without_documents_is_no_empty_set_of_promotions(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DocumentError, match="the folder holds no"):
        read_definitions([tmp_path])
