//! From which weights the next experts are to be trained, as the charter has it.
//!
//! Nothing in the ledger tells from what a training began, so nothing here is verified: the trainer's card says it, and
//! `potluck push` compares before it hands an expert in.

use std::fmt;

use potluck_core::charter::{self, Otherwise};
use potluck_core::{Blake3, Federation, FileEntry};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The weights from which training starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start<'f> {
    /// The federation's base.
    Base(&'f FileEntry),
    /// The soup of that round.
    Soup(u64, &'f FileEntry),
}

impl<'f> Start<'f> {
    /// That of an expert which is handed in now, for the next round that is opened; nothing where each party chooses.
    pub(crate) fn now(federation: &'f Federation) -> Option<Self> {
        let rules = federation.charter().training()?;
        // The experts of a round are those that stood in the ledger when it was opened.
        let next = federation.rounds().last().map_or(0, |round| round.number).saturating_add(1);
        let soup = match rules.start_of(next) {
            charter::Start::Base => None,
            charter::Start::Soup => federation.in_force(federation.time()),
        };
        let start =
            soup.and_then(|round| Some(Self::Soup(round.number, &round.soup.as_ref()?.file)));
        Some(start.unwrap_or_else(|| Self::Base(federation.base_weights())))
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let round = match self {
            Self::Base(_) => None,
            Self::Soup(round, _) => Some(round),
        };
        json!({"round": round, "blake3": self.weights().blake3})
    }

    fn weights(&self) -> &'f FileEntry {
        match self {
            Self::Base(weights) | Self::Soup(_, weights) => weights,
        }
    }

    /// How to have these weights.
    fn cure(&self) -> String {
        let what = match self {
            Self::Base(_) => "base",
            Self::Soup(..) => "soup",
        };
        format!(
            "`potluck pull {what}` fetches these weights; where training did begin with them, say --begun-from {}",
            self.weights().blake3
        )
    }
}

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(weights) => write!(f, "the base, BLAKE3 {}", weights.blake3),
            Self::Soup(round, weights) => {
                write!(f, "the soup of round {round}, BLAKE3 {}", weights.blake3)
            }
        }
    }
}

/// What is to be said of an expert that began with `begun` where that is not what the charter asks for: a warning, or, where
/// the charter is strict, the failure.
pub(crate) fn compare(
    federation: &Federation,
    begun: Option<Blake3>,
) -> Result<Option<String>, Failure> {
    let (Some(rules), Some(start)) = (federation.charter().training(), Start::now(federation))
    else {
        return Ok(None);
    };
    let wanted = start.weights().blake3;
    let what = match begun {
        Some(begun) if begun == wanted => return Ok(None),
        Some(begun) => format!("this one began with {begun}"),
        None => "its card does not say from what this one did".to_owned(),
    };
    let sentence = format!("by the charter, experts now start from {start}; {what}");
    match rules.otherwise {
        Otherwise::Warn => Ok(Some(sentence)),
        Otherwise::Refuse => {
            let failure = Failure::input(sentence).hint(start.cure());
            Err(begun.map_or(failure.clone(), |begun| failure.differs(wanted, begun)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    fn by(rules: &str) -> String {
        format!(
            "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n{rules}"
        )
    }

    #[test]
    fn a_charter_that_says_nothing_leaves_it_to_the_parties() {
        let story = Story::published_with(&by(""));
        assert_eq!(Start::now(story.federation()), None);
        assert_eq!(compare(story.federation(), None), Ok(None));
    }

    #[test]
    fn the_soup_in_force_is_where_the_next_experts_start() {
        let story = Story::published_with(&by("[training]\nstart = 'soup'\n"));
        let federation = story.federation();
        let soup = &federation.rounds()[0].soup.as_ref().unwrap().file;
        assert_eq!(Start::now(federation), Some(Start::Soup(1, soup)));
        assert_eq!(compare(federation, Some(soup.blake3)), Ok(None));
        let base = federation.base_weights().blake3;
        let warning = compare(federation, Some(base)).unwrap().unwrap();
        let (soup, base) = (soup.blake3.to_string(), base.to_string());
        assert!(warning.contains("soup of round 1") && warning.contains(&soup), "{warning}");
        assert!(warning.ends_with(&format!("began with {base}")), "{warning}");
        let warning = compare(federation, None).unwrap().unwrap();
        assert!(warning.contains("does not say"), "{warning}");
    }

    #[test]
    fn before_that_and_without_a_soup_it_is_the_base() {
        let later = Story::published_with(&by("[training]\nstart = 'soup'\nfrom_round = 3\n"));
        let strict = "[training]\nstart = 'soup'\notherwise = 'refuse'\n";
        let (none, mut first) =
            (Story::founded_with(&by(strict)), Story::published_with(&by(strict)));
        for federation in [later.federation(), none.federation()] {
            assert_eq!(Start::now(federation), Some(Start::Base(federation.base_weights())));
        }
        let failure = compare(none.federation(), None).unwrap_err();
        assert!(failure.cure().unwrap().contains("pull base"), "{failure}");
        let federation = first.federation();
        let base = federation.base_weights().blake3;
        let failure = compare(federation, Some(base)).unwrap_err();
        assert_eq!(failure.difference().unwrap().1, base.to_string());
        // A soup whose expert was withdrawn is no longer in force.
        first.withdraw("agency", "its sources are gone");
        let federation = first.federation();
        assert_eq!(Start::now(federation), Some(Start::Base(federation.base_weights())));
    }
}
