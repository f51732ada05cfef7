//! Moments as the history holds them.

use diagnostics::Provider;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fmt::Write as _;

/// A moment, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// Reads `YYYY-MM-DD HH:MM:SS[.fraction]`, RFC 3339, or integer milliseconds.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(milliseconds) = text.parse::<i64>() {
            return milliseconds.checked_mul(1000).map(Self);
        }
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(timestamp.as_microsecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_microsecond()))
    }

    /// How long after `earlier` it is; none if it is before it.
    pub fn since(self, earlier: Self) -> Option<std::time::Duration> {
        u64::try_from(self.0 - earlier.0).ok().map(std::time::Duration::from_micros)
    }

    /// The next moment that the history table of this database can tell from this one.
    pub(super) fn next(self, provider: Provider) -> Self {
        match provider {
            Provider::PostgreSql => Self(self.0 + 1),
            Provider::MySql | Provider::Sqlite => Self((self.0.div_euclid(1000) + 1) * 1000),
        }
    }

    pub(super) fn text(self, separator: char) -> String {
        let timestamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let civil = timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let micros = self.0.rem_euclid(1_000_000);
        let mut text = format!(
            "{}{separator}{:02}:{:02}:{:02}",
            civil.date(),
            civil.hour(),
            civil.minute(),
            civil.second()
        );
        // As many digits as the reference prints: none, three or six.
        if micros % 1000 != 0 {
            let _ = write!(text, ".{micros:06}");
        } else if micros != 0 {
            let _ = write!(text, ".{:03}", micros / 1000);
        }
        text
    }
}

impl fmt::Display for Time {
    /// `2026-11-22 17:09:29.087 UTC`, as the reference prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} UTC", self.text(' '))
    }
}

/// A time within the years that can be written: `infinity` is no moment, and finished all the same.
pub(super) fn postgres_time(column: &str) -> String {
    // greatest() passes over NULL.
    format!(
        "CASE WHEN {column} IS NOT NULL THEN pg_catalog.to_char(least(greatest({column}, '0001-01-01 00:00:00+00'), \
         '9999-12-30 00:00:00+00') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_formats_of_time_are_read() {
        // 2026-11-22 16:03:11.675 UTC
        let moment = Time(1_795_363_391_675_000);
        for text in ["1795363391675", "2026-11-22T16:03:11.675+00:00", "2026-11-22 16:03:11.675"] {
            assert_eq!(Time::parse(text), Some(moment), "{text}");
        }
        assert_eq!(moment.to_string(), "2026-11-22 16:03:11.675 UTC");
        assert_eq!(
            Time::parse("2026-11-22 16:03:11").map(|time| time.to_string()).as_deref(),
            Some("2026-11-22 16:03:11 UTC")
        );
        assert_eq!(
            Time::parse("2026-11-22 17:35:51.375532").map(|time| time.to_string()).as_deref(),
            Some("2026-11-22 17:35:51.375532 UTC")
        );
        assert_eq!(Time::parse("yesterday"), None);
    }
}
