//! Does a promotion hold at an instant? (S-8.4)

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use smol_str::SmolStr;

use crate::model::{DailyWindow, HolidayMode, Schedule};
use crate::reason::{Because, Reason};
use crate::request::Request;

/// Refuses an instant that the schedule doesn't hold at; local parts are read in the cart's zone unless
/// the schedule has its own.
pub(crate) fn check(schedule: &Schedule, request: &Request<'_>) -> Result<(), Because> {
    check_at(schedule, request.at, |at| match &schedule.zone {
        Some(zone) => zone.to_datetime(at),
        None => request.local_time(),
    })
}

fn check_at(
    schedule: &Schedule,
    at: Timestamp,
    local_time: impl Fn(Timestamp) -> DateTime,
) -> Result<(), Because> {
    if let Some(starts) = schedule.starts.filter(|starts| at < *starts) {
        return Err(Because::text(Reason::NotStarted, "starts", starts.to_string()));
    }
    if let Some(ends) = schedule.ends.filter(|ends| at >= *ends) {
        return Err(Because::text(Reason::Ended, "ended", ends.to_string()));
    }
    if !schedule.is_local() {
        return Ok(());
    }
    let local = local_time(at);
    let second = second_of_day(local);
    let mut refusal = None;
    for day in start_days(schedule, local.date(), second) {
        match check_day(schedule, day) {
            Ok(()) => return Ok(()),
            // Today's refusal is told before yesterday's.
            Err(because) if day == local.date() || refusal.is_none() => refusal = Some(because),
            Err(_) => {}
        }
    }
    Err(refusal.unwrap_or_else(|| outside_of_windows(schedule, local)))
}

/// The days to which this moment belongs: a window over midnight belongs to the day it starts on.
fn start_days(schedule: &Schedule, today: Date, second: i32) -> impl Iterator<Item = Date> {
    let whole_day = schedule.windows.is_empty().then_some(today);
    let of_windows = schedule.windows.iter().filter_map(move |window| start_day(window, today, second));
    whole_day.into_iter().chain(of_windows)
}

fn start_day(window: &DailyWindow, today: Date, second: i32) -> Option<Date> {
    let over_midnight = window.end <= window.start;
    if second >= window.start && (over_midnight || second < window.end) {
        Some(today)
    } else if over_midnight && second < window.end {
        today.yesterday().ok()
    } else {
        None
    }
}

fn check_day(schedule: &Schedule, day: Date) -> Result<(), Because> {
    if let Some(first) = schedule.first_day.filter(|first| day < *first) {
        return Err(Because::text(Reason::NotStarted, "starts", first.to_string()));
    }
    if let Some(last) = schedule.last_day.filter(|last| day > *last) {
        return Err(Because::text(Reason::Ended, "ended", last.to_string()));
    }
    let is_day = |weekday: Weekday| schedule.days_of_week & (1 << weekday.to_monday_zero_offset()) != 0;
    if schedule.days_of_week != 0 && !is_day(day.weekday()) {
        return Err(Because::text(Reason::DayOfWeek, "day", name_of(day.weekday())));
    }
    let holds = schedule.holidays.as_ref().is_none_or(|(mode, days)| {
        let is_holiday = days.binary_search(&day).is_ok();
        is_holiday == (*mode == HolidayMode::Only)
    });
    if holds { Ok(()) } else { Err(Because::text(Reason::Holiday, "date", day.to_string())) }
}

/// Outside of every window; but a wrong day is told before a wrong hour.
fn outside_of_windows(schedule: &Schedule, local: DateTime) -> Because {
    match check_day(schedule, local.date()) {
        Err(because) => because,
        Ok(()) => Because::text(Reason::TimeOfDay, "local_time", clock(local)),
    }
}

/// Hours and minutes, as in `07:30`.
fn clock(local: DateTime) -> SmolStr {
    let digit = |value: i8| char::from(b'0' + value.unsigned_abs());
    let (hour, minute) = (local.hour(), local.minute());
    [digit(hour / 10), digit(hour % 10), ':', digit(minute / 10), digit(minute % 10)].into_iter().collect()
}

