//! So much per day, where days begin at midnight of a time zone. What a host counted is written to the database each second,
//! added to what the others counted, and read back.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// What a host counted of a day and has not told the others yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    /// `2026-11-21`
    pub date: String,
    /// Requests; 0: it only wants to know the others'.
    pub own: u64,
}

/// Counts of today, and of the day before: what was counted just before midnight is written after it.
#[derive(Debug)]
pub(crate) struct Days {
    name: String,
    zone: TimeZone,
    today: Day,
    before: Option<Day>,
}

#[derive(Debug, Clone, Copy)]
struct Day {
    date: Date,
    /// In milliseconds since 1970.
    begins: i64,
    ends: i64,
    /// By all hosts, when it was last read.
    shared: u64,
    /// By this one, since.
    own: u64,
}

impl Day {
    fn of(zone: &TimeZone, wall: i64) -> Self {
        let at = Timestamp::from_millisecond(wall).unwrap_or(Timestamp::UNIX_EPOCH);
        let date = at.to_zoned(zone.clone()).date();
        let midnight = |date: Date| {
            let begins = zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
            Some(begins.as_millisecond())
        };
        Self {
            date,
            begins: midnight(date).unwrap_or(wall),
            ends: date.tomorrow().ok().and_then(midnight).unwrap_or(i64::MAX),
            shared: 0,
            own: 0,
        }
    }

    fn used(&self) -> u64 {
        self.shared.saturating_add(self.own)
    }
}

impl Days {
    pub(crate) fn new(timezone: &str, wall: i64) -> Self {
        let zone = zone(timezone);
        Self {
            name: timezone.to_owned(),
            today: Day::of(&zone, wall),
            zone,
            before: None,
        }
    }

    /// The tenant's time zone is another. What was counted today stays counted, whatever day it is there.
    pub(crate) fn set_zone(&mut self, timezone: &str, wall: i64) {
        if self.name == timezone {
            return;
        }
        self.turn(wall);
        timezone.clone_into(&mut self.name);
        self.zone = zone(timezone);
        let used = self.today.used();
        let mut day = Day::of(&self.zone, wall);
        if day.date == self.today.date {
            (day.shared, day.own) = (self.today.shared, self.today.own);
        } else {
            self.before = Some(self.today);
            day.shared = used;
        }
        self.today = day;
    }

    /// Goes to the day in which `wall` is: the next one, or the one before when a clock was set back, with what was counted of it.
    fn turn(&mut self, wall: i64) {
        if (self.today.begins..self.today.ends).contains(&wall) {
            return;
        }
        let mut day = Day::of(&self.zone, wall);
        if day.date == self.today.date {
            return;
        }
        if let Some(before) = self.before.filter(|before| before.date == day.date) {
            (day.shared, day.own) = (before.shared, before.own);
        }
        self.before = Some(self.today);
        self.today = day;
    }

    /// Counts one more, or says when the day ends.
    pub(crate) fn take(&mut self, wall: i64, limit: u64) -> Result<(), Duration> {
        self.turn(wall);
        if self.today.used() >= limit {
            return Err(self.rest(wall));
        }
        self.today.own += 1;
        Ok(())
    }

    /// How long the day lasts.
    pub(crate) fn rest(&self, wall: i64) -> Duration {
        let rest = self.today.ends.saturating_sub(wall).max(1);
        Duration::from_millis(u64::try_from(rest).unwrap_or(1))
    }

    /// What was used of today, and its date.
    pub(crate) fn used(&mut self, wall: i64) -> (u64, String) {
        self.turn(wall);
        (self.today.used(), self.today.date.to_string())
    }

    /// What is to be written: always of today, of the day before only if there is something.
    pub(crate) fn counts(&mut self, wall: i64) -> Vec<DayCount> {
        self.turn(wall);
        let before = self.before.filter(|day| day.own > 0);
        let days = before.into_iter().chain([self.today]);
        days.map(|day| DayCount {
            date: day.date.to_string(),
            own: day.own,
        })
        .collect()
    }

