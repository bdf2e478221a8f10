//! `potluck round status`: how the latest round stands, in plain words.

use potluck_core::federation::bargain::{Deal, Outcome};
use potluck_core::federation::{Agreement, Phase, Round};
use potluck_core::{Federation, Lambda, PartyId};
use serde_json::{Value, json};

use super::candidates::{self, deal_json};
use crate::clock::{now, utc};
use crate::command::lapse::lapse;
use crate::failure::Failure;
use crate::output::{Output, bytes};
use crate::place::Reader;
use crate::session::Session;

/// Say how the latest round stands, in plain words
///
/// Example: potluck round status --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    reader: Reader,
}

/// Reads the ledger and says what it amounts to.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let session = Session::open(args.reader.door()?).await?;
    let (federation, now) = (session.federation(), now()?);
    words(federation, now).into_iter().for_each(|line| output.line(line));
    output.result(&as_json(federation, now));
    session.close().await;
    Ok(())
}

/// An agreement as scripts read it.
pub(super) fn agreement_json(agreement: &Agreement) -> Value {
    json!({
        "round": agreement.round, "rule": agreement.rule.as_str(), "lambda_ppm": agreement.lambda,
        "digest": agreement.digest(), "deal": agreement.deal.as_ref().map(deal_json),
        "expires": agreement.expires,
    })
}

/// The latest round.
pub(super) fn latest(federation: &Federation) -> Result<&Round, Failure> {
    federation.rounds().last().ok_or_else(|| {
        Failure::unverified("round-wrong", "no round has been opened yet")
            .hint("the operator opens one with `potluck round open`")
    })
}

fn words(federation: &Federation, now: u64) -> Vec<String> {
    let (charter, Some(round)) = (federation.charter(), federation.rounds().last()) else {
        return vec!["No round has been opened yet; the operator opens one.".to_owned()];
    };
    let mut words = vec![format!("Round {} is over these experts:", round.number)];
    words.extend(round.experts.iter().map(|(party, manifest)| {
        let said = match (round.proposals.get(party), round.commitments.contains_key(party)) {
            (Some(lambda), _) => format!("proposes {lambda}"),
            (None, true) => "is committed".to_owned(),
            (None, false) => "has not proposed yet".to_owned(),
        };
        format!("  {party:<12} {}  {said}", manifest.short())
    }));
    if let Some(bargain) = &round.bargain {
        words.push(format!(
            "What the proposals entitle to, where there is no deal: {}",
            bargain.entitlement
        ));
        let deal = round.agreement.as_ref().and_then(|agreement| agreement.deal.as_ref());
        words.extend(candidates::words(bargain, deal));
    }
    words.extend(round.stances.iter().map(|(party, said)| match said.reason.as_str() {
        "" => format!("  {party}: {}", said.stance.as_str()),
        reason => format!("  {party}: {} ({reason})", said.stance.as_str()),
    }));
    let names =
        || -> Vec<&str> { round.missing(charter, now).into_iter().map(PartyId::as_str).collect() };
    let (rules, opened) = (charter.rounds(), round.opened.unwrap_or(0));
    let until =
        |end: Option<u64>| end.map_or_else(String::new, |end| format!(", until {}", utc(end)));
    words.push(match (round.phase(charter, now), &round.agreement, &round.soup) {
        (Phase::Commit, ..) => {
            format!(
                "It waits for the commitments of {}{}.",
                names().join(", "),
                until(rules.commits_end(opened))
            )
        }
        (Phase::Reveal, ..) => {
            format!("It waits for {}{}.", names().join(", "), until(rules.reveals_end(opened)))
        }
        (Phase::Nominate, ..) => format!(
            "Candidates can be nominated with `potluck round nominate`; it waits for {}{}.",
            names().join(", "),
            until(round.ends(charter))
        ),
        (Phase::Score, ..) => format!(
            "Candidates are scored with `potluck round score`; it waits for the commitments of {}{}.",
            names().join(", "),
            until(round.ends(charter))
        ),
        (Phase::Show, ..) => format!(
            "Scores are shown with `potluck round reveal`; it waits for {}{}.",
            names().join(", "),
            until(round.ends(charter))
        ),
        (Phase::Ratify, Some(agreement), _) => format!(
            "{} is chosen, and comes into force once it is ratified with `potluck round ratify`; {} can still speak{}.",
            agreement.lambda,
            names().join(", "),
            until(round.ends(charter))
        ),
        (Phase::Close, ..) => {
            "Its deadline is over; any member closes it with `potluck round close`.".to_owned()
        }
        (_, Some(Agreement { lambda, deal: Some(deal), .. }), None) => {
            format!("{} The operator can publish the soup.", deal_words(lambda, deal))
        }
        (_, Some(agreement), None) => format!(
            "By the rule '{}' they agreed on {}. The operator can publish the soup.",
            agreement.rule.as_str(),
            agreement.lambda
        ),
        (_, Some(agreement), Some(soup)) => format!(
            "They agreed on {}; the soup is published: {} of BLAKE3 {}.",
            agreement.lambda,
            bytes(soup.file.size),
            soup.file.blake3
        ),
        (_, None, _) if round.withdrawn.is_some() => {
            "It is void: a party took its expert back. The operator can open another.".to_owned()
        }
        (_, None, _) => {
            "It was closed without an agreement: too few proposed. The operator can open another."
                .to_owned()
        }
    });
    words.extend(standing(federation, round, now));
    words
}

