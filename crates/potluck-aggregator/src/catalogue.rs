//! Which bytes the ledger speaks of, and under which of the charter's words they are read.
//!
//! Derived from the same entries as the federation, and kept beside it because the federation holds only the
//! experts in force, while a round may mix, and an auditor may ask for, one that was replaced since. Bytes
//! that no entry speaks of are not served, whoever asks.

use std::collections::HashMap;

use potluck_core::charter::{Access, Audience};
use potluck_core::federation::Effect;
use potluck_core::{Blake3, Federation, FileEntry, Manifest};

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
        effects.iter().any(|it| matches!(it, Effect::Submitted(_) | Effect::Published(_)))
    }

    /// Takes in what an entry brought about in `federation`.
    pub fn take_in(&mut self, federation: &Federation, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Submitted(party) => {
                    let manifest = &federation.experts()[party].manifest;
                    self.mention_inputs(manifest);
                    if let Some(weights) = manifest.weights() {
                        self.experts.insert(manifest.digest(), weights.clone());
                    }
                }
                Effect::Published(_) => {
                    if let Some(soup) =
                        federation.rounds().last().and_then(|round| round.soup.as_ref())
                    {
                        self.mention(&soup.file).soup = true;
                    }
                }
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
                | Effect::Agreed(_) => {}
            }
        }
    }

    /// Who may read a blob, if the ledger speaks of it.
    pub fn listed(&self, blob: Blake3, access: &Access) -> Option<Listed> {
        let mention = self.blobs.get(&blob)?;
        let open = |named: bool, audience: Audience| named && audience == Audience::Anyone;
        let anyone = open(mention.input, access.experts) || open(mention.soup, access.soups);
        let audience = if anyone { Audience::Anyone } else { Audience::Parties };
        Some(Listed { audience, size: mention.size })
    }

    /// The weights of the expert whose manifest has this digest, if the ledger ever held it.
    pub fn expert(&self, manifest: Blake3) -> Option<&FileEntry> {
        self.experts.get(&manifest)
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
