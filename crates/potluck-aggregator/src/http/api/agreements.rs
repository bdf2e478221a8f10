//! `GET /api/v1/agreements` and `/api/v1/soups`: what was agreed on, by whom, until when, and what came of it.

use axum::response::Response;
use potluck_core::federation::bargain::{NoDeal, Outcome};
use potluck_core::federation::{Agreement, Round, Said};
use potluck_core::{PartyId, Recipe};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Seen;
use super::ask::{Asked, Nothing, Page, Piece};
use super::problem::{Common, Named, Problem};
use super::shape::{File, Listed, Mixture, Place, commit};
use crate::history::Told;

/// What a round led to
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgreementOf {
    round: u64,
    /// BLAKE3 of the agreement, by which it is ratified
    digest: String,
    /// Where the ledger's entries led to it
    reached: Place,
    lambda: Mixture,
    /// By which rule for proposals
    #[schema(example = "independent_markets")]
    rule: &'static str,
    /// How the bargain ended, where there was one
    deal: Option<DealOf>,
    /// Until when it is in force, by the log's time; nothing where until there is another
    expires: Option<u64>,
    /// `unratified`, `unpublished`, `in_force`, `expired`, `withdrawn`, `replaced`, or `not_ratified`
    #[schema(example = "in_force")]
    standing: &'static str,
    /// The round that replaced it
    replaced_by: Option<u64>,
    /// How much of the weight must ratify, in thousandths
    ratify_permille: u32,
    /// The parties of the round, and how each stands to it
    parties: Vec<Signatory>,
    /// Who took an expert of it back
    withdrawn: Vec<WithdrawnBy>,
    /// The published soup's id
    commit: Option<String>,
}

/// How a bargain ended
#[derive(Debug, Serialize, ToSchema)]
struct DealOf {
    #[schema(example = "nash")]
    rule: &'static str,
    /// The candidate that was chosen; nothing without a deal
    candidate: Option<usize>,
    /// The next best one
    runner_up: Option<usize>,
    /// Why there is no deal
    no_deal: Option<&'static str>,
    /// The same in words
    no_deal_words: Option<&'static str>,
    /// What λ gives each party that was heard over no deal, in parts per million of its own range
    gains_ppm: std::collections::BTreeMap<String, i64>,
}

/// A party to an agreement
#[derive(Debug, Serialize, ToSchema)]
struct Signatory {
    party: String,
    /// In every decision
    weight: u32,
    /// Where it proposed, or showed its scores, last: what it signed of this round
    spoke: Option<Place>,
    /// `ratify`, `abstain` or `dissent`; nothing where it has not said
    stance: Option<&'static str>,
    /// Why
    reason: String,
    /// Where it said so
    stood: Option<Place>,
}

/// An expert taken back
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WithdrawnBy {
    party: String,
    at: Place,
    reason: String,
}

impl WithdrawnBy {
    pub(super) fn all(seen: &Seen<'_>, told: &Told) -> Vec<Self> {
        let shown = told.withdrawn.iter().filter(|(index, ..)| seen.line(*index).is_some());
        let view = |(index, party, reason): &(u64, PartyId, String)| {
            let (party, reason) = (party.to_string(), reason.clone());
            Self { party, at: Place::of(seen, *index), reason }
        };
        shown.map(view).collect()
    }
}

/// A published soup
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SoupOf {
    /// Its id: the first 160 bits of its recipe's digest
    commit: String,
    /// BLAKE3 of its recipe
    recipe_digest: String,
    /// From which anyone makes the same bytes
    recipe: RecipeOf,
    round: u64,
    /// Where it was published
    published: Place,
    /// Its weights
    file: File,
    lambda: Mixture,
    /// Whether it is what is served now
    is_in_force: bool,
}

/// What a soup is made of
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecipeOf {
    #[schema(example = "linear/1")]
    arithmetic: &'static str,
    /// BLAKE3 of the base's manifest
    base: String,
    /// In ascending order of party
    experts: Vec<IngredientOf>,
}

/// An expert in a soup
#[derive(Debug, Serialize, ToSchema)]
struct IngredientOf {
    party: String,
    /// BLAKE3 of its manifest
    manifest: String,
    /// Its share in parts per million
    ppm: u32,
}

impl From<&Recipe> for RecipeOf {
    fn from(recipe: &Recipe) -> Self {
        let experts = recipe.experts().iter().map(|it| IngredientOf {
            party: it.party.to_string(),
            manifest: it.manifest.to_string(),
            ppm: it.ppm,
        });
        let arithmetic = recipe.arithmetic().as_str();
        Self { arithmetic, base: recipe.base().to_string(), experts: experts.collect() }
    }
}

