//! From what a trainer left to one file in the base's form: an adapter merged, shards joined, formats and names as the base
//! has them; or the file as it is, where nothing is to be done.
//!
//! ```text
//! PREPARED/<digest of what went in>/model.safetensors     whole, or not there
//! PREPARED/seen-N.json                                    digests of what went in, while the files stay what they were
//! PREPARED/lock                                           held by every push that reads there
//! ```
//!
//! The digest is of the base and of every file that was given, so that a push that goes on finds what an earlier one made.
//! The latest is kept, and made room for before the next is written. Nothing is asked of the ledger here but what its base is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, FileEntry, PartyId};
use potluck_soup::adapter::{self, Adapter, AdapterError, Wanted};
use potluck_soup::blend::{Making, Shape, Soup};
use potluck_soup::checkpoint::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, Kind as Found};
use potluck_soup::conform::{Changes, ConformError, conform, is_in_form};
use potluck_soup::{Checkpoint, Durability};
use serde_json::{Value, json};

use super::base::{Candidates, Said, missing};
use super::memo::Memo;
use super::{given, outbox};
use crate::command::mix::{adapter_failure, blend_failure};
use crate::command::{busy, threads};
use crate::failure::{Failure, Kind, in_full};
use crate::folder::Folder;
use crate::output::Output;
use crate::progress::Progress;

/// Stands at the head of what is digested; another number where the same input would make other bytes.
const RULES: &str = "potluck-prepared/1";

/// All of an adapter, in parts per million.
const WHOLE: i64 = 1_000_000;

/// Weights that can be pushed.
pub(super) struct Ready {
    /// Where they lie.
    pub(super) weights: PathBuf,
    /// How they came about, where they are not what was given.
    pub(super) made: Option<Made>,
}

/// Weights that were made of what was given.
pub(super) struct Made {
    from: PathBuf,
    kind: Found,
    /// Into which it was brought; nothing where an adapter was left one.
    base: Option<PathBuf>,
    path: PathBuf,
    changes: Changes,
    was_there: bool,
    /// Keeps another push from making room meanwhile.
    _lock: File,
}

/// What stands in the way of work: nothing, or the base and where to work.
pub(super) enum Task {
    /// The file is pushed as it is.
    AsItIs(PathBuf),
    /// It is to be made, once it is known which the base is.
    Make(Checkpoint, Candidates),
}

impl Task {
    /// Looks at what was given, and whether it is in the base's form already, as far as headers tell.
    pub(super) fn of(path: &Path, said: Option<&Said>, folder: &Folder) -> Result<Self, Failure> {
        let given = given::open(path)?;
        let candidates = Candidates::open(said, folder)?;
        let is_one = given.kind() != Found::Adapter && given.sources().len() == 1;
        if is_one && candidates.iter().any(|base| is_in_form(base, &given)) {
            return Ok(Self::AsItIs(given.sources()[0].path().to_owned()));
        }
        let is_here = candidates.iter().next().is_some();
        match (is_here, is_one) {
            // Whether it needs the base at all the charter says.
            _ if given.kind() == Found::Adapter => Ok(Self::Make(given, candidates)),
            (true, _) => Ok(Self::Make(given, candidates)),
            // Whether it is like the base the aggregator will find.
            (false, true) => Ok(Self::AsItIs(given.sources()[0].path().to_owned())),
            (false, false) => Err(missing(what(given.kind()), folder)),
        }
    }
}

/// What is made where, for whom.
pub(super) struct Kitchen<'a> {
    /// The party's folder.
    pub(super) folder: &'a Folder,
    /// Whose expert it is to be.
    pub(super) party: &'a PartyId,
    /// Where what was made is kept.
    pub(super) place: PathBuf,
    pub(super) output: &'a Output,
}

