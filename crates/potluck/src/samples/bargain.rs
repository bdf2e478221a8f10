//! A federation in which three parties bargain, told to its end by their gains on each mixture.

use potluck_core::entry::{
    Admit, Amend, Ballot, CommitScores, Endorse, Nominate, OpenRound, Publish, Ratify,
    RevealScores, Row, Stance, Withdraw, ballot_commitment,
};
use potluck_core::federation::bargain::Purpose;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, Body, Charter, Lambda, PartyId};

use super::{Story, file, keys};

/// Who bargains.
pub(crate) const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

/// What a mixture gives each party, and whether it is tried on the finalists' prompts.
type Gain = fn(usize, &Lambda, bool) -> i64;

/// A charter by which they do; `rest` belongs to its section `[bargain]`, or opens others.
pub(crate) fn charter(rest: &str) -> String {
    format!(
        "name = 'news'\nrule = 'independent_markets'\n\
         [parties.agency]\nweight = 2\nreason = 'writes the news'\n\
         [parties.checkers]\nweight = 1\nfloor_ppm = 50000\n\
         [parties.readers]\nweight = 1\ncap_ppm = 600000\n\
         [bargain]\nleast_prompts = 400\nbatches = 1\nnominations = 1\nfinalists = 2\n{rest}"
    )
}

/// In parts per million of the party's range: a bowl about its own expert, steeper for some. On new prompts it comes out a
/// little otherwise.
fn gain(party: usize, lambda: &Lambda, is_final: bool) -> i64 {
    let (steepness, own) = ([8, 10, 9][party], 1_000_000_i128);
    let distance: i128 = PARTIES.iter().enumerate().fold(0, |sum, (coordinate, name)| {
        let share = i128::from(lambda.ppm()[&name.parse::<PartyId>().unwrap()]);
        let wish = if coordinate == party { own } else { 0 };
        sum + (share - wish).pow(2)
    });
    let gain = own - distance * steepness / 10 / own;
    let moved = if is_final { gain - 7_000 + 1_000 * party as i128 } else { gain };
    i64::try_from(moved).unwrap()
}

impl Story {
    /// Three experts in, under [`charter`] with `rest`.
    pub(crate) fn without_round(rest: &str) -> Self {
        let mut story = Self::founded_with(&charter(rest));
        for name in PARTIES {
            let party: PartyId = name.parse().unwrap();
            story.say("operator", Body::Admit(Admit { party, keys: keys(name) }));
            story.submit(name, name);
        }
        story
    }

    /// The same with round 1 open.
    pub(crate) fn bargaining(rest: &str) -> Self {
        let mut story = Self::without_round(rest);
        story.say("operator", Body::OpenRound(OpenRound { round: 1 }));
        story
    }

    /// The proposals are in: the first batch is to be scored.
    pub(crate) fn entitled(rest: &str) -> Self {
        let mut story = Self::bargaining(rest);
        for (name, lambda) in PARTIES.iter().zip([
            "agency=0.7,checkers=0.2,readers=0.1",
            "agency=0.2,checkers=0.6,readers=0.2",
            "agency=0.1,checkers=0.2,readers=0.7",
        ]) {
            story.propose(name, lambda);
        }
        story
    }

    /// Round 1 bargained for; nobody has ratified.
    pub(crate) fn bargained(rest: &str) -> Self {
        Self::bargained_as(rest, gain)
    }

    /// The same where nobody gains by anything: there is no deal.
    pub(crate) fn without_deal(rest: &str) -> Self {
        Self::bargained_as(rest, |_, _, _| -1)
    }

    fn bargained_as(rest: &str, gain: Gain) -> Self {
        let mut story = Self::entitled(rest);
        story.score(gain);
        story.nominate();
        // What was nominated, then the finalists.
        story.score(gain);
        story.score(gain);
        story
    }

    /// Everybody scores the open batch, if there is one.
    fn score(&mut self, gain: Gain) {
        let round = &self.federation().rounds()[0];
        let Some(bargain) = round.bargain.clone().filter(|_| round.agreement.is_none()) else {
            return;
        };
        let Some((number, batch)) = bargain.batch() else { return };
        let is_final = batch.purpose == Purpose::Finalists;
        let ballot = |party| {
            let row = |&candidate: &usize| {
                let score = gain(party, &bargain.candidates[candidate], is_final);
                Row { score, error: 12_000, accept: score > 0 }
            };
            Ballot { prompts: batch.prompts(400), rows: batch.candidates.iter().map(row).collect() }
        };
        let (id, nonce) = (self.federation().id(), Blake3::from_bytes([7; 32]));
        for (index, name) in PARTIES.iter().enumerate() {
            let (place, party) = ((1, number), name.parse().unwrap());
            let commitment = ballot_commitment(id, place, &party, &nonce, &ballot(index));
            let commit = CommitScores { round: 1, batch: number, commitment };
            self.say(name, Body::CommitScores(commit));
        }
        for (index, name) in PARTIES.iter().enumerate() {
            let reveal = RevealScores { round: 1, batch: number, ballot: ballot(index), nonce };
            self.say(name, Body::RevealScores(reveal));
        }
    }

    fn nominate(&mut self) {
        let bargain = self.federation().rounds()[0].bargain.as_ref();
        if bargain.is_some_and(|it| it.nominations.is_some()) {
            let lambda = Some("agency=0.45,checkers=0.3,readers=0.25".parse().unwrap());
            self.say("agency", Body::Nominate(Nominate { round: 1, batch: 2, lambda }));
        }
    }

    /// A party says how it stands to the agreement of round 1.
    pub(crate) fn stand(&mut self, party: &str, stance: Stance, reason: &str) {
        let agreement = self.federation().rounds()[0].agreement.as_ref().unwrap().digest();
        let reason = reason.to_owned();
        self.say(party, Body::Ratify(Ratify { round: 1, agreement, stance, reason }));
    }

    /// The soup of round 1 is published.
    pub(crate) fn serve(&mut self) {
        let recipe = self.federation().recipe(&self.federation().rounds()[0]).unwrap();
        let soup = file(WEIGHTS, "soup");
        self.say("operator", Body::Publish(Publish { round: 1, recipe, soup }));
    }

    /// A party takes its expert back.
    pub(crate) fn withdraw(&mut self, party: &str, reason: &str) {
        let id: PartyId = party.parse().unwrap();
        let expert = self.federation().experts()[&id].manifest.digest();
        self.say(party, Body::Withdraw(Withdraw { expert, reason: reason.to_owned() }));
    }

    /// A member puts a charter to the vote.
    pub(crate) fn amend(&mut self, who: &str, charter: &str) {
        let version = self.federation().charter_version() + 1;
        let charter = Charter::from_toml(charter).unwrap();
        self.say(who, Body::Amend(Box::new(Amend { version, charter })));
    }

    /// A party endorses one.
    pub(crate) fn endorse(&mut self, party: &str, amendment: Blake3) {
        self.say(party, Body::Endorse(Endorse { amendment }));
    }
}
