//! The soups, made again from the experts that their recipes name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use potluck_core::federation::{Round, Soup};
use potluck_core::{Federation, FileEntry, PartyId};
use potluck_soup::{Blended, blend};

use super::book::{Book, Submitted};
use super::kitchen::{Got, Kitchen, Pantry};
use super::verdict::{AuditedSoup, Trail};
use crate::command::mix::blend_failure;
use crate::command::{busy, threads};
use crate::failure::{Failure, Kind};
use crate::ledger::Ledger;
use crate::output::{Output, bytes};
use crate::progress::Progress;

/// Which soups to make again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All that are published.
    All,
    /// The latest that is published.
    Latest,
    /// That of one round.
    Round(u64),
    /// None.
    Nothing,
}

impl FromStr for Which {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "latest" => Ok(Self::Latest),
            "none" => Ok(Self::Nothing),
            number => number
                .parse()
                .map(Self::Round)
                .map_err(|_| "write all, latest, none, or a round's number".to_owned()),
        }
    }
}

impl Which {
    /// The soups that are meant, in the order of their rounds.
    pub(super) fn soups(self, federation: &Federation) -> Result<Vec<(&Round, &Soup)>, Failure> {
        let published = federation.rounds().iter();
        let published = published.filter_map(|round| Some((round, round.soup.as_ref()?)));
        let mut published: Vec<_> = published.collect();
        match self {
            Self::All => {}
            Self::Nothing => published.clear(),
            Self::Latest => drop(published.drain(..published.len().saturating_sub(1))),
            Self::Round(number) => {
                published.retain(|(round, _)| round.number == number);
                if published.is_empty() {
                    let message = format!("no soup of round {number} is published");
                    return Err(Failure::input(message).hint("`potluck round status` says more"));
                }
            }
        }
        Ok(published)
    }
}

/// Fetches the experts that the soups are made of, and with `all` those that wait for a round too.
pub(super) async fn experts(
    ledger: &Ledger,
    book: &Book,
    which: &Which,
    pantry: &Pantry<'_>,
    kitchen: &Kitchen,
    trail: &mut Trail<'_>,
) -> Result<(), Failure> {
    trail.begin("experts");
    let mut wanted: BTreeMap<u64, &Submitted> = BTreeMap::new();
    for (round, soup) in which.soups(ledger.federation())? {
        for ingredient in soup.recipe.experts() {
            match book.expert(&ingredient.party, &ingredient.manifest) {
                Some(expert) => drop(wanted.insert(expert.index, expert)),
                // Only a snapshot that begins later hides it: replay refuses any other recipe.
                None => trail.skip_round(round.number),
            }
        }
    }
    if *which == Which::All {
        wanted.extend(book.waiting().map(|expert| (expert.index, expert)));
        let open = ledger.federation().rounds().last().filter(|round| round.soup.is_none());
        let taken = open.iter().flat_map(|round| round.experts.iter());
        let taken = taken.filter_map(|(party, manifest)| book.expert(party, manifest));
        wanted.extend(taken.map(|expert| (expert.index, expert)));
    }
    for expert in wanted.into_values() {
        match pantry.get(expert, kitchen, trail.output()).await? {
            Got::Weights(path) => {
                trail.expert(expert, path);
                let (party, index) = (&expert.party, expert.index);
                let size = bytes(expert.weights.size);
                trail.passed(format!("{party}, entry {index}: {size} as signed"));
            }
            Got::NotCopied => trail.skipped(format!(
                "{}, entry {}: the mirror has no copy; `potluck mirror --experts` makes one",
                expert.party, expert.index
            )),
        }
    }
    Ok(())
}

/// Follows the recipe of each soup, and compares what comes out with what was published.
pub(super) fn soups(
    ledger: &Ledger,
    book: &Book,
    which: &Which,
    kitchen: &Kitchen,
    trail: &mut Trail<'_>,
) -> Result<(), Failure> {
    trail.begin("soups");
    for (round, soup) in which.soups(ledger.federation())? {
        let Some(experts) = ingredients(soup, book, trail) else {
            trail.skip_round(round.number);
            trail.skipped(format!("round {}: an expert of it is not at hand", round.number));
            continue;
        };
        let blended = recompute(soup, &experts, round.number, kitchen, trail.output())?;
        trail.soup(AuditedSoup {
            round: round.number,
            blake3: soup.file.blake3,
            recomputed_blake3: blended.blake3,
        });
        if !is_same(&soup.file, &blended) {
            let message = format!(
                "the soup of round {} is published as {}, recomputed it is {}",
                round.number, soup.file.blake3, blended.blake3
            );
            return Err(Failure::unverified("soup-mismatch", message)
                .differs(soup.file.blake3, blended.blake3));
        }
        trail.passed(format!("round {}: {} bit for bit", round.number, soup.file.blake3));
    }
    Ok(())
}

/// The files of a soup's experts, if all are at hand.
fn ingredients(soup: &Soup, book: &Book, trail: &Trail<'_>) -> Option<Vec<(PartyId, PathBuf)>> {
    let experts = soup.recipe.experts().iter().map(|ingredient| {
        let submitted = book.expert(&ingredient.party, &ingredient.manifest)?;
        Some((ingredient.party.clone(), trail.path_of(submitted.index)?.to_owned()))
    });
    experts.collect()
}

fn recompute(
    soup: &Soup,
    experts: &[(PartyId, PathBuf)],
    round: u64,
    kitchen: &Kitchen,
    output: &Output,
) -> Result<Blended, Failure> {
    let target = kitchen.soup(round, &soup.file)?;
    let progress = Progress::begin(output, format!("soup of round {round}"));
    busy(|| {
        let mut moved = |done, total| progress.at(done, total);
        match &target {
            Some(target) => blend(&soup.recipe, experts, target, threads(), &mut moved),
            None => potluck_soup::recompute(&soup.recipe, experts, threads(), &mut moved),
        }
    })
    .map_err(|error| {
        let failure = blend_failure(&error);
        // The files are those of the ledger: what is wrong with them was let in.
        if failure.kind() == Kind::Input {
            return Failure::unverified(failure.code(), failure.message());
        }
        failure
    })
}

fn is_same(published: &FileEntry, recomputed: &Blended) -> bool {
    (published.size, published.blake3, published.sha256)
        == (recomputed.size, recomputed.blake3, recomputed.sha256)
}
