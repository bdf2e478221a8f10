//! Versions: how each message has one, and how two sides that share none find that out.
//!
//! A version is a whole number, said twice. In the TLS handshake (ALPN, RFC 7301) a side of version 1 offers
//! `potluck/1`, and last `potluck`, the name that every version shares. Where nothing else is shared, that one is chosen:
//! the server then closes the connection with [`UNSPOKEN`] and the names that it speaks, and nothing else is said. And
//! every request names its version ([`VERSION`]); a reply, and the content after it, is of its request's. A request of
//! another version is refused by a sentence that says which is spoken. In all versions `v` is a field of the request,
//! and a refusal is `{"refused":{"code":…,"sentence":…}}`.

/// The protocol's name in the handshake. A later version gets another.
pub const ALPN: &[u8] = b"potluck/1";

/// The name that all versions share, offered after one's own: under it nothing is said but which versions are spoken.
pub const ALPN_ANY: &[u8] = b"potluck";

/// The version that every request names.
pub const VERSION: u64 = 1;

/// Connection error code: no version is shared. The reason that goes with it is [`spoken`].
pub const UNSPOKEN: u32 = 4;

/// The longest list of names that is believed to be one.
const MAX_SPOKEN: usize = 200;

/// What a side offers in the handshake, the best first.
pub fn offered() -> Vec<Vec<u8>> {
    vec![ALPN.to_vec(), ALPN_ANY.to_vec()]
}

/// The names of the versions that this side speaks, as they are told to a peer that speaks none of them.
pub fn spoken() -> String {
    String::from_utf8_lossy(ALPN).into_owned()
}

/// What a peer says that it speaks, if that is a list of names: it is shown to people as it is.
pub fn read_spoken(reason: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(reason).ok().filter(|text| text.len() <= MAX_SPOKEN)?;
    let is_name = |name: &str| {
        let version = name.strip_prefix("potluck/");
        version.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names: Vec<_> = text.split(' ').collect();
    names.iter().copied().all(is_name).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_belong_to_the_number() {
        assert_eq!(ALPN, format!("potluck/{VERSION}").as_bytes());
        assert_eq!(read_spoken(spoken().as_bytes()), Some("potluck/1".into()));
        assert!(offered().ends_with(&[ALPN_ANY.to_vec()]));
    }

    #[test]
    fn only_names_are_shown_to_people() {
        assert_eq!(read_spoken(b"potluck/2 potluck/13"), Some("potluck/2, potluck/13".into()));
        let long = "potluck/1 ".repeat(30) + "potluck/1";
        for bad in ["", "potluck", "potluck/", "potluck/2\x1b[2J", "potluck/1  potluck/2", &long] {
            assert_eq!(read_spoken(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(read_spoken(&[0xff]), None);
    }
}
