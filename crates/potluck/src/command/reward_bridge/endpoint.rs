//! One endpoint: where it may be, how it is asked, and when it is asked again.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Uri;
use ureq::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

use super::Args;
use super::dialect::shortened;
use crate::failure::Failure;

/// The largest reply, in bytes: what the trainer takes in a line.
const LARGEST_REPLY: u64 = 16 << 20;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Somewhere to post to.
pub(super) struct Endpoint {
    agent: Agent,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    retries: u32,
    backoff: Duration,
}

/// Why one try gave no reply.
struct Miss {
    what: String,
    /// Whether to try again, and how long to wait at least.
    again: Option<Duration>,
}

impl Endpoint {
    /// Checks that the address is one that may be spoken with, and reads the headers' values.
    pub(super) fn open(args: &Args) -> Result<Self, Failure> {
        let uri: Uri = args
            .url
            .parse()
            .map_err(|error| Failure::input(format!("--url is no address: {error}")))?;
        let is_local = is_local(&uri);
        let headers = args.header_env.iter().map(|it| header(it));
        let headers: Vec<_> = headers.collect::<Result<_, _>>()?;
        let is_secure = check(&uri)?;
        if !is_local && !args.allow_remote {
            return Err(Failure::input("--url is not on this machine")
                .hint("--allow-remote lets prompts and completions leave it"));
        }
        if !is_local && !is_secure && !headers.is_empty() {
            return Err(Failure::input("--header-env over http:// would show the value to others")
                .hint("use https://"));
        }
        // What is on this machine is not asked for through another.
        let proxy = if is_local { None } else { ureq::Proxy::try_from_env() };
        let config = Agent::config_builder()
            .timeout_global(Some(args.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(if is_secure { tls()? } else { TlsConfig::default() })
            .build();
        let (retries, backoff) = (args.retries, args.backoff);
        Ok(Self { agent: config.new_agent(), uri, headers, retries, backoff })
    }

    /// Posts, as often as allowed, until there is a reply.
    pub(super) fn post(&self, body: &Value) -> Result<Value, String> {
        let body = body.to_string();
        let mut wait = self.backoff;
        let mut tries = 1;
        loop {
            let miss = match self.try_once(&body) {
                Ok(reply) => return Ok(reply),
                Err(miss) => miss,
            };
            let Some(least) = miss.again.filter(|_| tries <= self.retries) else {
                return Err(format!("the endpoint {}, {tries} time(s) in a row", miss.what));
            };
            sleep(wait.max(least).min(LONGEST_WAIT));
            wait = (wait * 2).min(LONGEST_WAIT);
            tries += 1;
        }
    }

    fn try_once(&self, body: &str) -> Result<Value, Miss> {
        let mut request = self.agent.post(&self.uri).content_type("application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(missed)?;
        let status = response.status();
        let after =
            response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(LARGEST_REPLY).read_to_vec();
        if !status.is_success() {
            let said = shortened(&String::from_utf8_lossy(&text.unwrap_or_default()));
            let is_passing = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
            let least = Duration::from_secs(after.unwrap_or(0));
            let what = format!("refused with status {}: {said}", status.as_u16());
            return Err(Miss { what, again: is_passing.then_some(least) });
        }
        let text = text.map_err(missed)?;
        serde_json::from_slice(&text).map_err(|error| Miss {
            what: format!("answered with something else than JSON ({error})"),
            again: None,
        })
    }
}

/// What is wrong with a connection; nothing of the address or the headers is told.
fn missed(error: Error) -> Miss {
    let untrusted = match &error {
        Error::Rustls(error) => Some(error),
        Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    if let Some(rustls::Error::InvalidCertificate(why)) = untrusted {
        let what = format!("has a certificate that is not trusted here ({why:?})");
        return Miss { what, again: None };
    }
    let what = match &error {
        Error::Timeout(_) => "took too long".to_owned(),
        Error::Io(error) => format!("cannot be reached: {error}"),
        Error::HostNotFound => "cannot be found".to_owned(),
        Error::BodyExceedsLimit(most) => format!("replied with more than {most} bytes"),
        _ => "cannot be reached".to_owned(),
    };
    let is_final = matches!(error, Error::BodyExceedsLimit(_));
    Miss { what, again: (!is_final).then_some(Duration::ZERO) }
}

/// Whether the address is on this machine.
fn is_local(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the address is under TLS, if it is one at all.
fn check(uri: &Uri) -> Result<bool, Failure> {
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user {
        return Err(Failure::input("--url holds a user or a password")
            .hint("--header-env takes them from the environment"));
    }
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(false),
        (Some("https"), Some(_)) => Ok(true),
        _ => Err(Failure::input("--url must begin with http:// or https:// and name a host")),
    }
}

/// `HEADER=VARIABLE`, with the variable's value.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let refused = |what: &str| Failure::input(format!("--header-env {text}: {what}"));
    let (name, variable) = text.split_once('=').ok_or_else(|| refused("there is no ="))?;
    let name = name.parse().map_err(|_| refused("there is no such header"))?;
    let value = std::env::var(variable).map_err(|_| refused("the variable is not set"))?;
    let mut value =
        HeaderValue::from_str(&value).map_err(|_| refused("its value cannot be sent"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// TLS by rustls and ring, with the certificates that this machine trusts.
fn tls() -> Result<TlsConfig, Failure> {
    let trusted = rustls_native_certs::load_native_certs();
    if trusted.certs.is_empty() {
        return Err(Failure::system("this machine trusts no certificates for https")
            .hint("install ca-certificates, or set SSL_CERT_FILE"));
    }
    let certificates = trusted.certs.iter().map(|it| Certificate::from_der(it).to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::from(certificates))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_this_machine_is_known_by_its_host() {
        let local = |text: &str| is_local(&text.parse().unwrap());
        for here in [
            "http://localhost:8000/a",
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://[::1]:8000/",
        ] {
            assert!(local(here), "{here}");
        }
        for elsewhere in [
            "http://example.org/localhost",
            "http://localhost.example.org/",
            "http://localhost@example.org/",
            "http://10.0.0.1/",
            "http://[::2]/",
            "http://0.0.0.0/",
        ] {
            assert!(!local(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn addresses_hold_no_secrets() {
        let refuse = |text: &str| check(&text.parse().unwrap()).unwrap_err();
        assert!(refuse("http://me:pass@localhost/").message().contains("password"));
        assert!(refuse("ftp://localhost/").message().contains("must begin with"));
        assert!(refuse("/score").message().contains("must begin with"));
        assert!(check(&"https://a.example/".parse().unwrap()).unwrap());
    }
}
