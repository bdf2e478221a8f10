//! The log's own key, and who may put another in its place.
//!
//! ```text
//!  genesis names the first ─▶ in force ─ rotate_key: the operator signs, the old key hands over ─▶ another in force
//! ```
//!
//! The key in force after n entries signs the checkpoint over them. Whoever pinned an earlier one learns of the
//! later from the entries themselves; whoever holds only an earlier one signs nothing that a replay believes. A log
//! whose key is lost has ended: nobody could sign the entry that names another.

use serde::{Deserialize, Serialize};

use super::Effect;
use super::Federation;
use crate::admission::{Code, Refusal};
use crate::entry::{Author, Role, RotateKey, handover_text};
use crate::keys::PublicKey;

/// A key that took the place of the log's before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    /// The entry by which it came into force.
    pub since: u64,
    /// The key.
    pub key: PublicKey,
}

impl Federation {
    /// The key that signs the log's checkpoints now.
    pub fn log(&self) -> &PublicKey {
        self.log_successors.last().map_or(&self.log, |last| &last.key)
    }

    /// Every key that ever signed the log's checkpoints, in their order: the one that the genesis names first.
    pub fn log_keys(&self) -> impl DoubleEndedIterator<Item = LogKey> {
        let first = LogKey { since: 0, key: self.log };
        std::iter::once(first).chain(self.log_successors.iter().copied())
    }

    /// Whether this key is, or was, the log's.
    pub(super) fn is_of_log(&self, key: &PublicKey) -> bool {
        self.log_keys().any(|it| it.key == *key)
    }

    /// That the operator speaks, and the key in force hands over to the new one.
    pub(super) fn check_handover(
        &self,
        author: &Author,
        rotate: &RotateKey,
    ) -> Result<(), Refusal> {
        if *author != Author::Operator {
            let sentence = format!("{author} has no log, so no log key");
            return Err(Refusal::new(Code::NotPermitted, sentence));
        }
        let text = handover_text(self.id, self.log(), &rotate.key);
        let signed = rotate.handover.as_ref().map(|handover| handover.as_bytes());
        if signed.is_some_and(|it| self.log().verify(text.as_bytes(), it).is_ok()) {
            return Ok(());
        }
        let sentence = format!(
            "the log's key in force, {}, does not hand over to {}",
            self.log().id().short(),
            rotate.key.id().short()
        );
        Err(Refusal::new(Code::KeyRefused, sentence))
    }

    pub(super) fn succeed(&mut self, since: u64, key: PublicKey) -> Vec<Effect> {
        self.log_successors.push(LogKey { since, key });
        vec![Effect::KeyChanged(Author::Operator, Role::Log)]
    }
}
