//! Who may read what over HTTP: the charter's word, and the operator's tokens.
//!
//! ```text
//! Authorization: Bearer plk_…      a token that `potluck token create` showed once
//! ```
//!
//! The ledger, and so all of `/api/v1`, is open to anyone, as everywhere. Weights are read by whom the charter names: where it
//! says anyone, no token is looked at; where it says token holders, any token with the scope will do; where it says parties,
//! the token must be one that the operator made for a party that is in.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use potluck_core::Author;
use potluck_core::charter::Audience;
use potluck_wire::token::{Kept, Scope, Token};

use super::Shared;
use super::api::problem::Problem;
use crate::tokens::Unbelieved;

/// What somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A published soup.
    Soups,
    /// The base, an expert, or the mixture of any λ: some mixtures give the experts away.
    Experts,
    /// How the server stands.
    Status,
}

impl Wanted {
    fn scope(self) -> Scope {
        match self {
            Self::Soups => Scope::Soups,
            Self::Experts => Scope::Experts,
            Self::Status => Scope::Status,
        }
    }
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// It came without a token.
    #[error("this needs a token: ask the operator for one with the scope {0}")]
    NoToken(Scope),
    /// What it came with is none.
    #[error("the header Authorization holds no token of this kind: Bearer plk_…")]
    Malformed,
    /// The token is not believed.
    #[error(transparent)]
    Unbelieved(#[from] Unbelieved),
    /// The token is for something else.
    #[error("the token has not the scope {0}")]
    Scope(Scope),
    /// The charter names the parties alone.
    #[error("the charter lets only parties read this, and the token is for none that is in")]
    NoParty,
}

impl Denied {
    /// 401 where another token would help, 403 where this one's holder may not.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoToken(_) | Self::Malformed | Self::Unbelieved(_) => StatusCode::UNAUTHORIZED,
            Self::Scope(_) | Self::NoParty => StatusCode::FORBIDDEN,
        }
    }

    /// The stable code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NoToken(_) => "token-needed",
            Self::Malformed => "token-malformed",
            Self::Unbelieved(Unbelieved::Unknown) => "token-unknown",
            Self::Unbelieved(Unbelieved::Revoked) => "token-revoked",
            Self::Unbelieved(Unbelieved::Expired) => "token-expired",
            Self::Scope(_) | Self::NoParty => "not-permitted",
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied.status() {
            StatusCode::UNAUTHORIZED => Self::unauthenticated(denied.code(), denied.to_string()),
            _ => Self::forbidden(denied.to_string()),
        }
    }
}

/// Whether whoever sent these headers may read it.
///
/// # Errors
/// [`Denied`], of which status, code and sentence are public.
pub(super) fn may_read(shared: &Shared, headers: &HeaderMap, wanted: Wanted) -> Result<(), Denied> {
    let standing = shared.aggregator.standing();
    let access = standing.federation.charter().access();
    let audience = match wanted {
        Wanted::Soups => access.soups,
        Wanted::Experts => access.experts,
        // Neither the charter nor the ledger speaks of it: it is the operator's to show.
        Wanted::Status => Audience::TokenHolders,
    };
    if audience == Audience::Anyone {
        return Ok(());
    }
    let kept = bearer(shared, headers)?.ok_or(Denied::NoToken(wanted.scope()))?;
    if !kept.scopes.contains(&wanted.scope()) {
        return Err(Denied::Scope(wanted.scope()));
    }
    let is_in = |party: &_| {
        let member = standing.federation.members().get(&Author::Party(Clone::clone(party)));
        member.is_some_and(|member| member.suspended.is_none())
    };
    match audience {
        Audience::Parties if !kept.party.as_ref().is_some_and(is_in) => Err(Denied::NoParty),
        _ => Ok(()),
    }
}

/// The token that a request came with, believed.
pub(super) fn bearer(shared: &Shared, headers: &HeaderMap) -> Result<Option<Kept>, Denied> {
    match token(headers) {
        None => Ok(None),
        Some(None) => Err(Denied::Malformed),
        Some(Some(token)) => Ok(Some(shared.aggregator.tokens.believed(&token, now())?)),
    }
}

/// The token that a request came with, whether anybody believes it or not; nothing within where it is none.
pub(super) fn token(headers: &HeaderMap) -> Option<Option<Token>> {
    let value = headers.get(AUTHORIZATION)?;
    let text = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    Some(text.and_then(|text| text.parse().ok()))
}

/// Tokens go by this machine's clock, as they are its operator's.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
