//! `potluck round nominate`: a party adds a candidate to the next batch, or none.

use potluck_bargain::Shares;
use potluck_bargain::surrogate::{Model, Quadratic, suggest};
use potluck_core::charter::BargainRules;
use potluck_core::entry::Nominate;
use potluck_core::federation::Round;
use potluck_core::federation::bargain::Bargaining;
use potluck_core::{Body, Federation, Lambda, PartyId};
use serde_json::json;

use super::status::latest;
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// How many suggestions are looked at: others may have nominated the first ones.
const SUGGESTIONS: usize = 24;

/// Nominate a candidate for the next batch (party)
///
/// Without λ, nominates what a model of everybody's scores, quadratic in λ, promises most for all. It is only scored for that:
/// what is chosen is decided by scores alone.
///
/// Examples:
///   potluck round nominate --dir mine
///   potluck round nominate --dir mine agency=0.4,readers=0.6
///   potluck round nominate --dir mine --pass
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// The candidate, as NAME=WEIGHT,… [default: what the scores suggest]
    #[arg(conflicts_with = "pass")]
    lambda: Option<String>,
    /// Add none
    #[arg(long)]
    pass: bool,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let named = args.lambda.as_deref().map(str::parse::<Lambda>).transpose();
    let named = named.map_err(Failure::input)?;
    let (folder, party) = party_folder(&args.member)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let federation = session.federation();
    let round = latest(federation)?;
    let (Some(bargain), Some(rules)) = (&round.bargain, federation.charter().bargain()) else {
        let message = format!("round {} has no candidates", round.number);
        return Err(Failure::unverified("round-wrong", message)
            .hint("`potluck round status` says what it waits for"));
    };
    let lambda = match (named, args.pass) {
        (Some(lambda), _) => Some(lambda),
        (None, true) => None,
        (None, false) => suggestion(federation, round, bargain, rules),
    };
    if let Some(lambda) = &lambda {
        federation.check_candidate(round, rules, lambda)?;
    }
    let (round, batch) =
        (round.number, u32::try_from(bargain.batches.len() + 1).unwrap_or(u32::MAX));
    let nominate = Nominate { round, batch, lambda: lambda.clone() };
    let said = session.say(Body::Nominate(nominate)).await?;
    session.close().await;
    output.line(match &lambda {
        Some(lambda) => {
            format!("{party} nominates {lambda} for batch {batch}: entry {} of the ledger.", said.index)
        }
        None if args.pass => format!("{party} nominates nothing: entry {} of the ledger.", said.index),
        None => format!(
            "The scores suggest nothing new that all gain by; {party} nominates nothing: entry {} of the ledger.",
            said.index
        ),
    });
    output.result(&json!({
        "index": said.index, "round": round, "batch": batch, "lambda_ppm": lambda,
        "receipt": said.receipt,
    }));
    Ok(())
}

/// The first suggestion that can still be nominated.
fn suggestion(
    federation: &Federation,
    round: &Round,
    bargain: &Bargaining,
    rules: &BargainRules,
) -> Option<Lambda> {
    let parties: Vec<&PartyId> = round.experts.keys().collect();
    let charter = federation.charter();
    let scored = bargain.scored();
    let evaluated =
        scored.iter().map(|&it| bargain.candidates.get(it)?.over(parties.iter().copied()));
    let evaluated: Vec<Shares> = evaluated.collect::<Option<_>>()?;
    let models = bargain.heard.iter().map(|party| {
        // Scores are whole ppm below 2^53: a double holds them.
        let of = |number: usize| {
            bargain.rows(party).find(|(it, _)| *it == number).map(|(_, row)| row.score as f64)
        };
        let rows = scored.iter().zip(&evaluated);
        let rows: Vec<_> =
            rows.map(|(&number, shares)| Some((shares, of(number)?))).collect::<Option<_>>()?;
        let weight = f64::from(charter.weight(party));
        Some(Model { weight, disagreement: 0.0, scores: Quadratic::fit(&rows)? })
    });
    let models: Vec<_> = models.collect::<Option<_>>()?;
    let bounds: Vec<_> = parties.iter().map(|it| (charter.floor(it), charter.cap(it))).collect();
    suggest(&models, &evaluated, &bounds, SUGGESTIONS)
        .iter()
        .filter_map(|shares| Lambda::from_shares(parties.iter().copied(), shares))
        .find(|lambda| federation.check_candidate(round, rules, lambda).is_ok())
}
