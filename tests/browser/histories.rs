//! Rounds of many charters, played at random, and decided again by a page from the ledger alone.

use potluck_core::entry::{
    Ballot, CloseRound, Commit, CommitScores, Nominate, OpenRound, Publish, Ratify, Reveal,
    RevealScores, Row, Stance, ballot_commitment, commitment,
};
use potluck_core::federation::{Phase, Round};
use potluck_core::{Author, Blake3, Body, Charter, Lambda, PartyId};
use serde_json::{Value, json};
use support::random::Random;

use crate::chromium::on_page;
use crate::ledgers::write_ledger;
use crate::teller::{Teller, weights};

/// How many ledgers, and rounds in each.
const LEDGERS: u64 = 24;
const ROUNDS: u64 = 3;

#[test]
fn the_page_comes_to_the_agreements_of_the_ledger() {
    let made = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for number in 0..LEDGERS {
        let teller = Play::new(number).play();
        let signer = teller.log_signer();
        let folder = made.path().join(number.to_string());
        write_ledger(&folder, &teller.entries, &signer, *teller.federation.digest().as_bytes());
        let rounds: Vec<_> = teller.federation.rounds().iter().map(outcome).collect();
        expected.push(json!({"log": signer.verifier_key().to_string(), "rounds": rounds}));
    }
    // The play must meet every way in which a round can end, or it shows little.
    let all = Value::from(expected.clone()).to_string();
    for way in [
        "chosen",
        "no_candidate",
        "no_quorum",
        "not_ratified",
        "\"void\":true",
        "\"deal\":null",
        "struck",
    ] {
        assert!(all.contains(way), "no round ended by {way}");
    }
    on_page(made.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/histories.js", json!(expected));
        assert_eq!(found["wrong"], json!([]));
        assert!(found["right"].as_u64().unwrap() >= LEDGERS, "{found}");
    });
}

/// What became of a round.
fn outcome(round: &Round) -> Value {
    json!({
        "void": round.is_void,
        "agreement": round.agreement.as_ref().map(|it| json!({
            "digest": it.digest(),
            "lambda": it.lambda,
            "deal": it.deal.as_ref().map(|deal| json!({
                "outcome": deal.outcome, "gains": deal.gains_ppm, "excluded": deal.excluded,
            })),
        })),
        "published": round.soup.is_some(),
    })
}

/// A charter, and whoever acts next.
struct Play {
    random: Random,
    teller: Teller,
}

