//! What may be written, and the proof that it was.
//!
//! A [`Warrant`] can only be had from the step that did what the kind of the entry demands beyond the
//! federation's own rules, which the ledger's writer asks once more.

use potluck_core::entry::Body;
use potluck_core::federation::Authentic;
use potluck_core::{Code, Refusal};
use potluck_wire::Receipt;

use super::admit::Admitted;
use crate::round::publish::Compared;

/// Evidence that an entry may be appended, as soon as the federation takes it.
pub enum Warrant {
    /// It brings no content.
    Plain(Plain),
    /// Its expert was received and inspected.
    Expert(Admitted),
    /// Its soup is what was blended here.
    Soup(Compared),
}

impl Warrant {
    /// What was said.
    pub(crate) fn into_authentic(self) -> Authentic {
        match self {
            Self::Plain(Plain(authentic)) => authentic,
            Self::Expert(admitted) => admitted.into_authentic(),
            Self::Soup(compared) => compared.into_authentic(),
        }
    }
}

/// Evidence that an authentic statement is of a kind that brings no content.
#[derive(Debug)]
pub struct Plain(Authentic);

impl Plain {
    /// Lets the kinds through that the federation's rules alone decide.
    ///
    /// # Errors
    /// `protocol-error` for an expert, which is submitted; `not-permitted` for a second genesis, and for a
    /// soup, which is compared first.
    pub fn new(authentic: Authentic) -> Result<Self, Refusal> {
        match &authentic.statement().body {
            Body::Admit(_)
            | Body::Invite(_)
            | Body::Join(_)
            | Body::Suspend(_)
            | Body::Reinstate(_)
            | Body::RotateKey(_)
            | Body::RevokeKey(_)
            | Body::RecoverKey(_)
            | Body::OpenRound(_)
            | Body::Commit(_)
            | Body::Reveal(_)
            | Body::CloseRound(_)
            | Body::Nominate(_)
            | Body::CommitScores(_)
            | Body::RevealScores(_)
            | Body::Ratify(_)
            | Body::Withdraw(_)
            | Body::Amend(_)
            | Body::Endorse(_) => Ok(Self(authentic)),
            Body::Submit(_) => {
                let sentence = "an expert is handed in by submit, with its content, not by append";
                Err(Refusal::new(Code::ProtocolError, sentence))
            }
            Body::Genesis(_) | Body::Publish(_) => {
                let kind = authentic.statement().body.kind().as_str();
                Err(Refusal::new(Code::NotPermitted, format!("{kind} is no plain entry")))
            }
        }
    }
}

/// Evidence that an entry is durable and under a signed checkpoint.
#[derive(Debug)]
pub struct Recorded(Receipt);

impl Recorded {
    /// Only the ledger makes one.
    pub(crate) fn new(receipt: Receipt) -> Self {
        Self(receipt)
    }

    /// Where the entry stands.
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// What the author keeps.
    pub fn into_receipt(self) -> Receipt {
        self.0
    }
}
