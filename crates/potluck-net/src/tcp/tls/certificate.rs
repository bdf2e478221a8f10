//! A certificate of the operator's, with its key: read from PEM, and found to belong together.
//!
//! Whether it is in its time is told, and refuses nothing: a server with an expired certificate can still be mended while it
//! serves, one that does not start cannot.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::Error;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::tls::cipher::provider;

/// The most certificates in a file: a chain has three or four.
const MAX_CERTIFICATES: usize = 16;

/// In which of the two files something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The certificate's.
    Certificate,
    /// The key's.
    Key,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificates' text.
    #[error("is no PEM with 1 to {MAX_CERTIFICATES} certificates, the server's own first")]
    CertificateText(#[source] Option<pem::Error>),
    /// The server's own certificate.
    #[error("holds a certificate that cannot be used")]
    Certificate(#[source] Error),
    /// The times in it.
    #[error("holds a certificate of which the dates cannot be read")]
    Dates,
    /// The key's text.
    #[error("is no PEM with a private key (PKCS#8, SEC1 or PKCS#1)")]
    KeyText(#[source] pem::Error),
    /// The key itself.
    #[error("holds a private key that cannot be used: ECDSA P-256 or P-384, RSA or Ed25519 can")]
    Key(#[source] Error),
    /// They do not belong together.
    #[error("holds the key of another certificate")]
    OtherKey,
}

impl CertificateError {
    /// In which of the two files it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::CertificateText(_) | Self::Certificate(_) | Self::Dates => Fault::Certificate,
            Self::KeyText(_) | Self::Key(_) | Self::OtherKey => Fault::Key,
        }
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    begins: SystemTime,
    ends: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate(of {:?})", self.names())
    }
}

impl Certificate {
    /// Reads a chain, the server's own certificate first, and the key of that one; both in PEM.
    ///
    /// # Errors
    /// [`CertificateError`], of which the words follow the file's name.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let read = CertificateDer::pem_slice_iter(certificate).take(MAX_CERTIFICATES + 1);
        let chain: Vec<_> = read
            .collect::<Result<_, _>>()
            .map_err(|error| CertificateError::CertificateText(Some(error)))?;
        let leaf = chain.first().filter(|_| chain.len() <= MAX_CERTIFICATES);
        let leaf = leaf.ok_or(CertificateError::CertificateText(None))?;
        webpki::EndEntityCert::try_from(leaf)
            .map_err(|error| CertificateError::Certificate(Error::General(error.to_string())))?;
        let (begins, ends) = validity(leaf).ok_or(CertificateError::Dates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::KeyText)?;
        let signs = provider().key_provider.load_private_key(key).map_err(CertificateError::Key)?;
        let certified = CertifiedKey::new(chain, signs);
        match certified.keys_match() {
            // A key that does not say which public one is its own is none of those that are loaded here.
            Ok(()) | Err(Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::OtherKey),
        }
        Ok(Self { certified: Arc::new(certified), begins, ends })
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// From when until when it holds.
    pub fn validity(&self) -> (SystemTime, SystemTime) {
        (self.begins, self.ends)
    }

    /// The DNS names that it is for, wildcards among them.
    pub fn names(&self) -> Vec<String> {
        let Some(leaf) = self.certified.cert.first() else { return Vec::new() };
        webpki::EndEntityCert::try_from(leaf)
            .map(|leaf| leaf.valid_dns_names().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// Whether it is for a host, by name or by address.
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else { return false };
        let leaf = self.certified.cert.first().map(webpki::EndEntityCert::try_from);
        matches!(leaf, Some(Ok(leaf)) if leaf.verify_is_valid_for_subject_name(&name).is_ok())
    }
}

/// The two times of a certificate (RFC 5280 §4.1): Certificate, TBSCertificate, then what stands before them is passed over.
fn validity(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (body, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(body, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    // Serial number, algorithm, issuer.
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (times, _) = element(rest, SEQUENCE)?;
    let (begins, times) = time(times)?;
    Some((begins, time(times)?.0))
}

/// The content of the first element, if it has the tag, and what follows it (DER: X.690 §8.1, §10.1).
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // More would be a certificate of 4 GiB.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length).filter(|_| found == tag)
}

/// A UTCTime or GeneralizedTime in UTC, and what follows it.
fn time(bytes: &[u8]) -> Option<(SystemTime, &[u8])> {
    const UTC_TIME: u8 = 0x17;
    let is_short = bytes.first() == Some(&UTC_TIME);
    let (text, rest) = element(bytes, if is_short { UTC_TIME } else { 0x18 })?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match is_short {
        // RFC 5280 §4.1.2.5.1: 50 to 99 are of the last century.
        true if text >= "50" => format!("19{text}"),
        true => format!("20{text}"),
        false => text.to_owned(),
    };
    if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |begin: usize, end: usize| text[begin..end].parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let of_day = part(8, 10)? * 3600 + part(10, 12)? * 60 + part(12, 14)?;
    let since = days(year, month, day)?.checked_mul(86_400)?.checked_add(of_day)?;
    Some((UNIX_EPOCH + Duration::from_secs(since), rest))
}

/// Days since 1970 of a date of the Gregorian calendar; one before that counts as its first.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last: 400 of them are an era of 146097 days.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some((era * 146_097 + day_of_era).saturating_sub(719_468))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2100, 3, 1), Some(47_541));
        assert_eq!(days(2026, 13, 1), None);
        let seconds = |text: &str, tag: u8| {
            let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
            bytes.extend_from_slice(text.as_bytes());
            time(&bytes).map(|(at, _)| at.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("000229235959Z", 0x17), Some(951_868_799));
        assert_eq!(seconds("20000229235959Z", 0x18), Some(951_868_799));
        assert_eq!(seconds("20000229235959", 0x18), None);
        assert_eq!(seconds("2000022923595xZ", 0x18), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x05, 0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(validity(bytes), None);
        }
    }
}
