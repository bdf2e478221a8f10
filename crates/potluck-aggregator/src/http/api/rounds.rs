//! `GET /api/v1/rounds` and `/api/v1/rounds/{round}`: how λ was negotiated, step by step, with all that decides it.

mod bargain;
pub(super) mod tally;

use axum::response::Response;
use potluck_core::federation::Round;
use serde::Serialize;
use utoipa::ToSchema;

use self::bargain::BargainOf;
use self::tally::Tally;
use super::agreements::{AgreementOf, SoupOf, WithdrawnBy, find};
use super::answer::Seen;
use super::ask::{Asked, Nothing, Page, Piece};
use super::charter::Rules;
use super::entries::EntryLine;
use super::problem::{Common, Named, Problem};
use super::shape::{Listed, Mixture, Place};
use crate::history::Told;

/// A round in short
#[derive(Debug, Serialize, ToSchema)]
struct Brief {
    /// Counted from 1
    round: u64,
    /// How it stands, see a round's field of the same name
    #[schema(example = "published")]
    state: &'static str,
    opened: Place,
    /// Its latest entry
    latest: Place,
    parties: Vec<String>,
    /// How many candidates there are
    candidates: usize,
    /// What was agreed on
    lambda: Option<Mixture>,
}

/// A round
#[derive(Debug, Serialize, ToSchema)]
struct RoundOf {
    /// Counted from 1
    round: u64,
    /// `committing`, `open`, `nominating`, `scoring`, `showing`, `ratifying`, `late` (somebody has to close it), `agreed` (it
    /// waits for its soup), `published` or `void`
    #[schema(example = "published")]
    state: &'static str,
    /// For whom it waits
    missing: Vec<String>,
    /// Until when, by the log's time
    ends: Option<u64>,
    opened: Place,
    /// The rules by which it went
    charter: Rules,
    /// Its parties with their experts
    parties: Vec<Seat>,
    /// The sealed proposals
    commitments: Vec<Commitment>,
    /// What was proposed
    proposals: Vec<Proposal>,
    /// Candidates and scores, where λ is bargained for
    bargain: Option<BargainOf>,
    /// The agreement
    agreement: Option<AgreementOf>,
    /// Agreements that were not ratified
    not_ratified: Vec<AgreementOf>,
    /// The soup
    soup: Option<SoupOf>,
    /// Who took an expert of it back
    withdrawn: Vec<WithdrawnBy>,
    /// Every entry that speaks of it
    timeline: Vec<EntryLine>,
    /// The decision as integers: what was put in, and what came out
    tally: Tally,
}

/// A party of a round
#[derive(Debug, Serialize, ToSchema)]
struct Seat {
    party: String,
    /// BLAKE3 of its expert's manifest
    expert: String,
    /// Where the expert was handed in
    submitted: Option<Place>,
    reward_commitment: Option<String>,
    weight: u32,
    floor_ppm: u32,
    cap_ppm: u32,
}

/// A sealed proposal, or sealed scores
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Commitment {
    pub(super) party: String,
    /// To what it is bound, in hexadecimal
    pub(super) commitment: String,
    /// Whether it has shown what it was bound to
    pub(super) is_shown: bool,
}

/// A proposed λ
#[derive(Debug, Serialize, ToSchema)]
struct Proposal {
    party: String,
    lambda: Mixture,
}

/// Every round, the latest first
#[utoipa::path(get, path = "/api/v1/rounds", tag = "rounds", operation_id = "rounds", params(Page),
    responses((status = 200, body = Listed<Brief>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn rounds(asked: Asked<Page>) -> Response {
    asked.page(|seen| {
        let (limit, from) = (asked.query.limit()?, asked.query.number()?.unwrap_or(u64::MAX));
        let count = seen.federation().rounds().len() as u64;
        let from = from.min(count);
        let items: Vec<_> = (1..=from).rev().take(limit).filter_map(|it| brief(seen, it)).collect();
        let next = from.checked_sub(limit as u64).filter(|next| *next > 0);
        let link = next.map(|from| format!("from={from}&limit={limit}"));
        let next = next.map(|next| next.to_string());
        Ok((Listed { items, total: Some(count), next }, link))
    })
}

/// One round, with everything that decides it
#[utoipa::path(get, path = "/api/v1/rounds/{round}", tag = "rounds", operation_id = "round",
    params(("round" = u64, Path, description = "The round, counted from 1")),
    responses((status = 200, body = RoundOf), Common, Named))]
pub(super) async fn round(round: Piece, asked: Asked<Nothing>) -> Response {
    asked.one(|seen| {
        let found = find(seen, round.number("round")?);
        let missing = || Problem::not_found("no round of this number was opened");
        found.map(|(round, told)| view(seen, round, told)).ok_or_else(missing)
    })
}

fn brief(seen: &Seen<'_>, number: u64) -> Option<Brief> {
    let (round, told) = find(seen, number)?;
    let mut shown = told.entries.iter().filter(|index| seen.line(**index).is_some());
    Some(Brief {
        round: number,
        state: round.state(&told.charter, seen.now),
        opened: Place::of(seen, *told.entries.first()?),
        latest: Place::of(seen, *shown.next_back()?),
        parties: round.experts.keys().map(ToString::to_string).collect(),
        candidates: round.bargain.as_ref().map_or(0, |bargain| bargain.candidates.len()),
        lambda: round.agreement.as_ref().map(|it| Mixture::from(&it.lambda)),
    })
}

fn view(seen: &Seen<'_>, round: &Round, told: &Told) -> RoundOf {
    let charter = &*told.charter;
    let seats = round.experts.iter().map(|(party, expert)| {
        let submitted = told.experts.get(party);
        Seat {
            party: party.to_string(),
            expert: expert.to_string(),
            submitted: submitted.map(|it| Place::of(seen, it.index)),
            reward_commitment: submitted
                .and_then(|it| it.reward_commitment)
                .map(|it| it.to_string()),
            weight: charter.weight(party),
            floor_ppm: charter.floor(party),
            cap_ppm: charter.cap(party),
        }
    });
    let commitments = round.commitments.iter().map(|(party, commitment)| Commitment {
        party: party.to_string(),
        commitment: commitment.to_string(),
        is_shown: round.proposals.contains_key(party),
    });
    let proposals = round.proposals.iter().map(|(party, lambda)| Proposal {
        party: party.to_string(),
        lambda: Mixture::from(lambda),
    });
    let timeline = told.entries.iter().filter_map(|index| EntryLine::of(seen, *index));
    RoundOf {
        round: round.number,
        state: round.state(charter, seen.now),
        missing: round.missing(charter, seen.now).iter().map(ToString::to_string).collect(),
        ends: round.ends(charter),
        opened: Place::of(seen, told.entries.first().copied().unwrap_or_default()),
        charter: Rules::of(charter, told.version),
        parties: seats.collect(),
        commitments: commitments.collect(),
        proposals: proposals.collect(),
        bargain: round.bargain.as_ref().map(|it| BargainOf::of(seen, round, told, it)),
        agreement: AgreementOf::of(seen, round, told),
        not_ratified: AgreementOf::earlier(seen, round, told),
        soup: SoupOf::of(seen, round),
        withdrawn: WithdrawnBy::all(seen, told),
        timeline: timeline.collect(),
        tally: Tally::of(round, charter),
    }
}