impl Kitchen<'_> {
    /// Makes the weights, or finds them made; `entry` is the federation's base.
    pub(super) fn make(
        &self,
        given: &Checkpoint,
        candidates: Candidates,
        entry: &FileEntry,
    ) -> Result<Ready, Failure> {
        let is_named = candidates.is_named();
        let is_one = given.kind() != Found::Adapter && given.sources().len() == 1;
        let Some(base) = candidates.of_length(entry)? else {
            if is_one && !is_named {
                let weights = given.sources()[0].path().to_owned();
                return Ok(Ready { weights, made: None });
            }
            return Err(missing(what(given.kind()), self.folder));
        };
        // Before anything is hashed: what cannot be made is refused at once.
        let (soup, changes) = plan(&base, given, self.party)?;
        fs::create_dir_all(&self.place).map_err(|error| self.failed(&self.place, &error))?;
        let (lock, is_alone) = self.lock()?;
        self.check_base(&base, entry)?;
        let key = self.key(given, &base, entry)?;
        let path = self.place.join(key.to_string()).join(WEIGHTS);
        let was_there = fs::metadata(&path).is_ok_and(|it| it.len() == soup.files()[0].length());
        if !was_there {
            if is_alone {
                self.make_room(&key);
            }
            self.write(&soup, &path)?;
        }
        let (from, base) = (given.path().to_owned(), Some(base.path().to_owned()));
        let (kind, weights) = (given.kind(), path.clone());
        let made = Made { from, kind, base, path, changes, was_there, _lock: lock };
        Ok(Ready { weights, made: Some(made) })
    }

    /// Brings an adapter into one file, as the ledger has it. The base is not needed; where it is at hand, an adapter of another
    /// one is refused before anything is sent. Where all parties draw their factors A from a seed, these are left out.
    pub(super) fn pack(
        &self,
        given: &Checkpoint,
        candidates: Candidates,
        entry: &FileEntry,
        shared_a: Option<u32>,
    ) -> Result<Ready, Failure> {
        let opened = Adapter::open(self.party, given).map_err(|error| adapter_failure(&error))?;
        let base = candidates.of_length(entry)?;
        if let Some(base) = &base {
            let wanted = Wanted { dtype: None, recipe: None, prefer: None };
            let merged = adapter::merge(base, &[(WHOLE, &opened)], Shape::One, &wanted);
            // An adapter of a tied embedding cannot be merged, but it can be mixed.
            match merged {
                Ok(_) | Err(AdapterError::Tied { .. }) => {}
                Err(error) => return Err(adapter_failure(&error)),
            }
        }
        let soup = match shared_a {
            None => adapter::expert(&opened).map_err(|error| adapter_failure(&error))?,
            Some(seed) => adapter::expert_sharing(&opened, seed.into()).map_err(|error| {
                adapter_failure(&error).hint(format!(
                    "the charter's seed is {seed}: `shared_a = {seed}` under [lora] in a recipe of potluck train"
                ))
            })?,
        };
        fs::create_dir_all(&self.place).map_err(|error| self.failed(&self.place, &error))?;
        let (lock, is_alone) = self.lock()?;
        let shared = shared_a.map_or(String::new(), |seed| format!(" sharing A of seed {seed}"));
        let mut text = format!("{RULES}\nadapter{shared}\n");
        let files = [given.sources()[0].path().to_owned(), given.path().join(ADAPTER_CONFIG)];
        for (number, file) in (1..).zip(&files) {
            let digest = self.digest(number, file, "looking at what was given")?;
            text += &format!("{digest}\n");
        }
        let key = Blake3::of(text.as_bytes());
        let path = self.place.join(key.to_string()).join(ADAPTER_WEIGHTS);
        let was_there = fs::metadata(&path).is_ok_and(|it| it.len() == soup.files()[0].length());
        if !was_there {
            if is_alone {
                self.make_room(&key);
            }
            self.write(&soup, &path)?;
        }
        let (from, weights) = (given.path().to_owned(), path.clone());
        let made = Made {
            from,
            kind: Found::Adapter,
            base: None,
            path,
            changes: Changes::default(),
            was_there,
            _lock: lock,
        };
        Ok(Ready { weights, made: Some(made) })
    }

    /// Held with others until the push is over; says whether nobody else held it.
    fn lock(&self) -> Result<(File, bool), Failure> {
        let path = self.place.join("lock");
        let lock = File::create(&path).map_err(|error| self.failed(&path, &error))?;
        let is_alone = lock.try_lock().is_ok();
        // Where the file system has no locks, two pushes at once may make a file twice, and no more.
        let _ = lock.lock_shared();
        Ok((lock, is_alone))
    }

    fn check_base(&self, base: &Checkpoint, entry: &FileEntry) -> Result<(), Failure> {
        let path = base.sources()[0].path();
        let found = self.digest(0, path, "checking the base")?;
        if found == entry.blake3 {
            return Ok(());
        }
        let message = format!("{} is not the federation's base", path.display());
        Err(Failure::input(message)
            .differs(entry.blake3, found)
            .hint("`potluck pull base` fetches it; --base says where it lies"))
    }

    /// What the digest of all that goes in is called.
    fn key(
        &self,
        given: &Checkpoint,
        base: &Checkpoint,
        entry: &FileEntry,
    ) -> Result<Blake3, Failure> {
        let mut files: Vec<_> = given.sources().iter().map(|it| it.path().to_owned()).collect();
        if given.kind() == Found::Adapter {
            files.push(given.path().join(ADAPTER_CONFIG));
        }
        // It says whether the base's embedding is its output layer too.
        let config = base.path().join("config.json");
        files.extend(config.is_file().then_some(config));
        let mut text = format!("{RULES}\nbase {}\n", entry.blake3);
        for (number, file) in (1..).zip(&files) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let digest = self.digest(number, file, "looking at what was given")?;
            text += &format!("{digest} {name}\n");
        }
        Ok(Blake3::of(text.as_bytes()))
    }

    /// BLAKE3 of a file, as remembered where it did not change since.
    fn digest(&self, number: usize, path: &Path, step: &str) -> Result<Blake3, Failure> {
        let memo = Memo::at(self.place.join(format!("seen-{number}.json")));
        if let Some(known) = memo.recall(path) {
            return Ok(known.file.blake3);
        }
        let progress = Progress::begin(self.output, step);
        let mut at = |done, total| progress.at(done, total);
        // A downloaded file may be a link into a cache.
        let path = fs::canonicalize(path).map_err(|error| self.failed(path, &error))?;
        let hash = || outbox::hash(&path, &mut at).map(|known| known.without_tree());
        let known = busy(|| memo.keep(&path, hash));
        Ok(known.map_err(|error| Failure::input(in_full(&error)))?.file.blake3)
    }

    fn write(&self, soup: &Soup, path: &Path) -> Result<(), Failure> {
        let folder = path.parent().unwrap_or(&self.place);
        fs::create_dir_all(folder).map_err(|error| self.failed(folder, &error))?;
        let (file, progress) = (&soup.files()[0], Progress::begin(self.output, "preparing"));
        let making = Making { threads: threads(), blake3: false, sha256: false };
        let mut at = |done| progress.at(done, file.length());
        busy(|| file.write(path, making, Durability::Synced, &mut at))
            .map(drop)
            .map_err(|error| blend_failure(&error))
    }

    /// Removes what earlier pushes made of something else. What cannot be removed takes room, no more.
    fn make_room(&self, but: &Blake3) {
        let Ok(entries) = fs::read_dir(&self.place) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.parse::<Blake3>().is_ok_and(|key| key != *but) {
                let Ok(files) = fs::read_dir(entry.path()) else { continue };
                for file in files.flatten() {
                    let name = file.file_name().to_string_lossy().into_owned();
                    let is_part = name.starts_with('.') && name.ends_with(".part");
                    if name == WEIGHTS || name == ADAPTER_WEIGHTS || is_part {
                        let _ = fs::remove_file(file.path());
                    }
                }
                // What somebody else put there stays.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Failure {
        Failure::system(format!("{}: {error}", path.display()))
    }
}