/// Every agreement that holds or held, the latest first
#[utoipa::path(get, path = "/api/v1/agreements", tag = "rounds", operation_id = "agreements", params(Page),
    responses((status = 200, body = Listed<AgreementOf>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn agreements(asked: Asked<Page>) -> Response {
    asked.page(|seen| latest_first(seen, &asked.query, AgreementOf::of))
}

/// The agreement of one round, by the round's number or the agreement's digest
#[utoipa::path(get, path = "/api/v1/agreements/{round}", tag = "rounds", operation_id = "agreement",
    params(("round" = String, Path, description = "The round, counted from 1, or the agreement's digest")),
    responses((status = 200, body = AgreementOf), Common, Named))]
pub(super) async fn agreement(round: Piece, asked: Asked<Nothing>) -> Response {
    asked.one(|seen| {
        let missing = || Problem::not_found("no round has this agreement, or not yet");
        let found = match round.0.len() {
            64 => by_digest(seen, &round.0),
            _ => find(seen, round.number("round")?),
        };
        found.and_then(|(round, told)| AgreementOf::of(seen, round, told)).ok_or_else(missing)
    })
}

/// Every published soup, the latest first
#[utoipa::path(get, path = "/api/v1/soups", tag = "soups", operation_id = "soups", params(Page),
    responses((status = 200, body = Listed<SoupOf>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn soups(asked: Asked<Page>) -> Response {
    asked.page(|seen| latest_first(seen, &asked.query, |seen, round, _| SoupOf::of(seen, round)))
}

/// One soup, by its id, its recipe's digest, or the round that published it
#[utoipa::path(get, path = "/api/v1/soups/{soup}", tag = "soups", operation_id = "soup",
    params(("soup" = String, Path, description = "Its id (40 digits), its recipe's digest (64), or its round")),
    responses((status = 200, body = SoupOf), Common, Named))]
pub(super) async fn soup(soup: Piece, asked: Asked<Nothing>) -> Response {
    asked.one(|seen| {
        let missing = || Problem::not_found("no soup of this name was published");
        let number = match soup.0.len() {
            40 | 64 => seen.past.soup(&soup.0),
            _ => Some(soup.number("soup")?),
        };
        let found = number.and_then(|number| find(seen, number));
        found.and_then(|(round, _)| SoupOf::of(seen, round)).ok_or_else(missing)
    })
}

/// A round and what is told of it.
pub(super) fn find<'a>(seen: &'a Seen<'_>, number: u64) -> Option<(&'a Round, &'a Told)> {
    let place = usize::try_from(number.checked_sub(1)?).ok()?;
    Some((seen.federation().rounds().get(place)?, seen.past.round(number)?))
}

fn by_digest<'a>(seen: &'a Seen<'_>, digest: &str) -> Option<(&'a Round, &'a Told)> {
    let digest = digest.parse().ok()?;
    let (round, told) = find(seen, seen.past.agreement(digest)?)?;
    // Another may have taken its place.
    let holds = round.agreement.as_ref().is_some_and(|it| it.digest() == digest);
    holds.then_some((round, told))
}

