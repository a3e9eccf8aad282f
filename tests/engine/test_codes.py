"""What is said of the codes that a customer gave."""

import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from google.protobuf.json_format import ParseDict

from tests.engine.offers import cart_of, compiled, evaluate, units


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "Applied: IDR 10.00 off.",
                "This code was given before; it counts once.",
                "No promotion has this code.",
            ],
        ),
        (
            "id",
            [
                "Dipakai: potongan IDR 10,00.",
                "Kode ini sudah diberikan; dihitung sekali.",
                "Tidak ada promo dengan kode ini.",
            ],
        ),
        ("", ["", "", ""]),
    ],
)
def test_every_code_is_answered_in_words(language: str, said: list[str]) -> None:
    halo = {
        "trigger": {"code": {"codes": ["HALO"]}},
        "percent_discount": {"phase": "PHASE_ITEM", "percent_off_ppm": 100_000},
    }
    request = EvaluateRequest()
    ParseDict({"cart": cart_of([units(10_000)], codes=["HALO", "halo", "HELLO"])}, request)
    request.options.language = language

    assert [code.text for code in evaluate(compiled([halo]), request).codes] == said
