//! When a promotion holds (S-8.4).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// When a promotion holds; what isn't set doesn't matter.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The first instant at which it holds.
    pub starts: Option<Timestamp>,
    /// The first instant at which it no longer holds.
    pub ends: Option<Timestamp>,
    /// The first local day.
    pub first_day: Option<Date>,
    /// The last local day.
    pub last_day: Option<Date>,
    /// A bit for each day of the week on which it holds, Monday first; 0 is every day.
    pub days_of_week: u8,
    /// Ranges of local time in which it holds; empty is the whole day.
    pub windows: Vec<DailyWindow>,
    /// What holidays do, and which local days are holidays, sorted.
    pub holidays: Option<(HolidayMode, Vec<Date>)>,
    /// Its own zone, instead of the cart's.
    pub zone: Option<TimeZone>,
}

impl Schedule {
    /// Whether anything in it depends on the local time.
    pub fn is_local(&self) -> bool {
        self.first_day.is_some()
            || self.last_day.is_some()
            || self.days_of_week != 0
            || !self.windows.is_empty()
            || self.holidays.is_some()
    }
}

/// A range of local wall time, in seconds of the day. One that doesn't end after its start crosses midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyWindow {
    /// The first second inside.
    pub start: i32,
    /// The first second outside; 86400 is the end of the day.
    pub end: i32,
}

/// What holidays do to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolidayMode {
    /// It doesn't hold on them.
    Exclude,
    /// It holds only on them.
    Only,
}
