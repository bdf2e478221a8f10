//! What is audited: an aggregator, or a folder with a copy of its log.

use std::path::Path;

use super::Args;
use crate::failure::Failure;
use crate::folder::{OPERATOR_FILE, PARTY_FILE, verifier_key};
use crate::ledger::{Memory, Mirror};
use crate::place::{Door, Reader};

/// Where the ledger comes from.
pub(super) enum Target {
    /// From an aggregator.
    Online(Door),
    /// From a folder; no network is touched.
    Folder(Mirror, Door),
}

impl Target {
    /// What the arguments mean.
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let place = args.place.as_deref();
        let folder = place.map(Path::new).filter(|path| path.is_dir());
        let is_members =
            |path: &&Path| [PARTY_FILE, OPERATOR_FILE].iter().any(|file| path.join(file).exists());
        match folder.filter(|path| !is_members(path)) {
            Some(mirror) => Self::folder(args, mirror),
            None if args.offline => {
                Err(Failure::input("--offline audits a mirror's folder, and no other is named")
                    .hint(
                        "`potluck mirror --out DIR` makes one; then `potluck audit DIR --offline`",
                    ))
            }
            None => Self::online(args, place, folder),
        }
    }

    fn online(args: &Args, place: Option<&str>, folder: Option<&Path>) -> Result<Self, Failure> {
        let Reader { dir, address, log_key } = &args.reader;
        let address = address.clone().or(place.filter(|_| folder.is_none()).map(str::to_owned));
        let dir = dir.clone().or(folder.map(Path::to_owned));
        let reader = Reader { dir, address, log_key: log_key.clone() };
        let mut door = reader.door()?;
        door.memory = door.memory.or(kept(args));
        Ok(Self::Online(door))
    }

    /// A mirror is judged by a key from elsewhere: its own would vouch for itself.
    fn folder(args: &Args, folder: &Path) -> Result<Self, Failure> {
        let log = match (&args.reader.log_key, &args.reader.dir) {
            (Some(text), _) => {
                verifier_key(text).map_err(|error| Failure::input(format!("--log-key: {error}")))?
            }
            (None, Some(dir)) => crate::folder::Folder::open(dir)?.log_key().clone(),
            (None, None) => {
                return Err(Failure::input("a mirror is judged by a log key from elsewhere")
                    .hint("--log-key takes it, as the operator gave it out; or --dir names a member's folder"));
            }
        };
        let mirror = Mirror::open(folder)?;
        // Nobody is connected to.
        let stranger = Door::stranger(String::new(), log, crate::folder::random_key()?);
        Ok(Self::Folder(mirror, Door { memory: kept(args), ..stranger }))
    }
}

/// A stranger's memory stands in the folder that the audit keeps.
fn kept(args: &Args) -> Option<Memory> {
    args.out.as_ref().map(|out| Memory::at(out.join("state")))
}
