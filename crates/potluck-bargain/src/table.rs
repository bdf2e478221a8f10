//! The table of a bargaining round: candidates, what each is worth to each party, and which of them may be chosen.
//!
//! Every candidate was really evaluated: the decision is an argmax over this table of integers, which a spreadsheet can
//! repeat. Before any rule come the hard filters, and they, not the rule, bound what a lie can win: no party is ever
//! given less than it has without a deal.
//!
//! ```text
//! Table ─ bounds on λ ─ soundness ─ every party accepts ─ every party gains ─▶ admissible, excluded with reasons
//!       ─ proportional veto, where the charter has it ─▶ Ballots of gains ─ rule ─▶ Decision
//! ```

use crate::shares::Shares;

/// Scores lie below this in size, in micro-units: what a spreadsheet and a browser hold exactly.
pub const MAX_SCORE: i64 = 1 << 53;

/// The heaviest party, after weights are divided by what they have in common.
pub const MAX_WEIGHT: u32 = 1000;

/// What one party says of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// How good it is, in micro-units of the party's own; only differences and ratios of differences matter.
    pub micro: i64,
    /// Whether the party would live with it at all.
    pub accept: bool,
}

/// One party's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its weight, as the charter has it: at least one.
    pub weight: u32,
    /// What it has without a deal, in the same micro-units.
    pub disagreement: i64,
    /// Its scores, one a candidate.
    pub scores: Vec<Score>,
}

/// Bounds on one coordinate of λ, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub floor: u32,
    /// The most.
    pub cap: u32,
}

/// One λ that was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The soup's shares.
    pub lambda: Shares,
    /// Whether it passed the gates that are not the parties': finite, and no worse than a straight line allows.
    pub is_sound: bool,
}

/// A table that is whole: every party scored every candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    candidates: Vec<Candidate>,
    parties: Vec<Party>,
    bounds: Vec<Bounds>,
}

