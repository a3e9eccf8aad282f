"""Every method of the schema that asks the database, by its path: one use case each, behind every door."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from dealwright.v1 import (
    access_service_pb2,
    audit_service_pb2,
    check_service_pb2,
    definition_service_pb2,
    journal_service_pb2,
    redemption_service_pb2,
    reference_service_pb2,
    rollout_service_pb2,
    rule_stream_service_pb2,
    voucher_service_pb2,
    webhook_service_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from sqlalchemy import Engine

from server.access import calls as access_calls
from server.access import session_calls, user_calls
from server.access.service import Access
from server.access.sessions import Sessions
from server.access.users import Users
from server.audit import calls as audit_calls
from server.audit.service import Audit
from server.definitions import calls as definition_calls
from server.definitions import check_calls, reference_calls
from server.definitions.checking import Checks
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.definitions.tills import Tills
from server.distribution import calls as distribution_calls
from server.distribution.files import Files
from server.distribution.key_folder import KeyFolder
from server.distribution.operations import Operations
from server.distribution.service import StreamsOff
from server.events import calls as event_calls
from server.events.service import Webhooks
from server.journals import calls as journal_calls
from server.journals.service import Journals
from server.keys.service import Pepper
from server.redemption import calls as redemption_calls
from server.redemption.records import Records
from server.redemption.totals import Totals
from server.rollouts import calls as rollout_calls
from server.rollouts.service import Rollouts
from server.runtime.calls import UseCase
from server.runtime.metrics import Metrics
from server.runtime.settings import Settings
from server.usage import calls as usage_calls
from server.usage.service import Usage
from server.vouchers import calls as voucher_calls
from server.vouchers.checks import Checked
from server.vouchers.service import Vouchers


def methods(engine: Engine, settings: Settings, metrics: Metrics) -> dict[str, UseCase]:
    """The use cases on a database, by paths such as /dealwright.v1.DefinitionService/GetPromotion.

    What is offered over HTTP alone has a name without a slash before it.
    """
    pepper = Pepper(settings, engine)
    vouchers = Vouchers(engine, pepper)
    webhooks = Webhooks(engine, pepper, inside=settings.webhook_addresses == "any")
    return {
        **_of(
            definition_service_pb2.DESCRIPTOR,
            definition_calls.use_cases(Promotions(engine), Definitions(engine)),
        ),
        **_of(check_service_pb2.DESCRIPTOR, check_calls.use_cases(Checks(engine))),
        **_of(
            rule_stream_service_pb2.DESCRIPTOR,
            distribution_calls.use_cases(Operations(engine, Definitions(engine))),
        ),
        **distribution_calls.file_use_cases(_files(engine, settings)),
        **_of(rollout_service_pb2.DESCRIPTOR, rollout_calls.use_cases(Rollouts(engine))),
        **usage_calls.use_cases(Tills(engine), Usage(engine)),
        **_of(journal_service_pb2.DESCRIPTOR, journal_calls.use_cases(Journals(engine))),
        **_of(
            redemption_service_pb2.DESCRIPTOR,
            redemption_calls.use_cases(Records(engine), Totals(engine, Definitions(engine))),
        ),
        **_of(webhook_service_pb2.DESCRIPTOR, event_calls.use_cases(webhooks)),
        **_of(
            voucher_service_pb2.DESCRIPTOR,
            voucher_calls.use_cases(vouchers, lambda checked: _count(metrics, checked)),
        ),
        **_of(reference_service_pb2.DESCRIPTOR, reference_calls.use_cases(engine)),
        **_of(
            access_service_pb2.DESCRIPTOR,
            access_calls.use_cases(Access(engine)) | user_calls.use_cases(Users(engine)),
        ),
        **session_calls.use_cases(
            Sessions(engine),
            lambda: _companies(engine, settings),
            lambda outcome: metrics.logins.labels(outcome).inc(),
        ),
        **_of(audit_service_pb2.DESCRIPTOR, audit_calls.use_cases(Audit(engine))),
    }


def _files(engine: Engine, settings: Settings) -> Callable[[], Files]:
    """Made when they are first asked for: most processes never do, and some have no keys."""

    @cache
    def files() -> Files:
        if settings.keys_dir is None:
            raise StreamsOff
        return Files(engine, Definitions(engine), KeyFolder(settings.keys_dir))

    return files


def _of(file: FileDescriptor, use_cases: Mapping[str, UseCase]) -> dict[str, UseCase]:
    """The paths of the methods of a file's one service."""
    (service,) = file.services_by_name.values()
    return {f"/{service.full_name}/{name}": use_case for name, use_case in use_cases.items()}


def _companies(engine: Engine, settings: Settings) -> list[str]:
    """Those that a login can mean which names none."""
    return [settings.company] if settings.company else Definitions(engine).companies()


def _count(metrics: Metrics, checked: Iterable[Checked]) -> None:
    for each in checked:
        metrics.voucher_checks.labels(each.outcome).inc()
