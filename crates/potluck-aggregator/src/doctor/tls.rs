//! The certificate by which readers are served over HTTP: its key, its time, its names.

use std::time::{Duration, SystemTime};

use potluck_net::tcp::tls::Certificate;

use super::Finding;
use crate::config::Settings;

const SUBJECT: &str = "http certificate";
const DAY: Duration = Duration::from_secs(86_400);

/// An authority that renews certificates by itself has done so by then.
const SOON: u64 = 14;

pub(super) fn examine(settings: &Settings, now: SystemTime) -> Option<Finding> {
    let http = settings.http.as_ref().filter(|http| http.files().is_some())?;
    Some(match settings.certificate() {
        Ok(Some(certificate)) => look(&certificate, http.name.as_deref(), now),
        Ok(None) => return None,
        Err(error) => Finding::wrong(
            SUBJECT,
            crate::in_full(&error),
            "name the certificate with those between it and an authority, and its own key, both in PEM",
        ),
    })
}

fn look(certificate: &Certificate, name: Option<&str>, now: SystemTime) -> Finding {
    let renew = "renew it: the server shows the new one within seconds, without a restart";
    let (begins, ends) = certificate.validity();
    if let Some(until) = begins.duration_since(now).ok().filter(|until| !until.is_zero()) {
        let seen = format!("holds only in {}", span(until));
        return Finding::wrong(SUBJECT, seen, "set the clock, or take one that holds already");
    }
    let Ok(left) = ends.duration_since(now) else {
        let since = now.duration_since(ends).unwrap_or_default();
        return Finding::wrong(SUBJECT, format!("expired {} ago", span(since)), renew);
    };
    let names = certificate.names();
    let of = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
    if let Some(name) = name.filter(|name| !certificate.is_for(name)) {
        let seen = format!("is for {of}, not for {name} (http.name)");
        return Finding::wrong(SUBJECT, seen, "take one for the name by which clients call");
    }
    let seen = format!("is for {of}, and holds {} more", span(left));
    if left < DAY * u32::try_from(SOON).unwrap_or(u32::MAX) {
        return Finding::warning(SUBJECT, seen, renew);
    }
    if names.is_empty() && name.is_none() {
        let cure = "clients look at the subject's alternative names alone; http.name says which address to look for";
        return Finding::warning(SUBJECT, seen, cure);
    }
    Finding::well(SUBJECT, seen)
}

/// In days, or hours where it is less.
fn span(time: Duration) -> String {
    match time.as_secs() / 3600 {
        hours @ 0..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn dates_and_names_are_looked_at() {
        let names = ["fed.example", "127.0.0.1"].map(str::to_owned).to_vec();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (text, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let certificate = Certificate::new(text.as_bytes(), key.as_bytes()).unwrap();
        let (begins, ends) = certificate.validity();
        let found = |name: Option<&str>, now: SystemTime| {
            let found = look(&certificate, name, now);
            (found.verdict, found.seen)
        };
        let early = found(None, begins - DAY * 3);
        assert_eq!(early, (Verdict::Wrong, "holds only in 3 days".into()));
        assert_eq!(found(None, ends + DAY), (Verdict::Wrong, "expired 24 h ago".into()));
        let soon = found(None, ends - DAY * 10);
        assert_eq!(soon, (Verdict::Warning, "is for fed.example, and holds 10 days more".into()));
        assert_eq!(found(Some("fed.example"), begins).0, Verdict::Well);
        assert_eq!(found(Some("127.0.0.1"), begins).0, Verdict::Well);
        let (verdict, seen) = found(Some("other.example"), begins);
        assert_eq!(verdict, Verdict::Wrong);
        assert!(seen.contains("not for other.example"), "{seen}");
    }
}
