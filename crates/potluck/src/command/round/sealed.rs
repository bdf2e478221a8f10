//! A sealed proposal, kept until it is shown: `rounds/<federation>-<round>.json` of the party's folder, its owner's alone.
//!
//! It is written before the commitment is said: a kill between leaves a proposal that nobody is bound to, which the
//! next command replaces.

use std::fs;
use std::path::PathBuf;

use potluck_core::entry::commitment;
use potluck_core::{Blake3, FederationId, Lambda, PartyId};
use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::{Folder, random_seed};

/// What is kept of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    /// What the party proposes.
    pub(super) lambda: Lambda,
    /// What hides it.
    pub(super) nonce: Blake3,
}

/// Where the proposal of one round is kept.
pub(super) struct Drawer {
    path: PathBuf,
    federation: FederationId,
    round: u64,
    party: PartyId,
}

impl Drawer {
    /// That of a party's folder.
    pub(super) fn of(
        folder: &Folder,
        federation: FederationId,
        round: u64,
        party: &PartyId,
    ) -> Self {
        let name = format!("{}-{round}.json", federation.short());
        Self { path: folder.rounds().join(name), federation, round, party: party.clone() }
    }

    /// What is in it.
    pub(super) fn read(&self) -> Result<Option<Sealed>, Failure> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::system(format!(
                    "cannot read {}: {error}",
                    self.path.display()
                )));
            }
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Failure::input(format!("{} is no sealed proposal: {error}", self.path.display()))
        })
    }

    /// Seals a proposal with a new nonce, and keeps it.
    pub(super) fn seal(&self, lambda: &Lambda) -> Result<Sealed, Failure> {
        let sealed = Sealed { lambda: lambda.clone(), nonce: Blake3::from_bytes(random_seed()?) };
        let text = serde_json::to_vec(&sealed).map_err(Failure::system)?;
        durable::write(&self.path, &text, Readers::Owner).map_err(|error| {
            Failure::system(format!("cannot keep the proposal {}: {error}", self.path.display()))
        })?;
        Ok(sealed)
    }

    /// The commitment to what is sealed.
    pub(super) fn commitment(&self, sealed: &Sealed) -> Blake3 {
        commitment(self.federation, self.round, &self.party, &sealed.nonce, &sealed.lambda)
    }

    /// Where it is, to be told.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }
}
