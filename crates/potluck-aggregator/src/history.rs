//! What the state no longer says: each entry in a line, and how every round went.
//!
//! The federation holds what is in force. Whoever shows the ledger to people also needs its past: who said what when, and
//! the charter by which a closed round went. That is noted while the entries go by, once, so that no request replays or
//! scans the ledger. Lines are only ever added, so all standings share one history, and each reads as much of it
//! as it has entries.
//!
//! Memory: some 200 bytes an entry, and of each round what its charter and agreements take.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use potluck_core::entry::{Body, Record, Role, Statement};
use potluck_core::federation::{Agreement, Effect, Expert, Said, sentence};
use potluck_core::{
    Author, Blake3, Charter, Entry, Federation, KeyId, Kind, PartyId, PublicKey, Sha256,
};

/// One entry.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it says.
    pub kind: Kind,
    /// Who said it.
    pub author: Author,
    /// When the log took it in.
    pub time: u64,
    /// SHA-256 of its envelope.
    pub envelope: Sha256,
    /// The key that signed it.
    pub key: KeyId,
    /// What happened, for people.
    pub sentence: Box<str>,
}

/// How a round went, beside its state.
#[derive(Debug, Clone)]
pub struct Told {
    /// The charter by which it went: no charter changes while a round is open.
    pub charter: Arc<Charter>,
    /// That charter's version.
    pub version: u64,
    /// The experts that it was opened over.
    pub experts: BTreeMap<PartyId, Expert>,
    /// The entries that speak of it, the opening first.
    pub entries: Vec<u64>,
    /// Its agreements and where they were reached: the last one holds, earlier ones were not ratified.
    pub agreements: Vec<(u64, Agreement)>,
    /// All that was said of them, in order.
    pub stood: Vec<(PartyId, Said)>,
    /// Where its soup was published.
    pub published: Option<u64>,
    /// Who took an expert of it back where, and why.
    pub withdrawn: Vec<(u64, PartyId, String)>,
}

/// All lines and rounds so far, perhaps more than a standing shows.
#[derive(Debug, Default)]
pub struct Past {
    lines: Vec<Line>,
    by_kind: HashMap<Kind, Vec<u64>>,
    by_author: HashMap<Author, Vec<u64>>,
    by_both: HashMap<Author, HashMap<Kind, Vec<u64>>>,
    rounds: Vec<Told>,
    /// By the digest of their recipe, of which one soup has one: the latest round that published it.
    soups: HashMap<Blake3, u64>,
    /// The same by the first 160 bits of that digest, in hexadecimal.
    commits: HashMap<String, u64>,
    /// The round of each agreement that was reached, by the agreement's digest.
    agreements: HashMap<Blake3, u64>,
    keys: HashMap<KeyId, PublicKey>,
    charter: Option<(u64, Arc<Charter>)>,
}

/// The past, to which the ledger's one writer adds.
#[derive(Debug, Default)]
pub struct History(RwLock<Past>);

impl History {
    /// The history of a federation that `first` founded.
    pub fn of(federation: &Federation, first: &Entry) -> Self {
        let history = Self::default();
        history.note(federation, first, &[]);
        history
    }

    /// Takes down an entry and what it brought about in `federation`, which it left.
    pub fn note(&self, federation: &Federation, entry: &Entry, effects: &[Effect]) {
        // Whatever was applied has the record of its envelope.
        let Ok(record) = Record::parse(entry.record()) else { return };
        let mut past = self.0.write().unwrap_or_else(PoisonError::into_inner);
        past.note(federation, entry, &record, effects);
    }

