//! Signing a statement in the shape that its kind has: a submission as a bundle, everything else plainly.

use potluck_core::keys::Signer;
use potluck_core::{Envelope, Federation, Kind, Statement};

use crate::certificate::{IssueError, ShortLived};

/// Signs `statement` with its author's key, at `now` in seconds since 1970.
///
/// # Errors
/// [`IssueError`] where the key, or the short-lived one beside it, is not used.
pub fn seal(
    federation: &Federation,
    statement: &Statement,
    key: &dyn Signer,
    now: u64,
) -> Result<Envelope, IssueError> {
    let kind = statement.body.kind();
    let signed = if kind == Kind::Submit {
        let leaf = ShortLived::issue(key, &statement.author.to_string(), now)?;
        Envelope::sign_submission(federation.id(), statement, key, &leaf)
    } else {
        Envelope::sign(federation.domain(kind), statement.to_payload(), key)
    };
    signed.map_err(IssueError::Signer)
}
