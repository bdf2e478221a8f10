//! What an audit writes down while the entries go by: what the state no longer says when they are through.
//!
//! It grows with what the state holds, not with the entries: experts that no round took up are forgotten when their
//! party hands in another.

use std::collections::BTreeMap;

use potluck_core::federation::Effect;
use potluck_core::{Author, Blake3, Federation, FileEntry, PartyId};
use potluck_interchange::verify_interchange;

use crate::failure::in_full;
use crate::ledger::Line;

/// An expert that was submitted.
#[derive(Debug, Clone)]
pub(in crate::command) struct Submitted {
    /// Whose it is.
    pub(in crate::command) party: PartyId,
    /// Where it was submitted.
    pub(in crate::command) index: u64,
    /// Its weights.
    pub(in crate::command) weights: FileEntry,
}

/// What became of the halves of the bundles that are for other tools, which no rule of the federation asks about.
#[derive(Debug, Default)]
pub(in crate::command) struct Bundles {
    /// How many were verified.
    pub(in crate::command) verified: u64,
    /// The first that other tools would refuse, in words.
    pub(in crate::command) refused: Option<String>,
}

/// Experts by party and the digest of their manifests, and what else is told of the entries.
#[derive(Debug, Default)]
pub(in crate::command) struct Book {
    experts: BTreeMap<(PartyId, Blake3), Submitted>,
    in_force: BTreeMap<PartyId, (Blake3, Submitted)>,
    bundles: Bundles,
    count: u64,
    first_time: Option<u64>,
}

impl Book {
    /// Begins where a snapshot ends. Experts that were replaced before are not in it.
    pub(in crate::command) fn begin(&mut self, federation: &Federation) {
        for party in federation.experts().keys() {
            self.submitted(federation, party);
        }
        for round in federation.rounds() {
            for (party, manifest) in &round.experts {
                self.keep(party, manifest);
            }
        }
    }

    /// Takes an entry down.
    pub(in crate::command) fn note(&mut self, line: &Line<'_>) {
        self.count += 1;
        self.first_time.get_or_insert(line.record.time);
        for effect in line.effects {
            match effect {
                Effect::Submitted(party) => {
                    self.bundled(line, party);
                    self.submitted(line.federation, party);
                }
                Effect::Opened(_) => {
                    let round = line.federation.rounds().last();
                    let experts = round.map(|round| round.experts.iter()).into_iter().flatten();
                    experts.for_each(|(party, manifest)| self.keep(party, manifest));
                }
                _ => {}
            }
        }
    }

    /// Verifies the bundle as its readers' tools do, at the time that the log stated.
    fn bundled(&mut self, line: &Line<'_>, party: &PartyId) {
        let author = Author::Party(party.clone());
        let key = line.federation.members().get(&author).and_then(|member| member.sign);
        let verified = match key {
            Some(key) => verify_interchange(line.entry.envelope(), &key, line.record.time)
                .map_err(|error| in_full(&error)),
            // A submission is signed by its author's key and changes none.
            None => Err("its author has no key to sign with".to_owned()),
        };
        match verified {
            Ok(()) => self.bundles.verified += 1,
            Err(why) => {
                let index = line.index;
                let said = || format!("entry {index}, the expert of {party}: {why}");
                self.bundles.refused.get_or_insert_with(said);
            }
        }
    }

    fn submitted(&mut self, federation: &Federation, party: &PartyId) {
        let Some(expert) = federation.experts().get(party) else { return };
        let Some(weights) = expert.manifest.expert() else { return };
        let (party, index, weights) = (party.clone(), expert.index, weights.clone());
        let submitted = Submitted { party: party.clone(), index, weights };
        self.in_force.insert(party, (expert.manifest.digest(), submitted));
    }

    /// A round took up what is in force.
    fn keep(&mut self, party: &PartyId, manifest: &Blake3) {
        let Some((digest, submitted)) = self.in_force.get(party) else { return };
        if digest == manifest {
            self.experts.insert((party.clone(), *digest), submitted.clone());
        }
    }

    /// A party's expert by the digest of its manifest, if a round took it up.
    pub(in crate::command) fn expert(
        &self,
        party: &PartyId,
        manifest: &Blake3,
    ) -> Option<&Submitted> {
        self.experts.get(&(party.clone(), *manifest))
    }

    /// The experts that are in force and that no round took up yet.
    pub(in crate::command) fn waiting(&self) -> impl Iterator<Item = &Submitted> {
        let waiting = self.in_force.iter().filter(|(party, (manifest, _))| {
            !self.experts.contains_key(&((*party).clone(), *manifest))
        });
        waiting.map(|(_, (_, submitted))| submitted)
    }

    /// All that a round took up, and all that are in force.
    pub(in crate::command) fn all(&self) -> impl Iterator<Item = &Submitted> {
        self.experts.values().chain(self.waiting())
    }

    /// The halves of the bundles that are for other tools.
    pub(in crate::command) fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// How many entries went by.
    pub(in crate::command) fn count(&self) -> u64 {
        self.count
    }

    /// The log's time at the first of them.
    pub(in crate::command) fn first_time(&self) -> Option<u64> {
        self.first_time
    }
}
