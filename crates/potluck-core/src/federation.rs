//! The federation: a pure function of its ledger.
//!
//! [`Federation::found`] and [`Federation::apply`] are total, deterministic and do no I/O. The server calls
//! them before it appends; clients and auditors call the same on replay. An agreement is never asserted by
//! anybody: it follows here from the proposals.
//!
//! ```text
//! genesis ─▶ admit* ─▶ submit* ─▶ open_round ─▶ reveal* ─▶ (agreement) ─▶ publish ─▶ open_round …
//! ```
//!
//! An author's entries form a chain of their own (sequence and previous digest), so what was signed once can
//! be appended once.

mod agree;
mod authenticate;
mod check;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::agree::Agreement;
pub use self::authenticate::{Authentic, genesis_entry};
use crate::admission::{Code, Refusal};
use crate::charter::Charter;
use crate::entry::{Admit, Author, Body, Entry, Genesis, OpenRound, Publish, Reveal, Submission};
use crate::envelope::Domain;
use crate::ids::{Blake3, FederationId, KeyId, PartyId, Sha256};
use crate::keys::PublicKey;
use crate::lambda::Lambda;
use crate::manifest::{FileEntry, Manifest, WEIGHTS};
use crate::recipe::Recipe;

/// An author's place in its own chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The key that signs for the author.
    pub key: PublicKey,
    /// The sequence number of its next entry.
    pub next: u64,
    /// SHA-256 of its latest envelope.
    pub previous: Option<Sha256>,
}

/// An expert in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expert {
    /// Where it was submitted.
    pub index: u64,
    /// Its files.
    pub manifest: Manifest,
    /// The party's commitment to its reward.
    pub reward_commitment: Option<Blake3>,
}

/// One negotiation of λ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Counts from 1.
    pub number: u64,
    /// The manifest of each party's expert when the round was opened.
    pub experts: BTreeMap<PartyId, Blake3>,
    /// What the parties proposed.
    pub proposals: BTreeMap<PartyId, Lambda>,
    /// What follows, once every party of the round has proposed.
    pub agreement: Option<Agreement>,
    /// The soup, once it is published.
    pub soup: Option<Soup>,
}

/// A published soup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Soup {
    /// Where it was published.
    pub index: u64,
    /// What it is made of.
    pub recipe: Recipe,
    /// What came out.
    pub file: FileEntry,
}

/// What an entry brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A party is in.
    Admitted(PartyId),
    /// A party's expert is in.
    Submitted(PartyId),
    /// A round is open.
    Opened(u64),
    /// A party proposed.
    Revealed(PartyId),
    /// The last proposal was in: this follows.
    Agreed(Agreement),
    /// A soup is in force.
    Published(u64),
}

/// The state that a ledger amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Federation {
    id: FederationId,
    size: u64,
    charter: Charter,
    log: PublicKey,
    base: Manifest,
    #[serde(serialize_with = "as_pairs")]
    authors: BTreeMap<Author, Chain>,
    experts: BTreeMap<PartyId, Expert>,
    rounds: Vec<Round>,
}

/// JSON has no maps with keys that are not text.
fn as_pairs<S: serde::Serializer>(
    map: &BTreeMap<Author, Chain>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}

impl Federation {
    /// Founds the federation from its first entry.
    ///
    /// # Errors
    /// [`Refusal`] where the entry is no genesis, or is not signed by the operator that it names.
    pub fn found(entry: &Entry) -> Result<Self, Refusal> {
        let (id, genesis, authentic) = authenticate::genesis(entry.envelope())?;
        check_record(entry, &authentic)?;
        check_base(&genesis.base)?;
        let Genesis { charter, operator, log, base, nonce: _ } = genesis;
        let chain = Chain { key: operator, next: 1, previous: Some(entry.envelope().sha256()) };
        Ok(Self {
            id,
            size: 1,
            charter,
            log,
            base,
            authors: BTreeMap::from([(Author::Operator, chain)]),
            experts: BTreeMap::new(),
            rounds: Vec::new(),
        })
    }

