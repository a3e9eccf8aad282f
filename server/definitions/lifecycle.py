"""The life of a promotion: its states, and one table of what leads from one to another.

Two things are stored: where the newest version stands in review, and where the published version stands. The
state that people see follows from both and from the schedule, so that nothing has to be switched when a
promotion starts or ends. The checks and docs/lifecycle.md come from the table.
"""

from dataclasses import dataclass
from enum import StrEnum

from server.runtime.errors import Refusal


class Review(StrEnum):
    """Where the newest version of a promotion stands."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    PUBLISHED = "published"


class Standing(StrEnum):
    """Where the published version of a promotion stands."""

    UNPUBLISHED = "unpublished"
    PUBLISHED = "published"
    PAUSED = "paused"
    ARCHIVED = "archived"


class State(StrEnum):
    """What people see of a promotion."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    ARCHIVED = "archived"


class Action(StrEnum):
    """What somebody does with a promotion."""

    UPDATE = "update"
    SUBMIT = "submit"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    APPROVE = "approve"
    PUBLISH = "publish"
    PAUSE = "pause"
    RESUME = "resume"
    ARCHIVE = "archive"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from some states to another. Those of the review don't touch what is published."""

    action: Action
    method: str
    """The method of DefinitionService that does it."""
    sources: tuple[Review, ...] | tuple[State, ...]
    review: Review | None
    standing: Standing | None
    meaning: str

    @property
    def of_review(self) -> bool:
        return isinstance(self.sources[0], Review)

    @property
    def publishes(self) -> bool:
        """Whether it makes a revision, if the promotion was in one."""
        return self.standing is not None and self.action is not Action.RESTORE


EVERY_REVIEW = tuple(Review)

TRANSITIONS = {
    transition.action: transition
    for transition in (
        Transition(
            Action.UPDATE,
            "UpdatePromotion",
            EVERY_REVIEW,
            Review.DRAFT,
            None,
            "save a new version; a review or an approval of the one before is void",
        ),
        Transition(
            Action.SUBMIT, "SubmitPromotions", (Review.DRAFT,), Review.IN_REVIEW, None, "ask for approval"
        ),
        Transition(
            Action.REQUEST_CHANGES,
            "RequestChanges",
            (Review.IN_REVIEW,),
            Review.DRAFT,
            None,
            "send it back to its author",
        ),
        Transition(
            Action.REJECT,
            "RejectPromotions",
            (Review.IN_REVIEW,),
            Review.REJECTED,
            None,
            "refuse it; only an edit goes on",
        ),
        Transition(
            Action.APPROVE,
            "ApprovePromotions",
            (Review.IN_REVIEW,),
            Review.APPROVED,
            None,
            "allow its publication; nobody approves what they wrote themselves",
        ),
        Transition(
            Action.PUBLISH,
            "PublishPromotions",
            (Review.APPROVED,),
            Review.PUBLISHED,
            Standing.PUBLISHED,
            "put it into the next revision, in force unless somebody paused it",
        ),
        Transition(
            Action.PAUSE,
            "PausePromotions",
            (State.SCHEDULED, State.ACTIVE),
            None,
            Standing.PAUSED,
            "take it out of force until it is resumed",
        ),
        Transition(
            Action.RESUME,
            "ResumePromotions",
            (State.PAUSED,),
            None,
            Standing.PUBLISHED,
            "put it back into force",
        ),
        Transition(
            Action.ARCHIVE,
            "ArchivePromotions",
            (State.DRAFT, State.REJECTED, State.APPROVED, State.SCHEDULED, State.PAUSED, State.ENDED),
            None,
            Standing.ARCHIVED,
            "put it away; an active one has to be paused before",
        ),
        Transition(
            Action.RESTORE,
            "RestorePromotions",
            (State.ARCHIVED,),
            Review.DRAFT,
            Standing.UNPUBLISHED,
            "take it up again as a draft",
        ),
    )
}
"""What leads from which states where."""


def check(action: Action, promotion_id: str, state: State, review: Review) -> Transition:
    """The transition of an action, or a refusal that says from which states it would be possible."""
    transition = TRANSITIONS[action]
    found = review if transition.of_review else state
    if found in transition.sources and (state is not State.ARCHIVED or action is Action.RESTORE):
        return transition
    shown = State.ARCHIVED if state is State.ARCHIVED else found
    allowed = " or ".join(words(source) for source in transition.sources)
    raise Refusal(
        "WRONG_STATE",
        f"{promotion_id} is {words(shown)}; to {words(action)} it, it has to be {allowed}",
        promotion_id=promotion_id,
        action=action.value,
        state=shown.value,
        allowed=",".join(transition.sources),
    )


def words(name: StrEnum) -> str:
    return name.value.replace("_", " ")
