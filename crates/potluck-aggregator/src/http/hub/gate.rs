//! Who may read a revision: the charter's word, as it is for those who come with a key.

use axum::http::{HeaderMap, StatusCode};
use potluck_core::charter::Audience;

use super::Trouble;
use crate::http::Shared;

/// Lets a caller read what is for `audience`. Over HTTP nobody shows a key, so that all are strangers but those who hold a
/// token.
///
/// # Errors
/// In the words of the Hub for a repository that one has to be let into.
pub(super) fn may_read(
    shared: &Shared,
    _headers: &HeaderMap,
    audience: Audience,
) -> Result<(), Trouble> {
    if audience == Audience::Anyone {
        return Ok(());
    }
    let standing = shared.aggregator.standing();
    let name = standing.federation.charter().name();
    let sentence =
        format!("the charter of {name} lets only its parties and its operator read this");
    Err(Trouble::new(StatusCode::UNAUTHORIZED, Some("GatedRepo"), sentence))
}
