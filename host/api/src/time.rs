//! Times as clients see them: RFC 3339 in UTC. What a person writes without an offset is in the tenant's time zone.

use docmill_model::run::Millis;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::problem::Problem;

/// `2026-11-21T02:53:11.123Z`
pub fn rfc3339(at: Millis) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// The time zone of that IANA name. From the tables inside the program: a host may have none, and all hosts have to agree.
pub fn zone(name: &str) -> Option<TimeZone> {
    let found = TimeZoneDatabase::bundled().get(name).ok();
    found.filter(|zone| !zone.is_unknown())
}

/// Reads a time; without an offset it is a time in `timezone`, and a date is its midnight there.
///
/// # Errors
/// When it is neither.
pub fn parse(name: &str, text: &str, timezone: &str) -> Result<Millis, Problem> {
    let local = || {
        // What an annotation says would not be heeded.
        let time = text.parse::<DateTime>().ok().filter(|_| !text.contains('['))?;
        let zone = zone(timezone).unwrap_or(TimeZone::UTC);
        zone.to_timestamp(time).ok()
    };
    let time = text.parse::<Timestamp>().ok().or_else(local);
    time.map(Timestamp::as_millisecond).ok_or_else(|| {
        Problem::malformed(format!(
            "'{name}' is a time such as 2026-11-21T10:00:00Z, or a date, which is taken in the tenant's time zone"
        ))
    })
}

/// The days of a time in that zone, the first of which has `since` in it: date and beginning.
pub fn days(since: Millis, until: Millis, timezone: &str) -> Vec<(String, Millis)> {
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    let mut days = Vec::new();
    let mut next = Timestamp::from_millisecond(since)
        .ok()
        .map(|at| at.to_zoned(zone.clone()).date());
    while let Some(date) = next {
        let Some(begins) = midnight(date, &zone).filter(|begins| *begins < until) else {
            break;
        };
        days.push((date.to_string(), begins));
        next = date.tomorrow().ok();
    }
    days
}

/// When the month began in which `at` is in that zone; `at` itself at the edge of all time.
pub fn month_start(at: Millis, timezone: &str) -> Millis {
    let zone = zone(timezone).unwrap_or(TimeZone::UTC);
    let date = Timestamp::from_millisecond(at).map(|at| at.to_zoned(zone.clone()).date());
    let begins = date.ok().and_then(|date| midnight(date.first_of_month(), &zone));
    begins.unwrap_or(at)
}

/// When a day begins; where clocks are put forward at midnight, that is when they are.
fn midnight(date: Date, zone: &TimeZone) -> Option<Millis> {
    let begins = zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
    Some(begins.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(rfc3339(1_795_229_591_120), "2026-11-21T02:53:11.120Z");
        let utc = |text| parse("since", text, "UTC").unwrap();
        assert_eq!(utc("2026-11-21T02:53:11.120Z"), 1_795_229_591_120);
        assert_eq!(utc("2026-11-21T05:00:00+05:00"), utc("2026-11-21"));
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "\u{7f}",
            "2026-11-21T10:00[Asia/Almaty]",
        ] {
            assert!(parse("since", bad, "UTC").is_err(), "{bad}");
        }
    }

    #[test]
    fn what_has_no_offset_is_in_the_tenants_zone() {
        let almaty = |text| rfc3339(parse("since", text, "Asia/Almaty").unwrap());
        assert_eq!(almaty("2026-11-21"), "2026-11-20T19:00:00.000Z");
        assert_eq!(almaty("2026-11-21T10:00"), "2026-11-21T05:00:00.000Z");
        assert_eq!(almaty("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00.000Z");
        // The hour that a change of clocks leaves out, and a zone that somebody wrote into the database.
        let rfc = |text, zone| rfc3339(parse("since", text, zone).unwrap());
        assert_eq!(
            rfc("2026-03-29T02:30", "Europe/Berlin"),
            "2026-03-29T01:30:00.000Z"
        );
        assert_eq!(rfc("2026-11-21", "Middle/Earth"), "2026-11-21T00:00:00.000Z");
    }

    #[test]
    fn days_begin_at_the_zones_midnight() {
        let at = |text| parse("since", text, "UTC").unwrap();
        let told = |since, until, zone| {
            let days = days(at(since), at(until), zone);
            let told = days.into_iter().map(|(date, begins)| (date, rfc3339(begins)));
            told.collect::<Vec<_>>()
        };
        let day = |date: &str, begins: &str| (date.to_owned(), format!("{begins}:00.000Z"));
        assert_eq!(
            told("2026-11-20T18:59", "2026-11-20T19:01", "Asia/Almaty"),
            [
                day("2026-11-20", "2026-11-19T19:00"),
                day("2026-11-21", "2026-11-20T19:00")
            ]
        );
        // Clocks were put back in the night after the 24th, and there is no midnight before the 8th.
        assert_eq!(
            told("2026-10-25T00:00", "2026-10-26T00:00", "Europe/Berlin"),
            [
                day("2026-10-25", "2026-10-24T22:00"),
                day("2026-10-26", "2026-10-25T23:00")
            ]
        );
        assert_eq!(
            told("2019-09-08T04:00", "2019-09-08T05:00", "America/Santiago"),
            [day("2019-09-08", "2019-09-08T04:00")]
        );
        assert!(days(i64::MIN, i64::MAX, "UTC").is_empty());
        let month = |text| rfc3339(month_start(at(text), "Asia/Almaty"));
        assert_eq!(month("2026-10-31T19:00"), "2026-10-31T19:00:00.000Z");
        assert_eq!(month("2026-10-31T18:59"), "2026-09-30T19:00:00.000Z");
        assert_eq!(month_start(i64::MAX, "UTC"), i64::MAX);
    }

    #[test]
    fn zones_are_known_by_their_iana_names() {
        assert_eq!(zone("asia/almaty").unwrap().iana_name(), Some("Asia/Almaty"));
        assert_eq!(zone("UTC").unwrap().iana_name(), Some("UTC"));
        for bad in ["", "Etc/Unknown", "Almaty", "+05:00", "../etc/passwd", "UTC\0"] {
            assert!(zone(bad).is_none(), "{bad}");
        }
    }
}