    /// It was written, and this is what all hosts counted by now.
    pub(crate) fn written(&mut self, count: &DayCount, all: u64) {
        let days = [Some(&mut self.today), self.before.as_mut()];
        for day in days.into_iter().flatten() {
            if day.date.to_string() == count.date {
                day.own = day.own.saturating_sub(count.own);
                // What a change of the time zone brought along is known to this host alone.
                day.shared = day.shared.max(all);
            }
        }
    }
}

/// From the tables inside the program: all hosts have to agree.
fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    /// 2026-11-21T18:00Z: 23:00 in Almaty.
    const EVENING: i64 = 1_795_284_000_000;

    fn taken(days: &mut Days, wall: i64, limit: u64) -> usize {
        (0..100).take_while(|_| days.take(wall, limit).is_ok()).count()
    }

    #[test]
    fn a_day_is_the_time_zones() {
        let mut days = Days::new("Asia/Almaty", EVENING);
        assert_eq!(days.used(EVENING), (0, "2026-11-21".to_owned()));
        assert_eq!(taken(&mut days, EVENING, 5), 5);
        assert_eq!(days.take(EVENING, 5), Err(Duration::from_secs(3_600)));
        assert_eq!(taken(&mut days, EVENING + HOUR, 5), 5, "midnight");
        assert_eq!(days.used(EVENING + HOUR), (5, "2026-11-22".to_owned()));
        // What was counted before midnight is still to be written.
        let count = |date: &str| DayCount {
            date: date.to_owned(),
            own: 5,
        };
        assert_eq!(
            days.counts(EVENING + HOUR),
            [count("2026-11-21"), count("2026-11-22")]
        );
        days.written(&count("2026-11-21"), 7);
        days.written(&count("2026-11-22"), 5);
        assert_eq!(
            days.counts(EVENING + HOUR),
            [DayCount {
                own: 0,
                ..count("2026-11-22")
            }]
        );
        assert!(days.take(EVENING + HOUR, 5).is_err());
        assert_eq!(taken(&mut days, EVENING + HOUR, 6), 1);
    }

    #[test]
    fn what_other_hosts_and_earlier_lives_counted_counts() {
        let mut days = Days::new("UTC", EVENING);
        let [count] = days.counts(EVENING).try_into().unwrap();
        days.written(&count, 8);
        assert_eq!(taken(&mut days, EVENING, 10), 2);
        let [count] = days.counts(EVENING).try_into().unwrap();
        days.take(EVENING, 99).unwrap();
        days.written(&count, 20);
        assert_eq!(days.used(EVENING).0, 21, "one came while it was written");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_opens_nor_shuts() {
        let mut days = Days::new("UTC", EVENING);
        assert_eq!(taken(&mut days, EVENING, 5), 5);
        // A year ahead, then right again: the true day's count is still there.
        assert_eq!(taken(&mut days, EVENING + 365 * 24 * HOUR, 5), 5);
        assert_eq!(taken(&mut days, EVENING, 5), 0);
        assert_eq!(
            taken(&mut days, EVENING + 24 * HOUR, 5),
            5,
            "nor is it shut until then"
        );
        assert!(days.rest(i64::MIN) >= Duration::from_millis(1));
        assert!(days.take(i64::MAX, 1).is_ok());
    }

    #[test]
    fn a_change_of_the_time_zone_gives_no_second_day() {
        let mut days = Days::new("UTC", EVENING);
        assert_eq!(taken(&mut days, EVENING, 5), 5);
        days.set_zone("Pacific/Kiritimati", EVENING);
        assert_eq!(days.used(EVENING), (5, "2026-11-22".to_owned()));
        let [_, count] = days.counts(EVENING).try_into().unwrap();
        days.written(&count, 0);
        assert_eq!(taken(&mut days, EVENING, 5), 0);
        days.set_zone("Middle/Earth", EVENING);
        assert_eq!(taken(&mut days, EVENING, 5), 0);
    }
}
