//! Where a ledger comes from: an aggregator, or a folder with a copy of its log.

use std::path::Path;

use crate::failure::Failure;
use crate::folder::{Folder, OPERATOR_FILE, PARTY_FILE, random_key, verifier_key};
use crate::ledger::{Ledger, Memory, Mirror, Visit};
use crate::place::{Door, Reader};

/// Where the ledger comes from.
pub(super) enum Target {
    /// From an aggregator.
    Online(Door),
    /// From a folder; no network is touched.
    Folder(Mirror, Door),
}

impl Target {
    /// What the arguments mean: `place` is an address, a member's folder or a mirror. A stranger's `memory` is used where the
    /// reader has none of its own.
    pub(super) fn of(
        place: Option<&str>,
        reader: &Reader,
        is_offline: bool,
        memory: Option<Memory>,
    ) -> Result<Self, Failure> {
        let folder = place.map(Path::new).filter(|path| path.is_dir());
        let is_members =
            |path: &&Path| [PARTY_FILE, OPERATOR_FILE].iter().any(|file| path.join(file).exists());
        match folder.filter(|path| !is_members(path)) {
            Some(mirror) => Self::folder(reader, mirror, memory),
            None if is_offline => {
                Err(Failure::input("--offline audits a mirror's folder, and no other is named")
                    .hint(
                        "`potluck mirror --out DIR` makes one; then `potluck audit DIR --offline`",
                    ))
            }
            None => Self::online(reader, place, folder, memory),
        }
    }

    /// Verifies the ledger from its genesis on, and has each entry looked at.
    pub(super) async fn read_whole(&self, visit: Visit<'_>) -> Result<Ledger, Failure> {
        match self {
            Self::Online(door) => {
                let client = door.connect().await?;
                let memory = door.memory.as_ref();
                let ledger = Ledger::read_whole(&client, &door.log, memory, visit).await;
                client.close().await;
                ledger
            }
            Self::Folder(mirror, door) => {
                Ledger::read_whole(mirror, &door.log, door.memory.as_ref(), visit).await
            }
        }
    }

    fn online(
        reader: &Reader,
        place: Option<&str>,
        folder: Option<&Path>,
        memory: Option<Memory>,
    ) -> Result<Self, Failure> {
        let Reader { dir, address, log_key } = reader;
        let address = address.clone().or(place.filter(|_| folder.is_none()).map(str::to_owned));
        let dir = dir.clone().or(folder.map(Path::to_owned));
        let reader = Reader { dir, address, log_key: log_key.clone() };
        let mut door = reader.door()?;
        door.memory = door.memory.or(memory);
        Ok(Self::Online(door))
    }

    /// A mirror is judged by a key from elsewhere: its own would vouch for itself.
    fn folder(reader: &Reader, folder: &Path, memory: Option<Memory>) -> Result<Self, Failure> {
        let log = match (&reader.log_key, &reader.dir) {
            (Some(text), _) => {
                verifier_key(text).map_err(|error| Failure::input(format!("--log-key: {error}")))?
            }
            (None, Some(dir)) => Folder::open(dir)?.log_key().clone(),
            (None, None) => {
                return Err(Failure::input("a mirror is judged by a log key from elsewhere")
                    .hint("--log-key takes it, as the operator gave it out; or --dir names a member's folder"));
            }
        };
        let mirror = Mirror::open(folder)?;
        // Nobody is connected to.
        let stranger = Door::stranger(String::new(), log, random_key()?);
        Ok(Self::Folder(mirror, Door { memory, ..stranger }))
    }
}