    /// Applies the entry at `index`, or leaves everything as it was.
    ///
    /// # Errors
    /// [`Refusal`] with the first question that the entry failed.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Result<Vec<Effect>, Refusal> {
        if index != self.size {
            let sentence = format!("entry {index} came where entry {} is next", self.size);
            return Err(Refusal::new(Code::EntryMismatch, sentence));
        }
        let authentic = self.authenticate(entry.envelope())?;
        check_record(entry, &authentic)?;
        self.check(&authentic)?;
        let effects = self.step(index, &authentic);
        let chain = self.authors.get_mut(&authentic.statement().author);
        let chain = chain.expect("authenticate found the author's chain, and no step removes one");
        chain.next += 1;
        chain.previous = Some(entry.envelope().sha256());
        self.size += 1;
        Ok(effects)
    }

    /// Carries out what [`Self::check`] let through.
    fn step(&mut self, index: u64, authentic: &Authentic) -> Vec<Effect> {
        match (authentic.statement().author.clone(), authentic.statement().body.clone()) {
            (_, Body::Admit(Admit { party, key })) => {
                let chain = Chain { key, next: 0, previous: None };
                self.authors.insert(Author::Party(party.clone()), chain);
                vec![Effect::Admitted(party)]
            }
            (
                Author::Party(party),
                Body::Submit(Submission { manifest, reward_commitment, .. }),
            ) => {
                self.experts.insert(party.clone(), Expert { index, manifest, reward_commitment });
                vec![Effect::Submitted(party)]
            }
            (_, Body::OpenRound(OpenRound { round })) => {
                let experts = self.experts.iter();
                let experts = experts
                    .map(|(party, expert)| (party.clone(), expert.manifest.digest()))
                    .collect();
                self.rounds.push(Round {
                    number: round,
                    experts,
                    proposals: BTreeMap::new(),
                    agreement: None,
                    soup: None,
                });
                vec![Effect::Opened(round)]
            }
            (Author::Party(party), Body::Reveal(Reveal { lambda, .. })) => {
                self.reveal(party, lambda)
            }
            (_, Body::Publish(Publish { round, recipe, soup: file })) => {
                let soup = Soup { index, recipe, file };
                self.rounds.last_mut().expect("check_publish found the round").soup = Some(soup);
                vec![Effect::Published(round)]
            }
            _ => unreachable!("check refuses every other pair of author and body"),
        }
    }

    fn reveal(&mut self, party: PartyId, lambda: Lambda) -> Vec<Effect> {
        let round = self.rounds.last_mut().expect("check_reveal found the round");
        round.proposals.insert(party.clone(), lambda);
        round.agreement = agree::agreement(&self.charter, round);
        let agreed = round.agreement.clone().map(Effect::Agreed);
        std::iter::once(Effect::Revealed(party)).chain(agreed).collect()
    }

    /// The recipe that follows from a round's agreement.
    ///
    /// # Errors
    /// [`Code::RoundWrong`] where the round has no agreement yet.
    pub fn recipe(&self, round: &Round) -> Result<Recipe, Refusal> {
        let agreement = round.agreement.as_ref().ok_or_else(|| {
            let missing: Vec<_> = round
                .experts
                .keys()
                .filter(|party| !round.proposals.contains_key(*party))
                .map(PartyId::as_str)
                .collect();
            let sentence = format!(
                "round {} has no agreement yet: {} must propose",
                round.number,
                missing.join(", ")
            );
            Refusal::new(Code::RoundWrong, sentence)
        })?;
        Recipe::new(self.base.digest(), &agreement.lambda, |party| {
            round.experts.get(party).copied()
        })
        .map_err(|error| Refusal::new(Code::RecipeMismatch, error.to_string()))
    }

    /// Its identity, which every signature in it names.
    pub fn id(&self) -> FederationId {
        self.id
    }

    /// How many entries it has taken in.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its rules.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The key that signs the log's checkpoints.
    pub fn log(&self) -> &PublicKey {
        &self.log
    }

    /// The base's files.
    pub fn base(&self) -> &Manifest {
        &self.base
    }

    /// The base's file of weights.
    pub fn base_weights(&self) -> &FileEntry {
        self.base.weights().expect("found refuses a base without weights")
    }

    /// The experts in force, by party.
    pub fn experts(&self) -> &BTreeMap<PartyId, Expert> {
        &self.experts
    }

    /// The rounds in order.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// An author's key and its place in its chain.
    pub fn chain(&self, author: &Author) -> Option<&Chain> {
        self.authors.get(author)
    }

    /// Who signs with this key.
    pub fn owner(&self, key: KeyId) -> Option<&Author> {
        self.authors.iter().find(|(_, chain)| chain.key.id() == key).map(|(author, _)| author)
    }

    /// The domain of this federation's statements of one kind.
    pub fn domain(&self, kind: crate::entry::Kind) -> Domain {
        Domain { kind, federation: Some(self.id) }
    }

    /// BLAKE3 of the canonical state: two replays that differ are seen at once.
    pub fn digest(&self) -> Blake3 {
        let state = serde_json::to_vec(self)
            .expect("strings, integers, lists and maps by text have a JSON form");
        Blake3::of(&state)
    }
}

fn check_record(entry: &Entry, authentic: &Authentic) -> Result<(), Refusal> {
    if authentic.record().to_bytes() == entry.record() {
        return Ok(());
    }
    Err(Refusal::new(Code::EntryMismatch, "the record is not that of its envelope"))
}

fn check_base(base: &Manifest) -> Result<(), Refusal> {
    if base.weights().is_some() {
        return Ok(());
    }
    Err(Refusal::new(Code::ManifestRefused, format!("a base holds a file called {WEIGHTS}")))
}

#[cfg(test)]
mod tests;
