//! Now is a time at which may be deployed, by the clock of this machine.

use super::{Gate, Gates, Subject, Verdict};
use diagnostics::Result;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

pub(super) static GATE: Gate = Gate {
    id: "window",
    meaning: "Now is a time at which may be deployed.",
    check,
    asked_for: |gates| gates.window.is_some(),
};

/// Times of a week, in a time zone.
#[derive(Clone, Debug)]
pub struct Window {
    zone: TimeZone,
    zone_name: String,
    times: Vec<Times>,
    written: String,
}

/// `Mon-Thu 09:00-16:00`; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Times {
    days: Vec<Weekday>,
    from: Time,
    until: Time,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Window {
    /// Reads `["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"]` in this zone of the time zone database.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(times: &[String], zone: &str) -> std::result::Result<Self, String> {
        let found = TimeZone::get(zone);
        let found = found.map_err(|_| {
            format!("there is no time zone `{zone}`; one such as Europe/Berlin or UTC is expected")
        })?;
        let read = times.iter().map(|text| Times::parse(text));
        Ok(Self {
            zone: found,
            zone_name: zone.to_owned(),
            times: read.collect::<std::result::Result<_, _>>()?,
            written: times.join(", "),
        })
    }

    /// Whether this moment is in it.
    fn contains(&self, now: Timestamp) -> bool {
        let here = now.to_zoned(self.zone.clone());
        let (today, time) = (here.weekday(), here.time());
        self.times.iter().any(|times| {
            let on = |day: Weekday| times.days.contains(&day);
            if times.from < times.until {
                on(today) && times.from <= time && time < times.until
            } else {
                (on(today) && times.from <= time) || (on(today.previous()) && time < times.until)
            }
        })
    }

    /// When it opens next; none within a week and a day.
    fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let here = now.to_zoned(self.zone.clone());
        let days = (0..=8).filter_map(|days| here.date().checked_add(days.days()).ok());
        days.flat_map(|date| {
            let of_day = self.times.iter().filter(move |times| times.days.contains(&date.weekday()));
            of_day.filter_map(move |times| date.to_datetime(times.from).to_zoned(self.zone.clone()).ok())
        })
        .map(|moment| moment.timestamp())
        .filter(|moment| *moment > now)
        .min()
    }
}

impl Times {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("`{text}` is no time of the week, such as `Mon-Thu 09:00-16:00`");
        let (days, times) = text.trim().rsplit_once(' ').ok_or_else(wrong)?;
        let (from, until) = times.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| match text {
            "24:00" => Ok(Time::midnight()),
            text => Time::strptime("%H:%M", text).map_err(|_| wrong()),
        };
        let mut all = Vec::new();
        for part in days.split(',') {
            let part = part.trim().to_lowercase();
            let number = |name: &str| DAYS.iter().position(|(known, _)| *known == name).ok_or_else(wrong);
            match part.split_once('-') {
                _ if part == "*" => all.extend(DAYS.map(|(_, day)| day)),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    let count = (last + 7 - first) % 7;
                    all.extend((first..=first + count).map(|day| DAYS[day % 7].1));
                }
                None => all.push(DAYS[number(&part)?].1),
            }
        }
        Ok(Self { days: all, from: time(from)?, until: time(until)? })
    }
}

fn check(gates: &Gates, _: &mut Subject<'_>) -> Result<Verdict> {
    let Some(window) = &gates.window else { return Ok(Verdict::NotAsked) };
    let now = Timestamp::now();
    let shown = |moment: Timestamp| {
        let moment = moment.to_zoned(window.zone.clone());
        format!("{} {}", moment.strftime("%a %Y-%m-%d %H:%M"), window.zone_name)
    };
    if window.contains(now) {
        return Ok(Verdict::Passes(format!("it is {}, within {}", shown(now), window.written)));
    }
    let opens = window.opens(now).map_or("never".to_owned(), shown);
    Ok(Verdict::Blocks(
        format!("it is {}, and may be deployed {}", shown(now), window.written),
        format!("deploy again when the window opens: {opens}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(times: &[&str], zone: &str) -> Window {
        Window::parse(&times.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), zone).unwrap()
    }

    #[test]
    fn a_moment_is_in_it_by_the_clocks_of_its_zone() {
        let berlin = window(&["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"], "Europe/Berlin");
        let cases = [
            // Thursday, in winter an hour ahead of UTC.
            ("2026-11-26T07:59:59Z", false),
            ("2026-11-26T08:00:00Z", true),
            ("2026-11-26T14:59:59Z", true),
            ("2026-11-26T15:00:00Z", false),
            ("2026-11-27T10:59:00Z", true),
            ("2026-11-27T11:00:00Z", false),
            ("2026-11-28T10:00:00Z", false),
            // In summer two.
            ("2026-07-02T07:00:00Z", true),
        ];
        for (moment, wanted) in cases {
            assert_eq!(berlin.contains(moment.parse().unwrap()), wanted, "{moment}");
        }
        let opens = berlin.opens("2026-11-27T11:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(opens.to_string(), "2026-11-30T08:00:00Z");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = window(&["Sat 22:00-04:00", "Fri-Mon 06:00-24:00"], "UTC");
        for (moment, wanted) in [
            ("2026-11-28T23:00:00Z", true),
            ("2026-11-29T03:59:00Z", true),
            ("2026-11-29T04:00:00Z", false),
            ("2026-11-28T03:00:00Z", false),
            ("2026-11-30T23:59:00Z", true),
            ("2026-12-01T06:00:00Z", false),
        ] {
            assert_eq!(night.contains(moment.parse().unwrap()), wanted, "{moment}");
        }
    }

    #[test]
    fn what_is_no_time_of_the_week_is_said() {
        for text in ["", "Mon", "Mon 9-17", "Xyz 09:00-17:00", "Mon 09:00", "Mon-Xyz 09:00-10:00"] {
            assert!(Window::parse(&[text.to_owned()], "UTC").is_err(), "{text}");
        }
        assert!(Window::parse(&["* 00:00-24:00".to_owned()], "Mars/Base").unwrap_err().contains("Mars/Base"));
    }
}
