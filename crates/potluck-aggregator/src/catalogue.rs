//! Which bytes the ledger speaks of, and under which of the charter's words they are read.
//!
//! Derived from the same entries as the federation, and kept beside it because the federation holds only the
//! experts in force, while a round may mix, and an auditor may ask for, one that was replaced since. Bytes
//! that no entry speaks of are not served, whoever asks.

use std::collections::{HashMap, HashSet};

use potluck_core::charter::{Access, Audience};
use potluck_core::federation::Effect;
use potluck_core::{Blake3, Federation, FileEntry, Manifest, PartyId};

/// What the ledger says of one blob. One blob may be several things.
#[derive(Debug, Clone, Copy, Default)]
struct Mention {
    /// A file of the base, or an expert, in force or not.
    input: bool,
    /// A published soup.
    soup: bool,
    size: u64,
}

/// A blob that the ledger speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Whether the charter lets anybody read it.
    pub audience: Audience,
    /// Its length in bytes.
    pub size: u64,
}

/// All blobs and manifests that the ledger speaks of. Memory: some hundred bytes a file.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    blobs: HashMap<Blake3, Mention>,
    experts: HashMap<Blake3, FileEntry>,
    /// The weights of each party's expert in force.
    in_force: HashMap<PartyId, FileEntry>,
    /// Weights that another expert of their party replaced, and the log's time when it last did.
    replaced: HashMap<Blake3, (FileEntry, u64)>,
}

impl Catalogue {
    /// The catalogue of a federation that was just founded.
    pub fn of(federation: &Federation) -> Self {
        let mut catalogue = Self::default();
        catalogue.mention_inputs(federation.base());
        catalogue
    }

    /// Whether [`Self::take_in`] would change anything.
    pub fn is_touched_by(effects: &[Effect]) -> bool {
        let touches = |it: &Effect| {
            matches!(
                it,
                Effect::Submitted(_)
                    | Effect::Published(_)
                    | Effect::Withdrawn(_)
                    | Effect::Amended(_)
            )
        };
        effects.iter().any(touches)
    }

    /// Takes in what an entry brought about in `federation`.
    pub fn take_in(&mut self, federation: &Federation, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Submitted(party) => {
                    let manifest = &federation.experts()[party].manifest;
                    self.mention_inputs(manifest);
                    if let Some(weights) = manifest.expert() {
                        self.experts.insert(manifest.digest(), weights.clone());
                        let before = self.in_force.insert(party.clone(), weights.clone());
                        if let Some(before) = before.filter(|it| it.blake3 != weights.blake3) {
                            self.replaced.insert(before.blake3, (before, federation.time()));
                        }
                    }
                }
                Effect::Published(_) => {
                    if let Some(soup) =
                        federation.rounds().last().and_then(|round| round.soup.as_ref())
                    {
                        self.mention(&soup.file).soup = true;
                    }
                }
                Effect::Withdrawn(_) | Effect::Amended(_) => self.retire_the_gone(federation),
                Effect::Admitted(_)
                | Effect::Invited(_)
                | Effect::Suspended(_)
                | Effect::Reinstated(_)
                | Effect::KeyChanged(..)
                | Effect::KeyRevoked(..)
                | Effect::Vouched(_)
                | Effect::Opened(_)
                | Effect::Committed(_)
                | Effect::Revealed(_)
                | Effect::Voided(_)
                | Effect::Waiting
                | Effect::Nominated(_)
                | Effect::Scored(_)
                | Effect::Stood(..)
                | Effect::Proposed(_)
                | Effect::Endorsed(_)
                | Effect::Agreed(_) => {}
            }
        }
    }

    /// Experts that were taken back, or whose party has no seat any more, are in force no longer.
    fn retire_the_gone(&mut self, federation: &Federation) {
        let is_gone = |party: &PartyId| !federation.experts().contains_key(party);
        let gone: Vec<_> = self.in_force.extract_if(|party, _| is_gone(party)).collect();
        for (_, weights) in gone {
            // Two parties may have handed in the same weights.
            if !self.in_force.values().any(|it| it.blake3 == weights.blake3) {
                self.replaced.insert(weights.blake3, (weights, federation.time()));
            }
        }
    }

    /// Who may read a blob, if the ledger speaks of it.
    pub fn listed(&self, blob: Blake3, access: &Access) -> Option<Listed> {
        let mention = self.blobs.get(&blob)?;
        let input = mention.input.then_some(access.experts);
        let soup = mention.soup.then_some(access.soups);
        let audience = input.max(soup).unwrap_or(Audience::Parties);
        Some(Listed { audience, size: mention.size })
    }

    /// The weights of the expert whose manifest has this digest, if the ledger ever held it.
    pub fn expert(&self, manifest: Blake3) -> Option<&FileEntry> {
        self.experts.get(&manifest)
    }

    /// The weights of experts that were replaced before a time of the log's, and on which nothing rests: they are
    /// in force for nobody, no round took them up, and they are neither the base nor a soup. Audits and mirrors ask
    /// for none of them.
    pub fn unneeded(&self, federation: &Federation, before: u64) -> Vec<FileEntry> {
        let taken_up = federation.rounds().iter().flat_map(|round| round.experts.values());
        let taken_up = taken_up.filter_map(|manifest| self.expert(*manifest));
        let in_force = federation.experts().values().flat_map(|expert| expert.manifest.files());
        let needed = in_force.chain(federation.base().files()).chain(taken_up);
        let needed: HashSet<Blake3> = needed.map(|file| file.blake3).collect();
        let is_soup = |blob| self.blobs.get(blob).is_none_or(|mention| mention.soup);
        let replaced = self.replaced.iter().filter(|(blob, (_, since))| {
            *since < before && !needed.contains(*blob) && !is_soup(blob)
        });
        replaced.map(|(_, (file, _))| file.clone()).collect()
    }

    /// The weights of every expert that the ledger ever held.
    pub fn experts(&self) -> impl Iterator<Item = &FileEntry> {
        self.experts.values()
    }

    fn mention_inputs(&mut self, manifest: &Manifest) {
        for file in manifest.files() {
            self.mention(file).input = true;
        }
    }

    fn mention(&mut self, file: &FileEntry) -> &mut Mention {
        self.blobs.entry(file.blake3).or_insert(Mention { size: file.size, ..Mention::default() })
    }
}