/// What `view` makes of the rounds from the latest down, as many as are asked for.
fn latest_first<V>(
    seen: &Seen<'_>,
    asked: &Page,
    view: impl Fn(&Seen<'_>, &Round, &Told) -> Option<V>,
) -> Result<(Listed<V>, Option<String>), Problem> {
    let (limit, from) = (asked.limit()?, asked.number()?.unwrap_or(u64::MAX));
    let from = from.min(seen.federation().rounds().len() as u64);
    let mut found = (1..=from).rev().filter_map(|number| {
        let (round, told) = find(seen, number)?;
        Some((number, view(seen, round, told)?))
    });
    let items: Vec<_> = found.by_ref().take(limit).map(|(_, it)| it).collect();
    let next = found.next().map(|(number, _)| number);
    let link = next.map(|from| format!("from={from}&limit={limit}"));
    Ok((Listed { items, total: None, next: next.map(|it| it.to_string()) }, link))
}

impl AgreementOf {
    /// The agreement that holds.
    pub(super) fn of(seen: &Seen<'_>, round: &Round, told: &Told) -> Option<Self> {
        let agreement = round.agreement.as_ref()?;
        let digest = agreement.digest();
        let reached = told.agreements.iter().rev().find(|(_, it)| it.digest() == digest)?;
        Some(Self::told(seen, round, told, (reached.0, agreement)))
    }

    /// One that made room for another.
    pub(super) fn earlier(seen: &Seen<'_>, round: &Round, told: &Told) -> Vec<Self> {
        let holds = round.agreement.as_ref().map(Agreement::digest);
        let shown = told
            .agreements
            .iter()
            .filter(|(index, it)| seen.line(*index).is_some() && Some(it.digest()) != holds);
        let view = |(index, agreement): &(u64, Agreement)| Self {
            standing: "not_ratified",
            replaced_by: None,
            commit: None,
            ..Self::told(seen, round, told, (*index, agreement))
        };
        shown.map(view).collect()
    }

    fn told(
        seen: &Seen<'_>,
        round: &Round,
        told: &Told,
        (index, agreement): (u64, &Agreement),
    ) -> Self {
        let holding = seen.federation().holding(round, agreement, &told.charter, seen.now);
        let digest = agreement.digest();
        let said = |party: &PartyId| {
            let of = |(it, said): &&(PartyId, Said)| it == party && said.agreement == digest;
            let mut shown = told.stood.iter().filter(|(_, said)| seen.line(said.index).is_some());
            shown.rfind(of).map(|(_, said)| said)
        };
        let parties = round.experts.keys().map(|party| {
            let said = said(party);
            Signatory {
                party: party.to_string(),
                weight: told.charter.weight(party),
                spoke: spoke(seen, told, party),
                stance: said.map(|it| it.stance.as_str()),
                reason: said.map_or_else(String::new, |it| it.reason.clone()),
                stood: said.map(|it| Place::of(seen, it.index)),
            }
        });
        Self {
            round: round.number,
            digest: digest.to_string(),
            reached: Place::of(seen, index),
            lambda: Mixture::from(&agreement.lambda),
            rule: agreement.rule.as_str(),
            deal: agreement.deal.as_ref().map(DealOf::of),
            expires: agreement.expires,
            standing: holding.as_str(),
            replaced_by: match holding {
                potluck_core::federation::Holding::Replaced(by) => Some(by),
                _ => None,
            },
            ratify_permille: told.charter.agreement().ratify_permille,
            parties: parties.collect(),
            withdrawn: WithdrawnBy::all(seen, told),
            commit: round.soup.as_ref().map(|soup| commit(soup.recipe.digest())),
        }
    }
}

/// Where a party last said what the agreement follows from.
fn spoke(seen: &Seen<'_>, told: &Told, party: &PartyId) -> Option<Place> {
    use potluck_core::{Author, Kind};
    let is_own = |index: &&u64| {
        seen.line(**index).is_some_and(|line| {
            matches!(line.kind, Kind::Reveal | Kind::RevealScores)
                && matches!(&line.author, Author::Party(it) if it == party)
        })
    };
    told.entries.iter().rev().find(is_own).map(|index| Place::of(seen, *index))
}

impl DealOf {
    fn of(deal: &potluck_core::federation::bargain::Deal) -> Self {
        let (candidate, runner_up, why) = match deal.outcome {
            Outcome::Chosen { candidate, runner_up } => (Some(candidate), runner_up, None),
            Outcome::Fallback(why) => (None, None, Some(why)),
        };
        let code = |why| match why {
            NoDeal::NoCandidate => "no_candidate",
            NoDeal::NoQuorum => "no_quorum",
            NoDeal::NotRatified => "not_ratified",
        };
        let gains = deal.gains_ppm.iter().map(|(party, gain)| (party.to_string(), *gain));
        Self {
            rule: deal.rule.as_str(),
            candidate,
            runner_up,
            no_deal: why.map(code),
            no_deal_words: why.map(NoDeal::sentence),
            gains_ppm: gains.collect(),
        }
    }
}

impl SoupOf {
    pub(super) fn of(seen: &Seen<'_>, round: &Round) -> Option<Self> {
        let (soup, agreement) = (round.soup.as_ref()?, round.agreement.as_ref()?);
        let digest = soup.recipe.digest();
        let in_force = seen.federation().in_force(seen.now).map(|it| it.number);
        Some(Self {
            commit: commit(digest),
            recipe_digest: digest.to_string(),
            recipe: RecipeOf::from(&soup.recipe),
            round: round.number,
            published: Place::of(seen, soup.index),
            file: File::from(&soup.file),
            lambda: Mixture::from(&agreement.lambda),
            is_in_force: in_force == Some(round.number),
        })
    }
}
