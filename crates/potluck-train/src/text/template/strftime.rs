//! The date that a template asks for, in the words of C's `strftime`.

use std::fmt::Write as _;
use std::str::FromStr;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day of the Gregorian calendar; its clock shows midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date; write one as 2026-11-29")]
pub struct NoDate(String);

impl FromStr for Date {
    type Err = NoDate;

    fn from_str(text: &str) -> Result<Self, NoDate> {
        let no_date = || NoDate(text.chars().take(40).collect());
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(no_date()) };
        let all_digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
        if [year.len(), month.len(), day.len()] != [4, 2, 2]
            || !parts.iter().all(|it| all_digits(it))
        {
            return Err(no_date());
        }
        let number = |part: &str| part.parse::<u16>().map_err(|_| no_date());
        let (year, month, day) = (number(year)?, number(month)?, number(day)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if year == 0 || day == 0 || day > days {
            return Err(no_date());
        }
        Ok(Self { year, month: month as u8, day: day as u8 })
    }
}

impl Date {
    /// Days since Sunday, by Sakamoto's method.
    fn weekday(self) -> usize {
        const SHIFT: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let year = usize::from(self.year) - usize::from(self.month < 3);
        (year + year / 4 - year / 100
            + year / 400
            + SHIFT[usize::from(self.month) - 1]
            + usize::from(self.day))
            % 7
    }
}

/// `date` in the form that `format` asks for; refuses what no known template uses.
pub(super) fn format(date: Date, format: &str) -> Result<String, String> {
    let (mut out, mut letters) = (String::new(), format.chars());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let (mut code, mut padded) = (letters.next(), true);
        if code == Some('-') {
            (code, padded) = (letters.next(), false);
        }
        let month = MONTHS[usize::from(date.month) - 1];
        let weekday = DAYS[date.weekday()];
        let mut two = |number: u8| match padded {
            true => write!(out, "{number:02}"),
            false => write!(out, "{number}"),
        };
        // Writing to a String cannot fail.
        let _ = match code {
            Some('d') => two(date.day),
            Some('m') => two(date.month),
            Some('y') => two((date.year % 100) as u8),
            Some('H' | 'M' | 'S') => two(0),
            Some('I') => two(12),
            Some('p') => write!(out, "AM"),
            Some('Y') => write!(out, "{}", date.year),
            Some('B') => write!(out, "{month}"),
            Some('b' | 'h') => write!(out, "{}", &month[..3]),
            Some('A') => write!(out, "{weekday}"),
            Some('a') => write!(out, "{}", &weekday[..3]),
            Some('e') => write!(out, "{:2}", date.day),
            Some('F') => write!(out, "{:04}-{:02}-{:02}", date.year, date.month, date.day),
            Some('%') => write!(out, "%"),
            _ => return Err(format!("strftime_now({format:?}) is not supported")),
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        let date: Date = "2026-11-29".parse().unwrap();
        assert_eq!(
            format(date, "%d %b %Y, %A %-d %B %F 100%%").unwrap(),
            "29 Nov 2026, Sunday 29 November 2026-11-29 100%"
        );
        let leap: Date = "2024-02-29".parse().unwrap();
        assert_eq!(format(leap, "%a %e. %m/%y %H:%M").unwrap(), "Thu 29. 02/24 00:00");
        for bad in ["2023-02-29", "2024-13-01", "24-01-01", "2024-1-1", "2024-00-10", "+024-01-01"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert!(format(date, "%Q").is_err());
    }
}
