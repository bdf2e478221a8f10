//! The one way in which C2SP texts write a number.

/// Reads an ASCII decimal with no sign and no leading zero (`0` itself excepted), or nothing.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_the_canonical_text_is_read() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "٣", "18446744073709551616"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