fn charter(random: &mut Random, number: u64) -> Charter {
    let rules = ["mean", "independent_markets", "ladder", "utilitarian", "piecewise_uniform"];
    let mut text = format!("name = \"play\"\nrule = \"{}\"\n", rules[(number % 5) as usize]);
    for party in ["ann", "bob", "cat", "dan"].iter().take(2 + random.below(3) as usize) {
        text.push_str(&format!("[parties.{party}]\nweight = {}\n", 1 + random.below(3)));
        if random.once_in(4) {
            text.push_str(&format!("floor_ppm = {}\n", random.below(150_000)));
        }
        if random.once_in(5) {
            text.push_str(&format!("cap_ppm = {}\n", 600_000 + random.below(300_000)));
        }
    }
    if random.once_in(2) {
        text.push_str("[rounds]\nsealed = true\ncommit_seconds = 100\nreveal_seconds = 100\nquorum_permille = 600\n");
    }
    if !random.once_in(4) {
        let rules = ["nash", "leximin", "utilitarian", "alpha_half", "alpha_two", "alpha_sixteen"];
        let batches = random.below(3);
        text.push_str(&format!(
            "[bargain]\nrule = \"{}\"\nveto = {}\nfallback = \"{}\"\non_no_reveal = \"{}\"\nbatches = {batches}\n\
             nominations = {}\nfinalists = {}\nleast_prompts = 10\nnominate_seconds = 100\nscore_seconds = 100\n\
             show_seconds = 100\n",
            rules[(number % 6) as usize],
            random.once_in(2),
            if random.once_in(3) { "nothing" } else { "entitlement" },
            if random.once_in(4) { "void" } else { "drop" },
            if batches == 0 { 0 } else { 1 + random.below(3) },
            random.below(4),
        ));
    }
    text.push_str(
        "[agreement]\nratify_permille = 500\nratify_seconds = 100\nvalid_seconds = 5000\n",
    );
    Charter::from_toml(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl Play {
    fn new(number: u64) -> Self {
        let mut random = Random::new(number);
        let teller = Teller::found(charter(&mut random, number));
        Self { random, teller }
    }

    fn play(mut self) -> Teller {
        for round in 1..=ROUNDS {
            self.teller.say(&Author::Operator, Body::OpenRound(OpenRound { round })).unwrap();
            while self.act() {}
        }
        self.teller
    }

    fn round(&self) -> &Round {
        self.teller.federation.rounds().last().unwrap()
    }

    /// One step; false once the round is over.
    fn act(&mut self) -> bool {
        self.teller.time += 1 + self.random.below(5);
        let (charter, time) = (self.teller.federation.charter().clone(), self.teller.time);
        let (phase, round) = (self.round().phase(&charter, time), self.round().number);
        let missing: Vec<_> = self.round().missing(&charter, time).into_iter().cloned().collect();
        match phase {
            Phase::Over => return false,
            Phase::Close => {
                self.teller.say(&Author::Operator, Body::CloseRound(CloseRound { round })).unwrap()
            }
            Phase::Publish => self.publish(round),
            // Who waits long enough comes too late.
            _ if self.round().ends(&charter).is_some() && self.random.once_in(9) => {
                self.teller.time += 200
            }
            _ if missing.is_empty() => self.teller.time += 200,
            phase => {
                let party = missing[self.random.below(missing.len() as u64) as usize].clone();
                if let Some(body) = self.words(phase, round, &party) {
                    // A nomination can be one that was made before: then nothing is said.
                    let _ = self.teller.say(&Author::Party(party), body);
                }
            }
        }
        true
    }

    fn publish(&mut self, round: u64) {
        let recipe = self.teller.federation.recipe(self.round()).unwrap();
        let publish = Publish { round, recipe, soup: weights("soup") };
        self.teller.say(&Author::Operator, Body::Publish(publish)).unwrap();
    }

    fn words(&mut self, phase: Phase, round: u64, party: &PartyId) -> Option<Body> {
        let id = self.teller.federation.id();
        let place = format!("{round} {party}");
        let nonce = Blake3::of(place.as_bytes());
        Some(match phase {
            Phase::Commit => {
                let lambda = self.proposal(round, party);
                Body::Commit(Commit {
                    round,
                    commitment: commitment(id, round, party, &nonce, &lambda),
                })
            }
            Phase::Reveal => {
                let is_sealed = self.teller.federation.charter().rounds().sealed;
                let lambda = self.proposal(round, party);
                Body::Reveal(Reveal { round, lambda, nonce: is_sealed.then_some(nonce) })
            }
            Phase::Nominate => {
                let batch =
                    u32::try_from(self.round().bargain.as_ref()?.batches.len()).unwrap() + 1;
                let salt = self.random.bits();
                let lambda = (!self.random.once_in(3)).then(|| self.lambda(&mut Random::new(salt)));
                Body::Nominate(Nominate { round, batch, lambda })
            }
            Phase::Score => {
                let (batch, ballot) = self.ballot(round, party)?;
                let commitment = ballot_commitment(id, (round, batch), party, &nonce, &ballot);
                Body::CommitScores(CommitScores { round, batch, commitment })
            }
            Phase::Show => {
                let (batch, ballot) = self.ballot(round, party)?;
                Body::RevealScores(RevealScores { round, batch, ballot, nonce })
            }
            Phase::Ratify => {
                let agreement = self.round().agreement.as_ref()?.digest();
                let (stance, reason) = match self.random.below(4) {
                    0 => (Stance::Dissent, "not this"),
                    1 => (Stance::Abstain, ""),
                    _ => (Stance::Ratify, ""),
                };
                Body::Ratify(Ratify { round, agreement, stance, reason: reason.to_owned() })
            }
            Phase::Close | Phase::Publish | Phase::Over => return None,
        })
    }

    /// A party's proposal is the same when it commits and when it shows.
    fn proposal(&self, round: u64, party: &PartyId) -> Lambda {
        let seed = party.as_str().bytes().fold(round, |sum, byte| sum * 31 + u64::from(byte));
        self.lambda(&mut Random::new(seed))
    }

    /// A λ over the round's parties, at or above their floors.
    fn lambda(&self, random: &mut Random) -> Lambda {
        let charter = self.teller.federation.charter();
        let parties: Vec<_> = self.round().experts.keys().cloned().collect();
        let floors: Vec<u32> = parties.iter().map(|party| charter.floor(party)).collect();
        let mut left = 1_000_000 - floors.iter().sum::<u32>();
        let mut shares = floors;
        let last = shares.len() - 1;
        for share in &mut shares[..last] {
            // Coarse steps, so that parties meet in a number now and then.
            let part = left / 4 * u32::try_from(random.below(5)).unwrap();
            *share += part;
            left -= part;
        }
        shares[last] += left;
        Lambda::new(parties.into_iter().zip(shares).collect()).unwrap()
    }

    /// What a party says of the open batch: the same when it commits and when it shows.
    fn ballot(&self, round: u64, party: &PartyId) -> Option<(u32, Ballot)> {
        let (number, batch) = self.round().bargain.as_ref()?.batch()?;
        let rules = self.teller.federation.charter().bargain()?;
        let seed = party
            .as_str()
            .bytes()
            .fold(round + 97 * u64::from(number), |sum, byte| sum * 31 + u64::from(byte));
        let mut random = Random::new(seed);
        let row = |_: &usize| Row {
            score: i64::try_from(random.below(1_000_000)).unwrap() - 150_000,
            error: 1000,
            accept: !random.once_in(20),
        };
        let rows = batch.candidates.iter().map(row).collect();
        Some((number, Ballot { prompts: batch.prompts(rules.least_prompts), rows }))
    }
}
