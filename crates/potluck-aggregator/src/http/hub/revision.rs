//! What a revision's name means.
//!
//! ```text
//! main                        the soup in force, or the base while there is none
//! base                        the base
//! readers                     the expert of that party which is in force
//! readers=0.3,checkers=0.7    any λ over the experts in force, in decimals or parts per million
//! round-3                     what the parties of a round agreed on
//! 64 digits                   the digest of a soup's file, of a recipe, of an agreement, of a manifest
//! 40 digits                   a commit: the first 160 bits of a recipe's digest, or of a manifest's
//! ```
//!
//! They are read in that order, so that a party called `main` is read by `main=1`.

use std::fmt;
use std::str::FromStr as _;

use axum::http::HeaderValue;
use potluck_core::federation::{Round, Soup};
use potluck_core::{Blake3, Federation, FileEntry, Lambda, Manifest, PartyId, Recipe};

use super::Trouble;
use crate::http::Shared;
use crate::http::access::Wanted;
use crate::ledger::Standing;

/// The name of a revision's content: the first 160 bits of a digest, as Git's commits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Commit([u8; 20]);

impl Commit {
    /// Of what the digest is of.
    pub(super) fn of(digest: Blake3) -> Self {
        let mut first = [0; 20];
        first.copy_from_slice(&digest.as_bytes()[..20]);
        Self(first)
    }

    fn parse(text: &str) -> Option<Self> {
        // A digest's text, the rest of which is nothing.
        let digits = (text.len() == 40).then(|| format!("{text:0<64}"))?;
        Some(Self::of(digits.parse().ok()?))
    }

    /// As it stands in a header.
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("hexadecimal digits are visible ASCII")
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a name turned out to mean.
#[derive(Debug, Clone)]
pub(super) enum Revision {
    /// The base.
    Base,
    /// A party's expert.
    Expert(PartyId, Manifest),
    /// A soup, with its file where it was published.
    Soup(Recipe, Option<FileEntry>),
}

impl Revision {
    /// Finds what `name` means in what stands.
    ///
    /// # Errors
    /// In the words of the Hub for a revision that is not there.
    pub(super) fn find(name: &str, standing: &Standing, shared: &Shared) -> Result<Self, Trouble> {
        let federation = &standing.federation;
        let found = match name {
            "main" => Self::in_force(federation, shared.aggregator.ledger.now()),
            "base" => Self::Base,
            _ if name.contains('=') => Self::mixed(name, federation)?,
            _ => {
                let digest = Blake3::from_str(name).ok();
                let by_commit =
                    || Commit::parse(name).and_then(|it| Self::of_commit(it, federation, shared));
                Self::of_round(name, federation)
                    .or_else(|| digest.and_then(|digest| Self::of_digest(digest, federation)))
                    .or_else(by_commit)
                    .or_else(|| Self::of_party(name, federation))
                    .ok_or_else(|| unknown(name, federation))?
            }
        };
        if let Self::Soup(recipe, _) = &found {
            shared.hub.commits.remember(recipe);
        }
        Ok(found)
    }

    fn in_force(federation: &Federation, now: u64) -> Self {
        let soup = federation.in_force(now).and_then(|round| round.soup.as_ref());
        soup.map_or(Self::Base, Self::published)
    }

    fn published(soup: &Soup) -> Self {
        Self::Soup(soup.recipe.clone(), Some(soup.file.clone()))
    }

    /// A soup of any recipe; as published where it was.
    fn soup(recipe: Recipe, federation: &Federation) -> Self {
        let published = soups(federation).find(|soup| soup.recipe == recipe);
        published.map_or(Self::Soup(recipe, None), Self::published)
    }

    fn mixed(lambda: &str, federation: &Federation) -> Result<Self, Trouble> {
        let lambda =
            Lambda::from_str(lambda).map_err(|error| Trouble::no_revision(error.to_string()))?;
        let experts = federation.experts();
        let manifest = |party: &PartyId| experts.get(party).map(|expert| expert.manifest.digest());
        let charter = federation.charter();
        let recipe =
            Recipe::new(charter.arithmetic(), federation.base().digest(), &lambda, manifest);
        let recipe = recipe.map_err(|error| Trouble::no_revision(error.to_string()))?;
        Ok(Self::soup(recipe, federation))
    }

