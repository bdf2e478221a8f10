//! The base as one more input: it has to have exactly the experts' tensors.

use potluck_core::PartyId;

use super::MethodError;
use crate::checkpoint::Checkpoint;

/// Compares the base with one expert, which the others are compared with later: names and shapes, and dtypes unless
/// the soup's is given.
pub(super) fn compare(
    base: &Checkpoint,
    (party, expert): (&PartyId, &Checkpoint),
    may_convert: bool,
) -> Result<(), MethodError> {
    let (mut ours, mut theirs) = (base.tensors(), expert.tensors());
    let party = || party.clone();
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) if a.name == b.name => {
                let tensor = || a.name.clone();
                let is_convertible = may_convert && a.dtype.is_float() && b.dtype.is_float();
                if a.shape != b.shape {
                    return Err(MethodError::BaseShape { party: party(), tensor: tensor() });
                }
                if a.dtype != b.dtype && !is_convertible {
                    let (base, expert) = (a.dtype, b.dtype);
                    let (party, tensor) = (party(), tensor());
                    return Err(MethodError::BaseDtype { party, tensor, base, expert });
                }
            }
            (Some(a), b) if b.is_none_or(|b| a.name < b.name) => {
                return Err(MethodError::ExpertLacks { party: party(), tensor: a.name.clone() });
            }
            (_, b) => {
                let tensor = b.map(|b| b.name.clone()).unwrap_or_default();
                return Err(MethodError::BaseLacks { party: party(), tensor });
            }
        }
    }
}
