//! What is sealed, kept until it is shown: `rounds/` of the party's folder, its owner's alone.
//!
//! It is written before the commitment is said: a kill between leaves something that nobody is bound to, which the next
//! command replaces.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_core::entry::{Ballot, ballot_commitment, commitment};
use potluck_core::{Blake3, FederationId, Lambda, PartyId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::{Folder, random_seed};

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed<T> {
    /// What the party says.
    pub(super) said: T,
    /// What hides it.
    pub(super) nonce: Blake3,
}

/// What binds to something sealed.
type Bind<T> = Box<dyn Fn(&Sealed<T>) -> Blake3 + Send + Sync>;

/// Where one sealed thing is kept, and how it is bound.
pub(super) struct Drawer<T> {
    path: PathBuf,
    bind: Bind<T>,
}

impl Drawer<Lambda> {
    /// Of a party's proposal in a round.
    pub(super) fn proposal(
        folder: &Folder,
        federation: FederationId,
        round: u64,
        party: &PartyId,
    ) -> Self {
        let (name, party) = (format!("{}-{round}.json", federation.short()), party.clone());
        let bind =
            move |it: &Sealed<Lambda>| commitment(federation, round, &party, &it.nonce, &it.said);
        Self { path: folder.rounds().join(name), bind: Box::new(bind) }
    }
}

impl Drawer<Ballot> {
    /// Of a party's scores of a batch.
    pub(super) fn ballot(
        folder: &Folder,
        federation: FederationId,
        (round, batch): (u64, u32),
        party: &PartyId,
    ) -> Self {
        let (name, party) =
            (format!("{}-{round}-batch-{batch}.json", federation.short()), party.clone());
        let bind = move |it: &Sealed<Ballot>| {
            ballot_commitment(federation, (round, batch), &party, &it.nonce, &it.said)
        };
        Self { path: folder.rounds().join(name), bind: Box::new(bind) }
    }
}

impl<T: Serialize + DeserializeOwned> Drawer<T> {
    /// What is in it.
    pub(super) fn read(&self) -> Result<Option<Sealed<T>>, Failure> {
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
            Failure::input(format!("{} holds nothing sealed: {error}", self.path.display()))
        })
    }

    /// Seals with a new nonce, and keeps it.
    pub(super) fn seal(&self, said: T) -> Result<Sealed<T>, Failure> {
        let sealed = Sealed { said, nonce: Blake3::from_bytes(random_seed()?) };
        let text = serde_json::to_vec(&sealed).map_err(Failure::system)?;
        durable::write(&self.path, &text, Readers::Owner).map_err(|error| {
            Failure::system(format!("cannot keep {}: {error}", self.path.display()))
        })?;
        Ok(sealed)
    }

    /// The commitment to what is sealed.
    pub(super) fn commitment(&self, sealed: &Sealed<T>) -> Blake3 {
        (self.bind)(sealed)
    }

    /// Where it is, to be told.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
