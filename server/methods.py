"""Every method of the schema that asks the database, by its path: one use case each, behind every door."""

from collections.abc import Mapping

from dealwright.v1 import check_service_pb2, definition_service_pb2, journal_service_pb2
from google.protobuf.descriptor import FileDescriptor
from sqlalchemy import Engine

from server.definitions import calls as definition_calls
from server.definitions import check_calls
from server.definitions.checking import Checks
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.journals import calls as journal_calls
from server.journals.service import Journals
from server.runtime.calls import UseCase


def methods(engine: Engine) -> dict[str, UseCase]:
    """The use cases on a database, by paths such as /dealwright.v1.DefinitionService/GetPromotion."""
    return {
        **_of(
            definition_service_pb2.DESCRIPTOR,
            definition_calls.use_cases(Promotions(engine), Definitions(engine)),
        ),
        **_of(check_service_pb2.DESCRIPTOR, check_calls.use_cases(Checks(engine))),
        **_of(journal_service_pb2.DESCRIPTOR, journal_calls.use_cases(Journals(engine))),
    }


def _of(file: FileDescriptor, use_cases: Mapping[str, UseCase]) -> dict[str, UseCase]:
    """The paths of the methods of a file's one service."""
    (service,) = file.services_by_name.values()
    return {f"/{service.full_name}/{name}": use_case for name, use_case in use_cases.items()}
