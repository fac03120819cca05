//! Times as clients see them: RFC 3339 in UTC. What a person writes without an offset is in the tenant's time zone.

use docmill_model::run::Millis;
use jiff::Timestamp;
use jiff::civil::DateTime;
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
    fn zones_are_known_by_their_iana_names() {
        assert_eq!(zone("asia/almaty").unwrap().iana_name(), Some("Asia/Almaty"));
        assert_eq!(zone("UTC").unwrap().iana_name(), Some("UTC"));
        for bad in ["", "Etc/Unknown", "Almaty", "+05:00", "../etc/passwd", "UTC\0"] {
            assert!(zone(bad).is_none(), "{bad}");
        }
    }
}
