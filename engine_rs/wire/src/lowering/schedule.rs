//! Schedules: instants, local days, windows, holidays.

use dealwright_core::model::{DailyWindow, HolidayMode, Schedule};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{Lowering, date};
use crate::diagnostics::{At, Code, Findings};
use crate::limits::LIST_MAX;
use crate::proto;

const DAY_SECONDS: i32 = 24 * 60 * 60;

/// A window below this is nothing that customers could use.
const WINDOW_SECONDS: i32 = 60;
/// A local day begins less than two days from midnight of UTC, and its windows end less than three days later.
const ANYWHERE: SignedDuration = SignedDuration::from_hours(3 * 24);

impl Lowering<'_> {
    /// A schedule that may be left out: then always.
    pub(super) fn schedule(&mut self, schedule: Option<&proto::Schedule>, at: &At<'_>) -> Schedule {
        let Some(schedule) = schedule else {
            return Schedule::default();
        };
        let at = at.field("schedule");
        let lowered = Schedule {
            starts: instant(schedule.start_time.as_ref(), &at.field("start_time"), &mut self.findings),
            ends: instant(schedule.end_time.as_ref(), &at.field("end_time"), &mut self.findings),
            first_day: date(&schedule.start_date, &at.field("start_date"), &mut self.findings),
            last_day: date(&schedule.end_date, &at.field("end_date"), &mut self.findings),
            days_of_week: self.days_of_week(&schedule.days_of_week, &at),
            windows: self.windows(&schedule.daily_windows, &at),
            holidays: schedule.holidays.as_ref().and_then(|rule| self.holidays(rule, &at.field("holidays"))),
            zone: self.zone(&schedule.time_zone, &at.field("time_zone")),
        };
        if lowered.starts.zip(lowered.ends).is_some_and(|(start, end)| end <= start) {
            self.add(Code::ScheduleEmpty, &at.field("end_time"));
        }
        if lowered.first_day.zip(lowered.last_day).is_some_and(|(first, last)| last < first) {
            self.add(Code::ScheduleEmpty, &at.field("end_date"));
        }
        self.remark_days(&lowered, &at);
        self.remark_windows(&lowered.windows, &at);
        lowered
    }

    /// Days and instants that leave nothing of each other.
    fn remark_days(&mut self, schedule: &Schedule, at: &At<'_>) {
        if let Some((first, last)) = schedule.first_day.zip(schedule.last_day) {
            // A week holds every day of the week.
            let days = first.series(1.day()).take_while(|day| *day <= last).take(7);
            let is_named =
                |day: Date| schedule.days_of_week & 1 << day.weekday().to_monday_zero_offset() != 0;
            if schedule.days_of_week != 0 && first <= last && !days.into_iter().any(is_named) {
                let parameters = [("first", first.to_string()), ("last", last.to_string())];
                let parameters = parameters.map(|(name, day)| (name, day.as_str().into()));
                self.remark(Code::ScheduleWithoutDay, &at.field("days_of_week"), &parameters);
            }
        }
        let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp());
        let before = |ends: Timestamp, starts: Timestamp| ends.duration_until(starts) >= ANYWHERE;
        let first = schedule.first_day.and_then(midnight);
        let last = schedule.last_day.and_then(midnight);
        if schedule.ends.zip(first).is_some_and(|(ends, first)| before(ends, first))
            || last.zip(schedule.starts).is_some_and(|(last, starts)| before(last, starts))
        {
            self.remark(Code::ScheduleDisjoint, at, &[]);
        }
    }

    fn remark_windows(&mut self, windows: &[DailyWindow], at: &At<'_>) {
        if !self.is_asked() || self.findings.refuse() {
            return;
        }
        for (index, window) in windows.iter().enumerate() {
            let at = at.item("daily_windows", index);
            let seconds = (window.end - window.start).rem_euclid(DAY_SECONDS);
            if (1..WINDOW_SECONDS).contains(&seconds) {
                self.remark(Code::WindowTooShort, &at, &[("seconds", i64::from(seconds).into())]);
            }
            if let Some(other) = windows.iter().take(index).position(|earlier| overlap(*earlier, *window)) {
                self.remark(Code::WindowsOverlap, &at, &[("other", other.into())]);
            }
        }
    }

    fn days_of_week(&mut self, days: &[i32], at: &At<'_>) -> u8 {
        let mut bits = 0;
        for (index, number) in days.iter().enumerate() {
            let at = at.item("days_of_week", index);
            match self.known::<proto::DayOfWeek>(*number, &at) {
                None => {}
                Some(proto::DayOfWeek::Unspecified) => self.required(&at),
                Some(day) => {
                    let bit = 1 << (day as u8 - 1);
                    if bits & bit != 0 {
                        self.findings.add(Code::Duplicate, &at, &[("value", day.as_str_name().into())]);
                    }
                    bits |= bit;
                }
            }
        }
        bits
    }

    fn windows(&mut self, windows: &[proto::DailyWindow], at: &At<'_>) -> Vec<DailyWindow> {
        self.check_count(windows.len(), LIST_MAX, &at.field("daily_windows"));
        let mut lowered = Vec::with_capacity(windows.len());
        for (index, window) in windows.iter().enumerate() {
            let at = at.item("daily_windows", index);
            let start = self.time_of_day(&window.start, &at.field("start"));
            let end = self.time_of_day(&window.end, &at.field("end"));
            let (Some(start), Some(end)) = (start, end) else {
                continue;
            };
            if start == end || start == DAY_SECONDS {
                self.add(Code::WindowEmpty, &at);
            }
            // A window that ends at 00:00 ends with its own day.
            lowered.push(DailyWindow { start, end: if end == 0 { DAY_SECONDS } else { end } });
        }
        lowered
    }

    fn time_of_day(&mut self, text: &str, at: &At<'_>) -> Option<i32> {
        if text.is_empty() {
            self.required(at);
            return None;
        }
        let seconds = seconds_of_day(text);
        if seconds.is_none() {
            self.findings.add(Code::TimeInvalid, at, &[("value", text.into())]);
        }
        seconds
    }

    fn holidays(&mut self, rule: &proto::HolidayRule, at: &At<'_>) -> Option<(HolidayMode, Vec<Date>)> {
        self.required_names(&rule.calendar_ids, at, "calendar_ids");
        let mut days = Vec::new();
        for (index, id) in rule.calendar_ids.iter().enumerate() {
            match self.calendars.map(|calendars| calendars.get(id)) {
                Some(Some(calendar)) => days.extend(calendar),
                Some(None) => {
                    let at = at.item("calendar_ids", index);
                    self.findings.add(Code::CalendarUnknown, &at, &[("value", id.as_str().into())]);
                }
                None => {}
            }
        }
        days.sort_unstable();
        days.dedup();
        let mode = match self.known(rule.mode, &at.field("mode"))? {
            proto::HolidayMode::Unspecified => {
                self.required(&at.field("mode"));
                return None;
            }
            proto::HolidayMode::Exclude => HolidayMode::Exclude,
            proto::HolidayMode::Only => HolidayMode::Only,
        };
        Some((mode, days))
    }
}

