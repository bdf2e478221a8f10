//! How a federation's folder comes to be: in a hidden folder beside its place, renamed when it is whole.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use potluck_core::entry::Genesis;
use potluck_core::envelope::Domain;
use potluck_core::federation::genesis_entry;
use potluck_core::{
    Author, Blake3, Body, Charter, Envelope, Federation, Kind, Manifest, PrivateKey, PublicKey,
    Statement, reserved,
};
use potluck_log::{NoteSigner, VerifierKey};
use potluck_soup::{inspect_base, manifest_of};

use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};
use crate::folder::{LOG_KEY, OPERATOR_FILE, OPERATOR_KEY, create_key, operator_text, random_seed};
use crate::ledger::origin_of;

/// The commented example, of which `new` writes a copy with its own address.
const AGGREGATOR_EXAMPLE: &str = include_str!("../../../../../configs/aggregator.toml");
/// The line of it that is replaced.
const EXAMPLE_LISTEN: &str = "listen = \"127.0.0.1:4433\"";

/// Refuses a folder that holds something.
pub(super) fn check_target(dir: &Path) -> Result<(), Failure> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                let message = format!("{} exists already and is not empty", dir.display());
                Err(Failure::input(message).hint("found the federation in a new folder"))
            }
        },
        Err(error) => Err(Failure::input(format!("cannot use {}: {error}", dir.display()))),
    }
}

/// Reads a charter; the error names file and key.
pub(in crate::command) fn read_charter(path: &Path) -> Result<Charter, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::input(format!("cannot read the charter {}: {error}", path.display()))
            .hint("configs/charter.toml is a commented example")
    })?;
    Charter::from_toml(&text)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// Refuses names by which a federation and its parties could not be spoken of.
pub(in crate::command) fn check_names(charter: &Charter, path: &Path) -> Result<(), Failure> {
    let parties = charter.parties().keys().map(reserved::party);
    let names = std::iter::once(reserved::federation(charter.name())).chain(parties);
    let wrong = |error: reserved::Reserved| {
        Failure::input(format!("{}: {error}", path.display())).hint("choose another name")
    };
    names.collect::<Result<(), _>>().map_err(wrong)
}

/// Lists and judges the base: its weights must be what experts can be compared with.
pub(super) fn read_base(
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Manifest, Failure> {
    let manifest =
        manifest_of(folder, progress).map_err(|error| Failure::input(in_full(&error)))?;
    let weights = folder.join(potluck_core::manifest::WEIGHTS);
    let file = File::open(&weights)
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", weights.display())))?;
    inspect_base(&file).map_err(|error| {
        Failure::input(format!("{} is no base: {}", weights.display(), in_full(&error)))
    })?;
    Ok(manifest)
}

/// A federation to be founded.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) charter: Charter,
    pub(super) base: Manifest,
    /// Where the base's files are.
    pub(super) source: &'a Path,
    pub(super) listen: SocketAddr,
    pub(super) address: &'a str,
}

/// A federation that was founded.
#[derive(Debug)]
pub(super) struct Founded {
    pub(super) federation: Federation,
    pub(super) operator: PublicKey,
    pub(super) log_key: VerifierKey,
}

impl Plan<'_> {
    /// Makes the folder, whole or not at all.
    pub(super) fn make(&self, dir: &Path) -> Result<Founded, Failure> {
        let failed =
            |error: io::Error| Failure::system(format!("cannot make {}: {error}", dir.display()));
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed)?;
        let draft =
            tempfile::Builder::new().prefix(".potluck-new-").tempdir_in(parent).map_err(failed)?;
        let founded = self.fill(draft.path())?;
        fs::rename(draft.path(), dir).map_err(failed)?;
        // Renamed: nothing is left to be cleaned up.
        let _: PathBuf = draft.keep();
        Ok(founded)
    }

    fn fill(&self, dir: &Path) -> Result<Founded, Failure> {
        let operator = create_key(&dir.join(OPERATOR_KEY), None)?;
        let log = create_key(&dir.join(LOG_KEY), None)?;
        let log_key = self.log_key(&log)?;
        let genesis = self.genesis(&operator, &log)?;
        // The check that everybody makes; a base without weights ends here.
        let entry =
            genesis_entry(&genesis, 0).map_err(|refusal| Failure::input(refusal.sentence))?;
        let federation =
            Federation::found(&entry).map_err(|refusal| Failure::input(refusal.sentence))?;
        self.copy_base(&dir.join("base"))?;
        write(&dir.join("genesis.json"), genesis.as_bytes())?;
        write(&dir.join("aggregator.toml"), self.aggregator_text().as_bytes())?;
        write(&dir.join(OPERATOR_FILE), operator_text(self.address, &log_key).as_bytes())?;
        Ok(Founded { federation, operator: operator.public(), log_key })
    }

    fn log_key(&self, log: &PrivateKey) -> Result<VerifierKey, Failure> {
        let origin = origin_of(self.charter.name()).parse().map_err(Failure::input)?;
        Ok(NoteSigner::new(origin, log.as_dalek().clone()).verifier_key().clone())
    }

    fn genesis(&self, operator: &PrivateKey, log: &PrivateKey) -> Result<Envelope, Failure> {
        let genesis = Genesis {
            charter: self.charter.clone(),
            operator: operator.public(),
            log: log.public(),
            base: self.base.clone(),
            nonce: Blake3::from_bytes(random_seed()?),
        };
        let body = Body::Genesis(Box::new(genesis));
        let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
        let domain = Domain { kind: Kind::Genesis, federation: None };
        Envelope::sign(domain, statement.to_payload(), operator).map_err(Failure::system)
    }

    /// Copies what the manifest lists. The aggregator compares the copy with it before it serves.
    fn copy_base(&self, target: &Path) -> Result<(), Failure> {
        for file in self.base.files() {
            let (from, to) = (self.source.join(&file.path), target.join(&file.path));
            to.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::copy(&from, &to))
                .and_then(|_| File::open(&to)?.sync_all())
                .map_err(|error| {
                    Failure::system(format!("cannot copy {}: {error}", from.display()))
                })?;
        }
        Ok(())
    }

    fn aggregator_text(&self) -> String {
        AGGREGATOR_EXAMPLE.replacen(EXAMPLE_LISTEN, &format!("listen = \"{}\"", self.listen), 1)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    durable::write(path, bytes, Readers::Anyone)
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_the_line_that_is_replaced() {
        assert_eq!(AGGREGATOR_EXAMPLE.matches(EXAMPLE_LISTEN).count(), 1);
    }

    #[test]
    fn the_example_charter_is_one() {
        let charter = Charter::from_toml(include_str!("../../../../../configs/charter.toml"));
        assert_eq!(charter.unwrap().parties().len(), 3);
    }
}