fn name_of(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

fn second_of_day(local: DateTime) -> i32 {
    i32::from(local.hour()) * 3600 + i32::from(local.minute()) * 60 + i32::from(local.second())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn reason(schedule: &Schedule, at: &str) -> Option<Reason> {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        check_at(schedule, at.parse().unwrap(), |at| zone.to_datetime(at)).err().map(|because| because.reason)
    }

    fn window(start: i32, end: i32) -> DailyWindow {
        DailyWindow { start: start * 3600, end: end * 3600 }
    }

    #[test]
    fn the_start_is_inside_and_the_end_is_outside() {
        let schedule = Schedule {
            starts: Some("2026-11-01T00:00:00Z".parse().unwrap()),
            ends: Some("2026-12-01T00:00:00Z".parse().unwrap()),
            ..Schedule::default()
        };
        assert_eq!(reason(&schedule, "2026-10-31T23:59:59.999Z"), Some(Reason::NotStarted));
        assert_eq!(reason(&schedule, "2026-11-01T00:00:00Z"), None);
        assert_eq!(reason(&schedule, "2026-12-01T00:00:00Z"), Some(Reason::Ended));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_starts_on() {
        // Friday 22:00 to 02:00, in Jakarta (UTC+7): Saturday 01:00 is in, Friday 01:00 is not.
        let schedule = Schedule { days_of_week: 1 << 4, windows: vec![window(22, 2)], ..Schedule::default() };
        assert_eq!(reason(&schedule, "2026-11-20T16:00:00Z"), None); // Friday 23:00
        assert_eq!(reason(&schedule, "2026-11-20T18:00:00Z"), None); // Saturday 01:00
        assert_eq!(reason(&schedule, "2026-11-20T19:00:00Z"), Some(Reason::DayOfWeek)); // Saturday 02:00
        assert_eq!(reason(&schedule, "2026-11-19T18:00:00Z"), Some(Reason::DayOfWeek)); // Friday 01:00
        assert_eq!(reason(&schedule, "2026-11-20T05:00:00Z"), Some(Reason::TimeOfDay)); // Friday 12:00
    }

    #[test]
    fn the_end_of_the_day_is_the_last_moment_of_a_window() {
        let schedule = Schedule { windows: vec![window(18, 24)], ..Schedule::default() };
        assert_eq!(reason(&schedule, "2026-11-20T16:59:59Z"), None); // 23:59:59
        assert_eq!(reason(&schedule, "2026-11-20T17:00:00Z"), Some(Reason::TimeOfDay)); // 00:00
    }

    #[test]
    fn holidays_are_taken_out_or_are_the_only_days() {
        let christmas = vec!["2026-12-25".parse().unwrap()];
        let except =
            Schedule { holidays: Some((HolidayMode::Exclude, christmas.clone())), ..Schedule::default() };
        let only = Schedule { holidays: Some((HolidayMode::Only, christmas)), ..Schedule::default() };
        assert_eq!(reason(&except, "2026-12-25T03:00:00Z"), Some(Reason::Holiday));
        assert_eq!(reason(&only, "2026-12-25T03:00:00Z"), None);
        assert_eq!(reason(&only, "2026-12-26T03:00:00Z"), Some(Reason::Holiday));
    }

    #[test]
    fn a_window_is_wall_time_when_clocks_change() {
        // Berlin skips 02:00 to 03:00 on 2026-03-29 and lives through it twice on 2026-10-25.
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let schedule = Schedule { windows: vec![window(2, 3)], ..Schedule::default() };
        let holds = |at: &str| check_at(&schedule, at.parse().unwrap(), |at| zone.to_datetime(at)).is_ok();
        assert!(!holds("2026-03-29T00:59:59Z") && !holds("2026-03-29T01:00:00Z"));
        assert!(holds("2026-10-25T00:30:00Z") && holds("2026-10-25T01:30:00Z"));
    }
}