/// An instant that may be left out.
pub(crate) fn instant(
    time: Option<&prost_types::Timestamp>,
    at: &At<'_>,
    findings: &mut Findings,
) -> Option<Timestamp> {
    let time = time?;
    let instant =
        (0..1_000_000_000).contains(&time.nanos).then(|| Timestamp::new(time.seconds, time.nanos).ok());
    match instant.flatten() {
        Some(instant) => Some(instant),
        None => {
            let (minimum, maximum) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
            let value = time.seconds;
            findings.add(
                Code::OutOfRange,
                at,
                &[("value", value.into()), ("minimum", minimum.into()), ("maximum", maximum.into())],
            );
            None
        }
    }
}

/// Whether two windows of the same days have a moment in common.
fn overlap(one: DailyWindow, other: DailyWindow) -> bool {
    let starts_in = |window: DailyWindow, moment: i32| {
        let length = match (window.end - window.start).rem_euclid(DAY_SECONDS) {
            0 => DAY_SECONDS,
            length => length,
        };
        (moment - window.start).rem_euclid(DAY_SECONDS) < length
    };
    starts_in(one, other.start) || starts_in(other, one.start)
}

/// HH:MM or HH:MM:SS; 24:00 is the end of the day.
fn seconds_of_day(text: &str) -> Option<i32> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &&str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|_| digits)
    };
    let numbers: Vec<i32> = parts.iter().map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match *numbers.as_slice() {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= DAY_SECONDS).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds_of_day;

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(seconds_of_day("00:00"), Some(0));
        assert_eq!(seconds_of_day("09:30:15"), Some(34_215));
        assert_eq!(seconds_of_day("24:00"), Some(86_400));
        for wrong in ["24:01", "9:00", "09:60", "09", "09:00:60", "-1:00", "+1:00", "09:00:00:00", "aa:bb"] {
            assert_eq!(seconds_of_day(wrong), None, "{wrong}");
        }
    }
}
