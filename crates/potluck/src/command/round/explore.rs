//! `potluck round explore`: what another charter would have made of the same scores.

mod terms;
mod would;

use potluck_core::PartyId;
use potluck_core::federation::bargain::Bargaining;
use serde_json::{Value, json};

use self::terms::Terms;
use self::would::{Would, reference};
use crate::command::chronicle::{Chronicle, Told};
use crate::command::table::table;
use crate::command::target::Target;
use crate::failure::Failure;
use crate::ledger::Line;
use crate::output::Output;
use crate::place::Reader;

/// What the table must not be taken for.
const WITHOUT_FORCE: &str = "Without force: nothing of this is signed or recorded, and the round is decided by its charter.";

/// Ask what another rule, weight, floor or cap would choose from the scores that are shown
///
/// It reads the ledger, changes nothing, and is without force: for those who negotiate a charter. With no terms, all rules are
/// compared. Regret is what a party gains by what was agreed on, or would be by the charter as it is, beyond what it would gain
/// here; below zero, here is better for it. Whoever knows how it will be asked may have scored otherwise.
///
/// Examples:
///   potluck round explore --dir mine
///   potluck round explore --dir mine --rule leximin --weight readers=2 --floor checkers=100000
///   potluck round explore copy --log-key potluck/news+… --offline --without agency
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// An aggregator's address, a member's folder, or a mirror
    #[arg(value_name = "WHERE", conflicts_with = "address")]
    place: Option<String>,
    #[command(flatten)]
    reader: Reader,
    /// Refuse to touch the network: WHERE must be a mirror
    #[arg(long)]
    offline: bool,
    /// The round [default: the latest]
    #[arg(long, value_name = "N")]
    round: Option<u64>,
    #[command(flatten)]
    terms: Terms,
}

/// Reads the ledger, and says what would be.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let target = Target::of(args.place.as_deref(), &args.reader, args.offline, None)?;
    let mut chronicle = Chronicle::default();
    let mut visit = |line: Line<'_>| {
        chronicle.note(&line);
        Ok(())
    };
    let ledger = target.read_whole(&mut visit).await?;
    let (told, round) = chronicle.round(ledger.federation(), args.round)?;
    let bargain = round.bargain.as_ref().ok_or_else(|| {
        let message = format!("no candidate was scored in round {}", round.number);
        Failure::input(message)
            .hint("`potluck charter check` says whether the charter has bargains")
    })?;
    let agreed = told.agreements.last().map(|(_, it)| &it.lambda);
    let against = reference(&told.charter, bargain, agreed)?;
    let explored = args
        .terms
        .variations(&told.charter)?
        .iter()
        .map(|variation| Would::of(variation, bargain))
        .collect::<Result<Vec<_>, _>>()?;
    words(told, bargain, &against, &explored).into_iter().for_each(|line| output.line(line));
    output.result(&as_json(told, bargain, &against, &explored));
    Ok(())
}

fn words(told: &Told, bargain: &Bargaining, against: &Would, explored: &[Would]) -> Vec<String> {
    let mut lines = vec![WITHOUT_FORCE.to_owned()];
    let parties: Vec<_> = bargain.entitlement.ppm().keys().collect();
    let named = |would: &Would| would.lambda(bargain).map(ToString::to_string).unwrap_or_default();
    lines.push(format!("Round {}, {}: {}", told.number, against.name, named(against)));
    let head: Vec<_> =
        ["what if", "chosen"].into_iter().chain(parties.iter().map(|it| it.as_str())).collect();
    let rows = |cell: &dyn Fn(&Would, &PartyId) -> Option<i64>| -> Vec<Vec<String>> {
        let row = |would: &Would| {
            let chosen = match (would.is_fallback, would.is_confirmed) {
                (true, _) => format!("{} (no deal)", named(would)),
                (false, true) => named(would),
                (false, false) => format!("{} *", named(would)),
            };
            let cells = parties.iter().map(|party| percent(cell(would, party)));
            [would.name.clone(), chosen].into_iter().chain(cells).collect()
        };
        explored.iter().map(row).collect()
    };
    lines.push("What each party would gain over no deal:".to_owned());
    lines.extend(table(&head, &rows(&|would, party| would.gains.get(party).copied())));
    lines.push(format!("Its regret against what {}:", against.name));
    lines.extend(table(&head, &rows(&|would, party| would.regret(against, party))));
    lines.push(
        "What it would have gained more by its best candidate that may be chosen here:".to_owned(),
    );
    lines.extend(table(&head, &rows(&|would, party| would.short_of_best(party))));
    if explored.iter().any(|it| !it.is_confirmed && !it.is_fallback) {
        lines.push(
            "* by first scores alone: its finalists would have to be scored once more.".to_owned(),
        );
    }
    lines
}

fn percent(ppm: Option<i64>) -> String {
    ppm.map_or("-".to_owned(), |ppm| {
        let tenths = (ppm.unsigned_abs() + 500) / 1000;
        let sign = if ppm < 0 && tenths > 0 { "-" } else { "" };
        format!("{sign}{}.{} %", tenths / 10, tenths % 10)
    })
}

fn as_json(told: &Told, bargain: &Bargaining, against: &Would, explored: &[Would]) -> Value {
    let each = |would: &Would, cell: &dyn Fn(&PartyId) -> Option<i64>| -> Value {
        let cells = would.gains.keys().filter_map(|it| Some((it.to_string(), cell(it)?.into())));
        Value::Object(cells.collect())
    };
    let variation = |would: &Would| {
        json!({
            "name": would.name, "candidate": would.candidate, "lambda_ppm": would.lambda(bargain),
            "is_fallback": would.is_fallback, "is_confirmed": would.is_confirmed,
            "gains_ppm": would.gains, "excluded": would.excluded,
            "regret_ppm": each(would, &|it| would.regret(against, it)),
            "short_of_best_ppm": each(would, &|it| would.short_of_best(it)),
        })
    };
    json!({
        "without_force": true, "round": told.number, "against": variation(against),
        "variations": explored.iter().map(variation).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
