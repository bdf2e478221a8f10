//! How often one address, and one token, may ask.
//!
//! An address is that of the connection, unless a proxy that the operator named says for whom it asks. IPv6 callers
//! are counted by their network of 64 bits, of which one caller has all. Health and metrics are asked by machines of the
//! operator's and are not counted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{Quota, RateLimiter};

use super::api::problem::Problem;
use super::{Shared, access};
use crate::config::Http;

/// After how many requests those who have not asked for long are forgotten.
const SWEEP: u32 = 4096;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From(pub(super) SocketAddr);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asker {
    Address(IpAddr),
    Token(String),
}

/// What each may ask.
pub(super) struct Limit {
    each: Option<RateLimiter<Asker, Counted, DefaultClock>>,
    proxies: Vec<IpAddr>,
    asked: AtomicU32,
}

type Counted = governor::state::keyed::HashMapStateStore<Asker>;

impl Limit {
    pub(super) fn of(http: &Http) -> Self {
        let quota = NonZeroU32::new(http.requests_per_second).map(|rate| {
            Quota::per_second(rate).allow_burst(NonZeroU32::new(http.burst).unwrap_or(rate))
        });
        let each = quota.map(RateLimiter::hashmap);
        Self { each, proxies: http.proxies.clone(), asked: AtomicU32::new(0) }
    }

    /// After how many seconds it may ask again, where it has asked too often.
    fn over(&self, asker: Asker) -> Option<u32> {
        let each = self.each.as_ref()?;
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            each.retain_recent();
        }
        let not_until = each.check_key(&asker).err()?;
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// For whom a request is made: the last address that no proxy of ours has.
    fn address(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = from;
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok());
        let named: Vec<_> = named.flat_map(|it| it.split(',')).collect();
        for text in named.iter().rev() {
            if !self.proxies.contains(&address) {
                break;
            }
            let Ok(before) = text.trim().parse() else { break };
            address = before;
        }
        network(address)
    }
}

/// What of an address is one caller's.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// Lets a request through, or says when to come again.
pub(super) async fn limited(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        return next.run(request).await;
    }
    let from = request.extensions().get::<From>().map(|From(from)| from.ip());
    let limit = shared.limit();
    let address = from.map(|from| Asker::Address(limit.address(from, request.headers())));
    let token = access::token(request.headers()).flatten();
    let token = token.map(|token| Asker::Token(token.id().to_owned()));
    match address.into_iter().chain(token).find_map(|asker| limit.over(asker)) {
        Some(seconds) => Problem::too_many(seconds).into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, burst: u32) -> Limit {
        let http = Http {
            requests_per_second: requests,
            burst,
            proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            ..Http::at("127.0.0.1:0".parse().unwrap())
        };
        Limit::of(&http)
    }

    #[test]
    fn who_asks_too_often_waits_and_nobody_else() {
        let limit = limit(1, 3);
        let asker = |text: &str| Asker::Address(text.parse().unwrap());
        assert!((0..3).all(|_| limit.over(asker("192.0.2.1")).is_none()));
        assert!(limit.over(asker("192.0.2.1")).is_some_and(|seconds| seconds >= 1));
        assert_eq!(limit.over(asker("192.0.2.2")), None);
        assert_eq!(limit.over(Asker::Token("01".into())), None);
        let open = self::limit(0, 0);
        assert!((0..100).all(|_| open.over(asker("192.0.2.1")).is_none()));
    }

    #[test]
    fn only_our_proxies_say_for_whom_they_ask() {
        let limit = limit(1, 1);
        let said = |from: &str, forwarded: &str| {
            let name = axum::http::HeaderName::from_static("x-forwarded-for");
            let headers = HeaderMap::from_iter([(name, forwarded.parse().unwrap())]);
            limit.address(from.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(said("192.0.2.1", "198.51.100.7"), "192.0.2.1", "anybody can write that");
        assert_eq!(said("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(said("10.0.0.1", "203.0.113.5, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(said("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(said("10.0.0.1", "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(said("10.0.0.1", "::ffff:198.51.100.7"), "198.51.100.7");
    }
}
