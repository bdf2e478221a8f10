//! `potluck round status`: how the latest round stands, in plain words.

use potluck_core::PartyId;
use potluck_core::federation::{Agreement, Round};
use serde_json::{Value, json};

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
    let round = session.federation().rounds().last();
    for line in words(round) {
        output.line(line);
    }
    output.result(&as_json(round));
    session.close().await;
    Ok(())
}

/// An agreement as scripts read it.
pub(super) fn agreement_json(agreement: &Agreement) -> Value {
    json!({
        "round": agreement.round, "rule": agreement.rule.as_str(), "lambda_ppm": agreement.lambda,
    })
}

fn missing(round: &Round) -> Vec<&PartyId> {
    round.experts.keys().filter(|party| !round.proposals.contains_key(*party)).collect()
}

fn words(round: Option<&Round>) -> Vec<String> {
    let Some(round) = round else {
        return vec!["No round has been opened yet; the operator opens one.".to_owned()];
    };
    let mut words = vec![format!("Round {} is over these experts:", round.number)];
    words.extend(round.experts.iter().map(|(party, manifest)| {
        let proposal = round.proposals.get(party);
        let proposal = proposal
            .map_or("has not proposed yet".to_owned(), |lambda| format!("proposes {lambda}"));
        format!("  {party:<12} {}  {proposal}", manifest.short())
    }));
    words.push(match (&round.agreement, &round.soup) {
        (None, _) => {
            let missing: Vec<_> = missing(round).into_iter().map(PartyId::as_str).collect();
            format!("It waits for {}.", missing.join(", "))
        }
        (Some(agreement), None) => format!(
            "All have proposed; by the rule '{}' they agreed on {}. The operator can publish the soup.",
            agreement.rule.as_str(),
            agreement.lambda
        ),
        (Some(agreement), Some(soup)) => format!(
            "They agreed on {}; the soup is published: {} of BLAKE3 {}.",
            agreement.lambda,
            bytes(soup.file.size),
            soup.file.blake3
        ),
    });
    words
}

fn as_json(round: Option<&Round>) -> Value {
    let Some(round) = round else {
        return json!({
            "round": null, "state": "none", "experts": {}, "proposals": {}, "missing": [],
            "agreement": null, "soup": null,
        });
    };
    let state = match (&round.agreement, &round.soup) {
        (None, _) => "open",
        (Some(_), None) => "agreed",
        (Some(_), Some(_)) => "published",
    };
    let soup = round.soup.as_ref().map(|soup| {
        json!({
            "index": soup.index, "recipe": soup.recipe.digest(), "blake3": soup.file.blake3,
            "sha256": soup.file.sha256, "size": soup.file.size,
        })
    });
    json!({
        "round": round.number, "state": state, "experts": round.experts,
        "proposals": round.proposals, "missing": missing(round),
        "agreement": round.agreement.as_ref().map(agreement_json), "soup": soup,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn each_state_has_its_words() {
        assert!(words(None)[0].contains("No round"));
        let mut story = Story::with_round();
        let last = |story: &Story| {
            let round = story.federation().rounds().last();
            (words(round).pop().unwrap(), as_json(round)["state"].clone())
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
    }
}