/// Whether a published soup is in force, and until when.
fn standing(federation: &Federation, round: &Round, now: u64) -> Option<String> {
    round.soup.as_ref()?;
    let expires = round.agreement.as_ref().and_then(|it| it.expires);
    match (lapse(federation, round, now), expires) {
        (Some(why), _) => Some(format!("The soup of round {} {why}.", round.number)),
        (None, Some(end)) => Some(format!("It is in force until {}.", utc(end))),
        (None, None) => None,
    }
}

/// How a bargain ended.
pub(super) fn deal_words(lambda: &Lambda, deal: &Deal) -> String {
    match deal.outcome {
        Outcome::Chosen { candidate, .. } => {
            format!(
                "By the rule '{}' candidate {} is chosen: {lambda}.",
                deal.rule.as_str(),
                candidate + 1
            )
        }
        Outcome::Fallback(why) => {
            format!(
                "There is no deal: {}. What the proposals entitle to holds: {lambda}.",
                why.sentence()
            )
        }
    }
}

fn as_json(federation: &Federation, now: u64) -> Value {
    let (charter, Some(round)) = (federation.charter(), federation.rounds().last()) else {
        return json!({
            "round": null, "state": "none", "experts": {}, "commitments": {}, "proposals": {},
            "missing": [], "ends": null, "bargain": null, "stances": {}, "agreement": null, "soup": null,
            "in_force": null, "withdrawn": null,
        });
    };
    let state = round.state(charter, now);
    let soup = round.soup.as_ref().map(|soup| {
        json!({
            "index": soup.index, "recipe": soup.recipe.digest(), "blake3": soup.file.blake3,
            "sha256": soup.file.sha256, "size": soup.file.size,
        })
    });
    let opened = round.opened.unwrap_or(0);
    json!({
        "round": round.number, "state": state, "experts": round.experts,
        "commitments": round.commitments, "proposals": round.proposals,
        "missing": round.missing(charter, now), "ends": round.ends(charter),
        "bargain": round.bargain.as_ref().map(candidates::as_json), "stances": round.stances,
        "commits_end": charter.rounds().commits_end(opened),
        "reveals_end": charter.rounds().reveals_end(opened),
        "agreement": round.agreement.as_ref().map(agreement_json), "soup": soup,
        "in_force": federation.in_force(now).map(|round| round.number),
        "withdrawn": round.withdrawn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn each_state_has_its_words() {
        assert!(words(Story::founded().federation(), 0)[0].contains("No round"));
        let mut story = Story::with_round();
        let last = |story: &Story| {
            let federation = story.federation();
            (words(federation, 0).pop().unwrap(), as_json(federation, 0)["state"].clone())
        };
        assert_eq!(last(&story), ("It waits for agency, readers.".to_owned(), "open".into()));
        story.propose("agency", "agency=0.75,readers=0.25");
        assert_eq!(last(&story).0, "It waits for readers.");
        story.propose("readers", "agency=0.25,readers=0.75");
        let (agreed, state) = last(&story);
        assert_eq!(state, "agreed");
        assert!(agreed.contains("'mean'") && agreed.contains("agency=0.5,readers=0.5"), "{agreed}");
        story.publish();
        assert_eq!(last(&story).1, "published");
        story.withdraw("readers", "a source asked for it");
        assert!(last(&story).0.contains("a party took its expert back"), "{}", last(&story).0);
        assert_eq!(as_json(story.federation(), 0)["in_force"], Value::Null);
    }
}