/// The weights before their bytes exist. Headers and configurations are read, no weight is.
fn plan(
    base: &Checkpoint,
    given: &Checkpoint,
    party: &PartyId,
) -> Result<(Soup, Changes), Failure> {
    if given.kind() != Found::Adapter {
        let conformed = conform(base, given).map_err(|error| conform_failure(&error))?;
        return Ok((conformed.soup, conformed.changes));
    }
    let merged = || -> Result<Soup, AdapterError> {
        let adapter = Adapter::open(party, given)?;
        let wanted = Wanted { dtype: None, recipe: None, prefer: None };
        adapter::merge(base, &[(WHOLE, &adapter)], Shape::One, &wanted)
    };
    let soup = merged().map_err(|error| adapter_failure(&error))?;
    Ok((soup, Changes::default()))
}

fn conform_failure(error: &ConformError) -> Failure {
    let code = match error {
        ConformError::Quantised { .. } | ConformError::Base(_) => "bad-input",
        _ => "tensors-differ",
    };
    Failure::new(Kind::Input, code, in_full(error))
}

/// What is to be brought into the base's form, for people.
fn what(kind: Found) -> &'static str {
    match kind {
        Found::Adapter => "an adapter",
        Found::Folder | Found::File => "a checkpoint in shards",
    }
}

impl Made {
    /// Whether it is an adapter still.
    pub(super) fn is_adapter(&self) -> bool {
        self.kind == Found::Adapter && self.base.is_none()
    }

    /// Whether it is of an adapter, merged or not.
    pub(super) fn is_of_adapter(&self) -> bool {
        self.kind == Found::Adapter
    }

    /// Says what was done, in the order in which it matters.
    pub(super) fn say(&self, output: &Output) {
        let from = self.from.display();
        let base = self.base.as_ref().map(|base| base.display().to_string()).unwrap_or_default();
        let verb = if self.was_there { "was prepared before" } else { "is prepared" };
        match self.kind {
            Found::Adapter if self.base.is_none() => {
                output.line(format!("The adapter of {from}, in one file, {verb}."));
            }
            Found::Adapter => {
                output.line(format!("The adapter of {from}, merged into {base}, {verb}."));
            }
            _ => output.line(format!("{from}, in the form of {base}, {verb}.")),
        }
        for (found, base, count) in &self.changes.converted {
            output.line(format!(
                "{count} tensors: {} rounded to {}, to nearest, ties to even.",
                found.name(),
                base.name()
            ));
        }
        if self.changes.renamed > 0 {
            output.line(format!("{} tensors: named as in the base.", self.changes.renamed));
        }
        for tensor in &self.changes.tied {
            output.line(format!("{tensor}: left out, the embedding's copy."));
        }
        for tensor in &self.changes.filled {
            output.line(format!("{tensor}: as the base has it."));
        }
        output.line(format!("It lies in {}, and can be removed.", self.path.display()));
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let kind = match self.kind {
            Found::Adapter => "adapter",
            Found::Folder | Found::File => "weights",
        };
        let converted: Vec<_> = (self.changes.converted.iter())
            .map(|(found, base, count)| {
                json!({"from": found.name(), "to": base.name(), "tensors": count})
            })
            .collect();
        json!({
            "kind": kind, "from": self.from, "base": self.base, "path": self.path,
            "before": self.was_there, "converted": converted, "renamed": self.changes.renamed,
            "left_out": self.changes.tied, "filled": self.changes.filled,
        })
    }
}
