"""The methods of JournalService: messages to use cases, and what they give back to messages."""

from dealwright.v1.journal_service_pb2 import UploadJournalRequest, UploadJournalResponse

from server.actors import Actor
from server.journals.service import Journals
from server.runtime.calls import UseCase


def use_cases(journals: Journals) -> dict[str, UseCase]:
    """What each method does, by its name."""

    def upload(actor: Actor, request: UploadJournalRequest) -> UploadJournalResponse:
        taken = journals.upload(actor, request)
        return UploadJournalResponse(
            sequence=taken.place.sequence, hash=taken.place.hash, stored=taken.stored, missing=taken.missing
        )

    return {"UploadJournal": upload}
