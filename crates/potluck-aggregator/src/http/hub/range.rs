//! Which bytes of a file are asked for (RFC 9110, section 14).
//!
//! One range is served; several, and anything else than bytes, are as good as none, which the RFC allows.

use axum::http::HeaderMap;
use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What is to be sent of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing: the caller has it.
    Known,
    /// All of it.
    Whole,
    /// The bytes from the first to before the second.
    Range(u64, u64),
    /// Bytes that it does not have.
    Beyond,
}

/// What `headers` ask of a file of `size` bytes with this ETag, quoted.
pub(super) fn asked(headers: &HeaderMap, size: u64, etag: &str) -> Part {
    let text =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let is_ours = |listed: &str| {
        listed.split(',').map(str::trim).any(|it| it == "*" || it.trim_start_matches("W/") == etag)
    };
    if text(IF_NONE_MATCH).is_some_and(is_ours) {
        return Part::Known;
    }
    // A date is none of ours, so that the whole is sent.
    if text(IF_RANGE).is_some_and(|it| it != etag) {
        return Part::Whole;
    }
    text(RANGE).and_then(|range| parse(range, size)).unwrap_or(Part::Whole)
}

fn parse(range: &str, size: u64) -> Option<Part> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        // Digits alone: no sign, and no second range behind a comma.
        let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (begin, end) = match (first, last) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if begin >= end { Part::Beyond } else { Part::Range(begin, end) })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_range_is_taken_at_its_word() {
        let part = |range: &'static str| {
            let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
            asked(&headers, 10, "\"a\"")
        };
        assert_eq!(part("bytes=0-"), Part::Range(0, 10));
        assert_eq!(part("bytes=3-4"), Part::Range(3, 5));
        assert_eq!(part("Bytes=3-99"), Part::Range(3, 10));
        assert_eq!(part("bytes=-3"), Part::Range(7, 10));
        assert_eq!(part("bytes=-30"), Part::Range(0, 10));
        assert_eq!(part("bytes=9-18446744073709551616"), Part::Range(9, 10));
        for beyond in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(part(beyond), Part::Beyond, "{beyond}");
        }
        for other in [
            "bytes=4-3",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=-",
            "bytes=+1-2",
            "bytes",
            "bytes=a-b",
        ] {
            assert_eq!(part(other), Part::Whole, "{other}");
        }
    }

    #[test]
    fn what_is_known_decides() {
        let asked = |pairs: &[(axum::http::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            asked(&headers, 10, "\"a\"")
        };
        assert_eq!(asked(&[(IF_NONE_MATCH, "\"b\", W/\"a\"")]), Part::Known);
        assert_eq!(asked(&[(IF_NONE_MATCH, "*")]), Part::Known);
        assert_eq!(asked(&[(IF_NONE_MATCH, "\"b\"")]), Part::Whole);
        let range = (RANGE, "bytes=1-1");
        assert_eq!(asked(&[range.clone(), (IF_RANGE, "\"a\"")]), Part::Range(1, 2));
        assert_eq!(asked(&[range.clone(), (IF_RANGE, "\"b\"")]), Part::Whole);
        assert_eq!(asked(&[range, (IF_RANGE, "Sun, 06 Nov 1994 08:49:37 GMT")]), Part::Whole);
    }
}
