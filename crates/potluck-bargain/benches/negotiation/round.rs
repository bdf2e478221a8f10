//! One round as a federation holds it: the design, the suggested candidates, a confirmation of the three best.

use potluck_bargain::design::{ADAPTIVE, lattice};
use potluck_bargain::surrogate::{Model, Quadratic, suggest};
use potluck_bargain::{Candidate, Party, Rule, Score, Shares, Table, choose};

use crate::random::Random;
use crate::world::{World, parts};

/// How many candidates are scored again before it is decided.
const FINALISTS: usize = 3;

/// In how many steps candidates are suggested.
const BATCHES: usize = 2;

/// So many times the prompts of the first scores.
const CONFIRMED_WITH: f64 = 4.0;

/// What was evaluated, and what it is worth.
pub(crate) struct Round {
    candidates: Vec<Shares>,
    /// The true scores, by candidate and party: no deal is 0, one's own expert 1.
    truth: Vec<Vec<f64>>,
    /// The finalists, with what the parties say of them, and of no deal.
    finalists: Vec<usize>,
    confirmed: Vec<Vec<f64>>,
    base: Vec<f64>,
}

impl Round {
    pub(crate) fn held(world: &World, noise: f64, random: &mut Random) -> Self {
        let parties = world.parties();
        let mut candidates = lattice(parties).unwrap();
        let truth_of = |shares: &Shares| -> Vec<f64> {
            (0..parties).map(|party| world.score(party, &parts(shares))).collect()
        };
        let mut heard = |truth: &[f64], noise: f64| -> Vec<f64> {
            truth.iter().map(|score| score + noise * random.normal()).collect()
        };
        let mut truth: Vec<_> = candidates.iter().map(truth_of).collect();
        let mut scores: Vec<_> = truth.iter().map(|truth| heard(truth, noise)).collect();
        let base = heard(&vec![0.0; parties], noise / CONFIRMED_WITH.sqrt());
        let models = |candidates: &[Shares], scores: &[Vec<f64>]| -> Vec<Model> {
            let model = |party: usize| {
                let scored: Vec<_> =
                    candidates.iter().zip(scores).map(|(it, scores)| (it, scores[party])).collect();
                let scores = Quadratic::fit(&scored).unwrap();
                Model { weight: 1.0, disagreement: base[party], scores }
            };
            (0..parties).map(model).collect()
        };
        for _ in 0..BATCHES {
            let models = models(&candidates, &scores);
            for shares in suggest(&models, &candidates, &[], ADAPTIVE / BATCHES) {
                truth.push(truth_of(&shares));
                scores.push(heard(&truth[truth.len() - 1], noise));
                candidates.push(shares);
            }
        }
        // The best by the first scores are scored once more, on prompts that nobody has seen.
        let all: Vec<_> = (0..candidates.len()).collect();
        let table = table_of(&candidates, &all, &scores, &base, &[]);
        let mut finalists = ranked(&table);
        finalists.truncate(FINALISTS);
        let confirmed =
            finalists.iter().map(|it| heard(&truth[*it], noise / CONFIRMED_WITH.sqrt())).collect();
        Self { candidates, truth, finalists, confirmed, base }
    }

    /// λ of the finalist that the rule chooses.
    pub(crate) fn decided(&self) -> Option<Vec<f64>> {
        let table = self.table(&self.finalists, &self.confirmed, &self.base, &[]);
        let winner = decide(&table)?;
        Some(parts(&self.candidates[self.finalists[winner]]))
    }

    /// What the rule chooses from all candidates by true scores.
    pub(crate) fn chosen(&self) -> Option<usize> {
        self.without_all(&[])
    }

    /// The same where one party stays away.
    pub(crate) fn without(&self, party: usize) -> Option<usize> {
        self.without_all(&[party])
    }

    fn without_all(&self, away: &[usize]) -> Option<usize> {
        let all: Vec<_> = (0..self.candidates.len()).collect();
        let nothing = vec![0.0; self.truth[0].len()];
        decide(&self.table(&all, &self.truth, &nothing, away))
    }

    /// What these parties can have at best by lying together: they accept one candidate alone, so that it is chosen if
    /// every other party gains by it. Where nothing serves them better than no deal, they tell the truth.
    pub(crate) fn best_lie(&self, liars: &[usize]) -> Option<usize> {
        let gains = |candidate: usize| {
            let of = |party: &usize| self.truth[candidate][*party];
            liars.iter().map(of).sum::<f64>()
        };
        let let_through = |candidate: &usize| {
            let truth = &self.truth[*candidate];
            let others = (0..truth.len()).filter(|party| !liars.contains(party));
            others.map(|party| truth[party]).all(|gain| gain > 0.0)
        };
        let lie = (0..self.candidates.len())
            .filter(let_through)
            .max_by(|a, b| gains(*a).total_cmp(&gains(*b)));
        let lie = lie.filter(|it| liars.iter().all(|party| self.truth[*it][*party] > 0.0));
        lie.or_else(|| self.chosen())
    }

    /// What a candidate truly gives a party.
    pub(crate) fn gain(&self, candidate: usize, party: usize) -> f64 {
        self.truth[candidate][party]
    }

    fn table(&self, of: &[usize], scores: &[Vec<f64>], base: &[f64], away: &[usize]) -> Table {
        table_of(&self.candidates, of, scores, base, away)
    }
}

fn table_of(
    all: &[Shares],
    of: &[usize],
    scores: &[Vec<f64>],
    base: &[f64],
    away: &[usize],
) -> Table {
    let micro = |score: f64| (score * 1e6).round() as i64;
    let candidates = of.iter().map(|it| Candidate { lambda: all[*it].clone(), is_sound: true });
    let party = |party: usize| Party {
        weight: 1,
        disagreement: micro(base[party]),
        scores: scores
            .iter()
            .map(|scores| Score { micro: micro(scores[party]), accept: true })
            .collect(),
    };
    let parties = (0..base.len()).filter(|it| !away.contains(it)).map(party);
    Table::new(candidates.collect(), parties.collect(), Vec::new()).unwrap()
}

fn decide(table: &Table) -> Option<usize> {
    ranked(table).first().copied()
}

fn ranked(table: &Table) -> Vec<usize> {
    let uniform = Shares::from_weights(&vec![1; table.candidates()[0].lambda.ppm().len()]).unwrap();
    choose(table, Rule::Nash, false, &uniform).ranked
}
