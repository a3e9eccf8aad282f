"""A company with a promotion that vouchers set off."""

import pytest
from sqlalchemy import Engine

from server.definitions.drafts import Draft
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.keys.service import Pepper
from server.runtime.settings import Settings
from server.vouchers.service import Vouchers
from tests.access.calls import PEPPER, owner
from tests.definitions.samples import percent_off

SPRING = "spring"
ALWAYS = "always"


@pytest.fixture
def pepper(database: Engine) -> Pepper:
    return Pepper(Settings(pepper=PEPPER), database)


@pytest.fixture
def vouchers(database: Engine, pepper: Pepper) -> Vouchers:
    make_promotions(database)
    return Vouchers(database, pepper)


def make_promotions(engine: Engine, company_id: str = "kopi") -> None:
    """One promotion that vouchers set off, and one that is automatic."""
    spring = percent_off(SPRING, 20)
    spring.trigger.voucher.SetInParent()
    Definitions(engine).create_company(owner(company_id))
    Promotions(engine).save(owner(company_id), [Draft(spring), Draft(percent_off(ALWAYS, 5))])