    fn of_party(name: &str, federation: &Federation) -> Option<Self> {
        let party: PartyId = name.parse().ok()?;
        let manifest = federation.experts().get(&party)?.manifest.clone();
        Some(Self::Expert(party, manifest))
    }

    fn of_round(name: &str, federation: &Federation) -> Option<Self> {
        let number: u64 = name.strip_prefix("round-")?.parse().ok()?;
        let round = federation.rounds().iter().find(|round| round.number == number)?;
        Self::agreed(round, federation)
    }

    fn agreed(round: &Round, federation: &Federation) -> Option<Self> {
        let recipe = federation.recipe(round).ok()?;
        Some(Self::soup(recipe, federation))
    }

    fn of_digest(digest: Blake3, federation: &Federation) -> Option<Self> {
        if let Some(soup) = soups(federation).find(|soup| soup.file.blake3 == digest) {
            return Some(Self::published(soup));
        }
        let agreement =
            |round: &&Round| round.agreement.as_ref().is_some_and(|it| it.digest() == digest);
        if let Some(round) = federation.rounds().iter().find(agreement) {
            return Self::agreed(round, federation);
        }
        Self::known(federation).find(|known| known.digest(federation) == digest)
    }

    fn of_commit(commit: Commit, federation: &Federation, shared: &Shared) -> Option<Self> {
        let is_it = |known: &Self| known.commit(federation) == commit;
        // What clients ask for most; what rounds agreed on is many times as much to look through.
        Self::known_files(federation)
            .find(is_it)
            .or_else(|| Some(Self::soup(shared.hub.commits.recipe(commit)?, federation)))
            .or_else(|| Self::known_soups(federation).find(is_it))
    }

    /// What the ledger names by itself.
    fn known(federation: &Federation) -> impl Iterator<Item = Self> {
        Self::known_files(federation).chain(Self::known_soups(federation))
    }

    /// The base, and the experts in force.
    fn known_files(federation: &Federation) -> impl Iterator<Item = Self> {
        let experts = federation.experts().iter();
        let experts = experts.map(|(party, it)| Self::Expert(party.clone(), it.manifest.clone()));
        std::iter::once(Self::Base).chain(experts)
    }

    /// What rounds agreed on.
    fn known_soups(federation: &Federation) -> impl Iterator<Item = Self> {
        federation.rounds().iter().filter_map(|round| Self::agreed(round, federation))
    }

    /// Of its recipe, or of its manifest.
    fn digest(&self, federation: &Federation) -> Blake3 {
        match self {
            Self::Base => federation.base().digest(),
            Self::Expert(_, manifest) => manifest.digest(),
            Self::Soup(recipe, _) => recipe.digest(),
        }
    }

    /// By what clients know its content.
    pub(super) fn commit(&self, federation: &Federation) -> Commit {
        Commit::of(self.digest(federation))
    }

    /// What one must be allowed to read for it. A soup that was not published is as good as the experts themselves, since
    /// some of them give away the others.
    pub(super) fn wanted(&self) -> Wanted {
        match self {
            Self::Soup(_, Some(_)) => Wanted::Soups,
            _ => Wanted::Experts,
        }
    }
}

/// The published soups.
fn soups(federation: &Federation) -> impl Iterator<Item = &Soup> {
    federation.rounds().iter().filter_map(|round| round.soup.as_ref())
}

fn unknown(name: &str, federation: &Federation) -> Trouble {
    let parties: Vec<_> = federation.experts().keys().map(PartyId::as_str).collect();
    let name: String = name.chars().take(80).collect();
    let parties = match parties.is_empty() {
        true => "no party has an expert yet".to_owned(),
        false => format!("experts are of {}", parties.join(", ")),
    };
    Trouble::no_revision(format!(
        "'{name}' is no revision: main, base, a party, round-N, a digest, or weights such as a=0.3,b=0.7; {parties}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_the_beginning_of_a_digest() {
        let digest = Blake3::of(b"a");
        let commit = Commit::of(digest);
        assert_eq!(commit.to_string(), digest.to_string()[..40]);
        assert_eq!(Commit::parse(&commit.to_string()), Some(commit));
        for wrong in
            [&digest.to_string()[..39], &digest.to_string(), &"A".repeat(40), &"g".repeat(40)]
        {
            assert_eq!(Commit::parse(wrong), None);
        }
    }
}