/// Why there is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Nothing to choose from, or nobody who chooses.
    #[error("a table has at least one candidate and one party")]
    Empty,
    /// A candidate or the bounds speak of other coordinates than the first candidate.
    #[error("candidate {candidate} has {found} shares where {expected} are wanted")]
    Shape {
        /// Which candidate, from 0.
        candidate: usize,
        /// Its number of shares.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A λ stands twice.
    #[error("candidates {first} and {second} are the same λ")]
    Twice {
        /// The first of them.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A party did not score every candidate once.
    #[error("party {party} gives {found} scores for {expected} candidates")]
    Scores {
        /// Which party, from 0.
        party: usize,
        /// How many it gives.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A score, or a disagreement, is too large in size.
    #[error("party {party} gives the score {found}; scores lie between −2^53 and 2^53 micro-units")]
    Range {
        /// Which party, from 0.
        party: usize,
        /// What it gives.
        found: i64,
    },
    /// A weight of zero, or one that makes numbers too large.
    #[error("party {party} has the weight {found}; in lowest terms weights are 1 to {MAX_WEIGHT}")]
    Weight {
        /// Which party, from 0.
        party: usize,
        /// In lowest terms.
        found: u32,
    },
}

/// Why a candidate may not be chosen. The first that applies is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// A coordinate below its floor.
    BelowFloor(usize),
    /// A coordinate above its cap.
    AboveCap(usize),
    /// It did not pass the gates.
    Unsound,
    /// This party does not accept it.
    NotAccepted(usize),
    /// This party would gain nothing over no deal.
    NoGain(usize),
    /// This party struck it by its proportional veto.
    Struck(usize),
}

impl Table {
    /// Puts a table together. `bounds` is empty where λ has none.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn new(
        candidates: Vec<Candidate>,
        parties: Vec<Party>,
        bounds: Vec<Bounds>,
    ) -> Result<Self, TableError> {
        let first = candidates.first().filter(|_| !parties.is_empty()).ok_or(TableError::Empty)?;
        let expected = if bounds.is_empty() { first.lambda.ppm().len() } else { bounds.len() };
        for (index, candidate) in candidates.iter().enumerate() {
            let found = candidate.lambda.ppm().len();
            if found != expected {
                return Err(TableError::Shape { candidate: index, found, expected });
            }
            let twin = candidates[..index].iter().position(|it| it.lambda == candidate.lambda);
            if let Some(first) = twin {
                return Err(TableError::Twice { first, second: index });
            }
        }
        let common = parties.iter().fold(0, |common, party| gcd(common, party.weight)).max(1);
        let mut parties = parties;
        for (index, party) in parties.iter_mut().enumerate() {
            party.weight /= common;
            party.check(index, candidates.len())?;
        }
        Ok(Self { candidates, parties, bounds })
    }

    /// The candidates, in the order of their numbers.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The parties, with weights in lowest terms.
    pub fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// What a candidate gives a party over no deal, in micro-units.
    pub fn gain(&self, party: usize, candidate: usize) -> i64 {
        let party = &self.parties[party];
        // Each is below 2^53 in size.
        party.scores[candidate].micro - party.disagreement
    }

    /// Why a candidate may not be chosen; nothing where it may.
    pub fn exclusion(&self, candidate: usize) -> Option<Exclusion> {
        let Candidate { lambda, is_sound } = &self.candidates[candidate];
        let mut shares = lambda.ppm().iter().zip(&self.bounds).enumerate();
        let out_of_bounds = shares.find_map(|(coordinate, (&share, bounds))| {
            let (low, high) = (share < bounds.floor, share > bounds.cap);
            let below = low.then_some(Exclusion::BelowFloor(coordinate));
            below.or(high.then_some(Exclusion::AboveCap(coordinate)))
        });
        let parties = || 0..self.parties.len();
        let refused = || parties().find(|&party| !self.parties[party].scores[candidate].accept);
        let gainless = || parties().find(|&party| self.gain(party, candidate) <= 0);
        out_of_bounds
            .or((!is_sound).then_some(Exclusion::Unsound))
            .or_else(|| refused().map(Exclusion::NotAccepted))
            .or_else(|| gainless().map(Exclusion::NoGain))
    }

    /// What each party strikes of the candidates in `standing` by its proportional veto (Moulin, 1981): x % of the weight
    /// strikes fewer than x % of them, its own worst, so that at least one survives. Of equals the later ones go first.
    pub fn struck(&self, standing: &[usize]) -> Vec<(usize, Exclusion)> {
        let total: u64 = self.parties.iter().map(|party| u64::from(party.weight)).sum();
        let mut struck: Vec<(usize, Exclusion)> = Vec::new();
        for (index, party) in self.parties.iter().enumerate() {
            let mut worst = standing.to_vec();
            worst
                .sort_by(|a, b| party.scores[*a].micro.cmp(&party.scores[*b].micro).then(b.cmp(a)));
            let share = u64::from(party.weight) * standing.len() as u64;
            let strikes = share.div_ceil(total).saturating_sub(1);
            for candidate in worst.into_iter().take(usize::try_from(strikes).unwrap_or(usize::MAX))
            {
                if !struck.iter().any(|(known, _)| *known == candidate) {
                    struck.push((candidate, Exclusion::Struck(index)));
                }
            }
        }
        struck.sort_by_key(|(candidate, _)| *candidate);
        struck
    }
}

impl Party {
    fn check(&self, party: usize, expected: usize) -> Result<(), TableError> {
        let found = self.scores.len();
        if found != expected {
            return Err(TableError::Scores { party, found, expected });
        }
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            return Err(TableError::Weight { party, found: self.weight });
        }
        let scores = self.scores.iter().map(|score| score.micro);
        let mut all = scores.chain([self.disagreement]);
        match all.find(|score| score.unsigned_abs() >= MAX_SCORE.unsigned_abs()) {
            Some(found) => Err(TableError::Range { party, found }),
            None => Ok(()),
        }
    }
}

/// The greatest common divisor; of zero and a number, the number.
pub fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