    /// What is known. The writer waits while it is held: copy what is needed, and let go.
    pub fn read(&self) -> RwLockReadGuard<'_, Past> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// The entry at `index`.
    pub fn line(&self, index: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(index).ok()?)
    }

    /// When the log took in the entry at `index`.
    pub fn time(&self, index: u64) -> u64 {
        self.line(index).map_or(0, |line| line.time)
    }

    /// The round called `number`.
    pub fn round(&self, number: u64) -> Option<&Told> {
        self.rounds.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// The latest round that published a soup: by its recipe's digest, or the first 160 bits of it, in hexadecimal.
    pub fn soup(&self, name: &str) -> Option<u64> {
        match name.parse::<Blake3>() {
            Ok(digest) => self.soups.get(&digest).copied(),
            Err(_) => self.commits.get(name).copied(),
        }
    }

    /// The latest round that reached the agreement with this digest.
    pub fn agreement(&self, digest: Blake3) -> Option<u64> {
        self.agreements.get(&digest).copied()
    }

    /// A key that ever was a member's or the log's.
    pub fn key(&self, id: KeyId) -> Option<&PublicKey> {
        self.keys.get(&id)
    }

    /// The entries of a kind, of an author, or of both, in ascending order; nothing where all are meant.
    pub fn listed(&self, kind: Option<Kind>, author: Option<&Author>) -> Option<&[u64]> {
        let found = match (kind, author) {
            (None, None) => return None,
            (Some(kind), None) => self.by_kind.get(&kind),
            (None, Some(author)) => self.by_author.get(author),
            (Some(kind), Some(author)) => self.by_both.get(author).and_then(|it| it.get(&kind)),
        };
        Some(found.map_or(&[][..], Vec::as_slice))
    }

    fn note(
        &mut self,
        federation: &Federation,
        entry: &Entry,
        record: &Record,
        effects: &[Effect],
    ) {
        let index = self.lines.len() as u64;
        let members = federation.members();
        // A key that its own entry replaced is still known as whose it was.
        let author = members
            .owner(record.key)
            .map(|(author, _)| author)
            .or_else(|| members.retired(record.key).map(|retired| &retired.of))
            .cloned()
            .unwrap_or(Author::Operator);
        if index == 0 || effects.iter().any(brings_keys) {
            self.learn_keys(federation);
        }
        self.follow_round(index, federation, entry, effects);
        self.by_kind.entry(record.kind).or_default().push(index);
        self.by_author.entry(author.clone()).or_default().push(index);
        let of_author = self.by_both.entry(author.clone()).or_default();
        of_author.entry(record.kind).or_default().push(index);
        let sentence = sentence(&author, record.kind, effects).into();
        let Record { kind, time, envelope, key, .. } = *record;
        self.lines.push(Line { kind, author, time, envelope, key, sentence });
    }

    fn learn_keys(&mut self, federation: &Federation) {
        let roles = [Role::Sign, Role::Transport, Role::Witness];
        for (_, member) in federation.members().iter() {
            let keys = roles.into_iter().filter_map(|role| member.key(role));
            self.keys.extend(keys.map(|key| (key.id(), key)));
        }
        self.keys.extend(federation.log_keys().map(|it| (it.key.id(), it.key)));
    }

    fn follow_round(
        &mut self,
        index: u64,
        federation: &Federation,
        entry: &Entry,
        effects: &[Effect],
    ) {
        let latest = federation.rounds().last();
        for effect in effects {
            match effect {
                Effect::Opened(_) => self.open(federation),
                Effect::Withdrawn(party) => self.withdrawn(index, party, entry),
                _ => {}
            }
            let Some(told) = self.rounds.last_mut().filter(|_| is_of_round(effect)) else {
                continue;
            };
            if told.entries.last() != Some(&index) {
                told.entries.push(index);
            }
            match effect {
                Effect::Agreed(agreement) => {
                    self.agreements.extend(latest.map(|it| (agreement.digest(), it.number)));
                    told.agreements.push((index, agreement.clone()));
                }
                Effect::Stood(party, _) => {
                    let said = latest.and_then(|round| round.stances.get(party));
                    told.stood.extend(said.map(|said| (party.clone(), said.clone())));
                }
                Effect::Published(number) => {
                    told.published = Some(index);
                    let soup = latest.and_then(|round| round.soup.as_ref());
                    let digest = soup.map(|soup| soup.recipe.digest());
                    self.soups.extend(digest.map(|digest| (digest, *number)));
                    let commit = digest.map(|digest| digest.to_string()[..40].to_owned());
                    self.commits.extend(commit.map(|commit| (commit, *number)));
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, federation: &Federation) {
        let Some(round) = federation.rounds().last() else { return };
        let version = federation.charter_version();
        let known = self.charter.take().filter(|(it, _)| *it == version);
        let (_, charter) =
            known.unwrap_or_else(|| (version, Arc::new(federation.charter().clone())));
        self.charter = Some((version, Arc::clone(&charter)));
        let experts = federation.experts().iter();
        let experts = experts.filter(|(party, _)| round.experts.contains_key(*party));
        self.rounds.push(Told {
            charter,
            version,
            experts: experts.map(|(party, it)| (party.clone(), it.clone())).collect(),
            entries: Vec::new(),
            agreements: Vec::new(),
            stood: Vec::new(),
            published: None,
            withdrawn: Vec::new(),
        });
    }

    fn withdrawn(&mut self, index: u64, party: &PartyId, entry: &Entry) {
        // What was applied is a statement of this kind.
        let statement = serde_json::from_slice(entry.envelope().unverified_payload());
        let Ok(Statement { body: Body::Withdraw(withdraw), .. }) = statement else { return };
        for told in &mut self.rounds {
            let expert = told.experts.get(party).map(|it| it.manifest.digest());
            if expert == Some(withdraw.expert) {
                told.withdrawn.push((index, party.clone(), withdraw.reason.clone()));
                if told.entries.last() != Some(&index) {
                    told.entries.push(index);
                }
            }
        }
    }
}

/// Whether an entry that brought this about may have brought a key.
fn brings_keys(effect: &Effect) -> bool {
    matches!(effect, Effect::Admitted(_) | Effect::KeyChanged(..))
}

/// Whether it is a step of the latest round.
fn is_of_round(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Opened(_)
            | Effect::Committed(_)
            | Effect::Revealed(_)
            | Effect::Waiting
            | Effect::Nominated(_)
            | Effect::Scored(_)
            | Effect::Stood(..)
            | Effect::Agreed(_)
            | Effect::Voided(_)
            | Effect::Published(_)
    )
}
