//! The charter in plain fields, what it leaves out filled in.

use potluck_core::Charter;
use potluck_core::charter::{Audience, Fallback, NoShow};
use serde::Serialize;
use utoipa::ToSchema;

/// The rules of a federation
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rules {
    /// Counted from 1, the one of the founding
    version: u64,
    /// How λ follows from proposals
    #[schema(example = "independent_markets")]
    rule: &'static str,
    /// Who has a seat, in ascending order
    seats: Vec<SeatOf>,
    /// What admission lets through
    limits: Limits,
    /// Who may read what; the ledger is open to anyone
    access: Access,
    /// Who watches the log
    witnesses: Witnesses,
    /// How many must vote for a new key in the place of a lost one; 0 where a lost key stays lost
    key_recovery: u32,
    /// How a round goes
    rounds: Rounds,
    /// How λ is bargained for; nothing where it follows from proposals alone
    bargain: Option<Bargain>,
    /// What an agreement needs, and how long it lasts
    agreement: Agreements,
    /// How much of the weight must endorse a new charter, in thousandths; 0 where it is fixed for good
    amendment_permille: u32,
}

/// A seat
#[derive(Debug, Serialize, ToSchema)]
struct SeatOf {
    party: String,
    /// In every decision
    weight: u32,
    /// The least share of its expert, in parts per million
    floor_ppm: u32,
    /// The largest share of its expert in a bargained soup, in parts per million
    cap_ppm: u32,
    /// Why it has this weight
    reason: String,
}

/// What admission lets through
#[derive(Debug, Serialize, ToSchema)]
struct Limits {
    /// The largest expert, in bytes
    expert_bytes: u64,
    /// The largest change of a tensor, in thousandths of the norm of the base's
    change_permille: u32,
}

/// Who may read what
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Access {
    /// Base and experts
    experts: &'static str,
    /// Published soups
    soups: &'static str,
}

/// Who watches the log
#[derive(Debug, Serialize, ToSchema)]
struct Witnesses {
    /// How many must have cosigned the checkpoint under which a soup is published
    quorum: u32,
    /// Those that are no parties
    outside: Vec<String>,
}

/// How a round goes
#[derive(Debug, Serialize, ToSchema)]
struct Rounds {
    /// Whether proposals are committed to before they are shown
    sealed: bool,
    /// For how long commitments are taken; 0 without a deadline
    commit_seconds: u64,
    /// For how long proposals are taken; 0 without a deadline
    reveal_seconds: u64,
    /// How much of the weight must have spoken at a deadline, in thousandths
    quorum_permille: u32,
}

/// How λ is bargained for
#[derive(Debug, Serialize, ToSchema)]
struct Bargain {
    /// What chooses
    #[schema(example = "nash")]
    rule: &'static str,
    /// The zero of every party's scores
    #[schema(example = "base")]
    disagreement: &'static str,
    /// What holds where there is no deal: entitlement or nothing
    fallback: &'static str,
    /// What becomes of a party that shows no scores: drop or void
    on_no_reveal: &'static str,
    /// Whether each party strikes its worst candidates first
    veto: bool,
    /// How many times candidates are nominated
    batches: u32,
    /// How many each time
    nominations: u32,
    /// How many of the best are scored once more
    finalists: u32,
    /// On how many prompts, at least, each candidate is scored
    least_prompts: u32,
    /// How candidates are evaluated, in words
    protocol: String,
    nominate_seconds: u64,
    score_seconds: u64,
    show_seconds: u64,
}

/// What an agreement needs, and how long it lasts
#[derive(Debug, Serialize, ToSchema)]
struct Agreements {
    /// How much of the weight must ratify, in thousandths; 0 where what is derived holds
    ratify_permille: u32,
    /// For how long ratifications are taken; 0 without a deadline
    ratify_seconds: u64,
    /// For how long an agreement is in force; 0 until there is another
    valid_seconds: u64,
}

impl Rules {
    pub(super) fn of(charter: &Charter, version: u64) -> Self {
        let seats = charter.parties().iter().map(|(party, seat)| SeatOf {
            party: party.to_string(),
            weight: seat.weight,
            floor_ppm: seat.floor_ppm,
            cap_ppm: seat.cap_ppm,
            reason: seat.reason.clone(),
        });
        let (rounds, agreement) = (charter.rounds(), charter.agreement());
        Self {
            version,
            rule: charter.rule().as_str(),
            seats: seats.collect(),
            limits: Limits {
                expert_bytes: charter.limits().expert_bytes,
                change_permille: charter.limits().change_permille,
            },
            access: Access {
                experts: audience(charter.access().experts),
                soups: audience(charter.access().soups),
            },
            witnesses: Witnesses {
                quorum: charter.witnesses().quorum,
                outside: charter.witnesses().outside.keys().cloned().collect(),
            },
            key_recovery: charter.keys().recovery,
            rounds: Rounds {
                sealed: rounds.sealed,
                commit_seconds: rounds.commit_seconds,
                reveal_seconds: rounds.reveal_seconds,
                quorum_permille: rounds.quorum_permille,
            },
            bargain: charter.bargain().map(Bargain::of),
            agreement: Agreements {
                ratify_permille: agreement.ratify_permille,
                ratify_seconds: agreement.ratify_seconds,
                valid_seconds: agreement.valid_seconds,
            },
            amendment_permille: charter.amendment().permille,
        }
    }
}

impl Bargain {
    fn of(rules: &potluck_core::charter::BargainRules) -> Self {
        Self {
            rule: rules.rule.as_str(),
            disagreement: rules.disagreement.as_str(),
            fallback: match rules.fallback {
                Fallback::Entitlement => "entitlement",
                Fallback::Nothing => "nothing",
            },
            on_no_reveal: match rules.on_no_reveal {
                NoShow::Drop => "drop",
                NoShow::Void => "void",
            },
            veto: rules.veto,
            batches: rules.batches,
            nominations: rules.nominations,
            finalists: rules.finalists,
            least_prompts: rules.least_prompts,
            protocol: rules.protocol.clone(),
            nominate_seconds: rules.nominate_seconds,
            score_seconds: rules.score_seconds,
            show_seconds: rules.show_seconds,
        }
    }
}

fn audience(audience: Audience) -> &'static str {
    match audience {
        Audience::Parties => "parties",
        Audience::TokenHolders => "token_holders",
        Audience::Anyone => "anyone",
    }
}
