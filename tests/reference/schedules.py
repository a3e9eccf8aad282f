"""When a promotion holds (S-8.4, S-8.6, S-8.7, S-8.8)."""

from datetime import UTC, date, datetime, timedelta

from dealwright.v1.result_pb2 import Reason
from dealwright.v1.schedule_pb2 import DailyWindow, DayOfWeek, HolidayMode, Schedule
from google.protobuf.timestamp_pb2 import Timestamp

from tests.reference.facts import NANOS, Facts
from tests.reference.why import Why


def refused_by_time(schedule: Schedule, facts: Facts) -> Why | None:
    """Step 2 of S-8.5: why a schedule doesn't hold now, or None when it does."""
    if schedule.HasField("start_time") and facts.instant_nanos < _nanos(schedule.start_time):
        return Why(Reason.REASON_NOT_STARTED, {"starts": _instant(schedule.start_time)})
    if schedule.HasField("end_time") and facts.instant_nanos >= _nanos(schedule.end_time):
        return Why(Reason.REASON_ENDED, {"ended": _instant(schedule.end_time)})
    local = facts.local(schedule.time_zone)
    days = _days_of_windows(schedule, local)
    if not days:
        return _refused_by_day(schedule, local.date(), facts) or Why(
            Reason.REASON_TIME_OF_DAY, {"local_time": local.strftime("%H:%M")}
        )
    refusals = [_refused_by_day(schedule, day, facts) for day in days]
    return None if None in refusals else refusals[0]


def _nanos(timestamp: Timestamp) -> int:
    return timestamp.seconds * NANOS + timestamp.nanos


def _instant(timestamp: Timestamp) -> str:
    """RFC 3339 in UTC, with no more digits than are needed."""
    second = datetime.fromtimestamp(timestamp.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{timestamp.nanos:09}".rstrip("0") if timestamp.nanos else ""
    return f"{second}{fraction}Z"


def _days_of_windows(schedule: Schedule, local: datetime) -> list[date]:
    """S-8.6: the days whose windows are open at this wall time, today before yesterday."""
    today = local.date()
    yesterday = today - timedelta(days=1)
    second = local.hour * 3600 + local.minute * 60 + local.second
    if not schedule.daily_windows:
        return [today]
    windows = [_seconds(window) for window in schedule.daily_windows]
    of_today = any(start <= second < end if start < end else start <= second for start, end in windows)
    of_yesterday = any(end < start and second < end for start, end in windows)
    return [today] * of_today + [yesterday] * of_yesterday


def _seconds(window: DailyWindow) -> tuple[int, int]:
    return _second_of_day(window.start), _second_of_day(window.end)


def _second_of_day(text: str) -> int:
    """HH:MM or HH:MM:SS; 24:00 is the end of the day."""
    hours, minutes, seconds = [*map(int, text.split(":")), 0][:3]
    return hours * 3600 + minutes * 60 + seconds


def _refused_by_day(schedule: Schedule, day: date, facts: Facts) -> Why | None:
    """S-8.4, in the order of S-8.5: dates (both inclusive), day of the week, holidays."""
    if schedule.start_date and day < date.fromisoformat(schedule.start_date):
        return Why(Reason.REASON_NOT_STARTED, {"starts": schedule.start_date})
    if schedule.end_date and day > date.fromisoformat(schedule.end_date):
        return Why(Reason.REASON_ENDED, {"ended": schedule.end_date})
    if schedule.days_of_week and day.isoweekday() not in schedule.days_of_week:
        name = DayOfWeek.Name(DayOfWeek.ValueType(day.isoweekday()))
        return Why(Reason.REASON_DAY_OF_WEEK, {"day": name.removeprefix("DAY_OF_WEEK_").lower()})
    if schedule.HasField("holidays"):
        rule = schedule.holidays
        holiday = any(day.isoformat() in facts.holidays[calendar] for calendar in rule.calendar_ids)
        if holiday == (rule.mode == HolidayMode.HOLIDAY_MODE_EXCLUDE):
            return Why(Reason.REASON_HOLIDAY, {"date": day.isoformat()})
    return None
