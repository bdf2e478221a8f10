//! `potluck charter show`: the charter in force, and what is put to the vote.

use potluck_core::federation::Amendment;
use potluck_core::{Author, Blake3, Charter, Federation, PartyId};
use serde_json::{Value, json};

use super::check;
use super::difference::difference;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Reader;
use crate::session::Session;
use crate::start::Start;

/// Show the charter in force in plain words, and what is put to the vote
///
/// Example: potluck charter show --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    reader: Reader,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let session = Session::open(args.reader.door()?).await?;
    words(session.federation())?.into_iter().for_each(|line| output.line(line));
    output.result(&as_json(session.federation()));
    session.close().await;
    Ok(())
}

fn words(federation: &Federation) -> Result<Vec<String>, Failure> {
    let charter = federation.charter();
    let mut lines =
        vec![format!("Version {} of the charter is in force.", federation.charter_version())];
    lines.extend(check::meaning(charter));
    if charter.adapters().is_none_or(|rules| rules.shared_a.is_none()) {
        lines.push(format!(
            "Adapters that share their factor A draw it from the seed {}.",
            federation.id().adapter_seed()
        ));
    }
    if let Some(start) = Start::now(federation) {
        lines.push(format!("Experts now start from {start}."));
    }
    if federation.amendments().is_empty() {
        lines.push("No other charter is put to the vote.".to_owned());
    }
    for (digest, amendment) in federation.amendments() {
        lines.push(String::new());
        lines.push(format!(
            "{} put version {} to the vote (entry {}); `potluck charter endorse {digest}` endorses it:",
            by(&amendment.by),
            amendment.version,
            amendment.index
        ));
        lines.extend(difference(charter, &amendment.charter)?);
        lines.extend(progress(federation, amendment));
    }
    Ok(lines)
}

/// Who put something to the vote.
pub(super) fn by(author: &Author) -> String {
    match author {
        Author::Operator => "The operator".to_owned(),
        Author::Party(party) => party.to_string(),
    }
}

/// Who endorsed it, and how much is missing by the old charter and by the new.
pub(super) fn progress(federation: &Federation, amendment: &Amendment) -> Vec<String> {
    let names: Vec<_> = amendment.endorsed.iter().map(PartyId::as_str).collect();
    let names = if names.is_empty() {
        "Nobody has endorsed it yet".to_owned()
    } else {
        format!("Endorsed by {}", names.join(", "))
    };
    let part = |name: &str, charter: &Charter| {
        let Votes { with, all, needed } = votes(federation, charter, amendment);
        format!("{with} of {all} by the weights of the {name} charter, where {needed} are needed")
    };
    let (old, new) = (part("present", federation.charter()), part("new", &amendment.charter));
    vec![format!("{names}: {old}; {new}.")]
}

/// Weights for a charter, of the seats that are taken.
struct Votes {
    with: u64,
    all: u64,
    needed: u64,
}

fn votes(federation: &Federation, charter: &Charter, amendment: &Amendment) -> Votes {
    let weight = |party: &PartyId| u64::from(charter.weight(party));
    let is_taken =
        |party: &&PartyId| federation.members().get(&Author::Party((*party).clone())).is_some();
    let all = charter.parties().keys().filter(is_taken).map(weight).sum();
    let with = amendment.endorsed.iter().map(weight).sum();
    // Who makes a charter that nobody can change needs everybody.
    let permille = match charter.amendment().permille {
        0 => 1000,
        permille => u128::from(permille),
    };
    let needed = (u128::from(all) * permille).div_ceil(1000);
    Votes { with, all, needed: u64::try_from(needed).unwrap_or(u64::MAX).max(1) }
}

fn as_json(federation: &Federation) -> Value {
    let amendments = federation.amendments().iter().map(|(digest, amendment)| {
        let count = |charter| {
            let Votes { with, all, needed } = votes(federation, charter, amendment);
            json!({"with": with, "all": all, "needed": needed})
        };
        json!({
            "digest": digest, "index": amendment.index, "version": amendment.version,
            "by": amendment.by.to_string(), "endorsed": amendment.endorsed,
            "by_present": count(federation.charter()), "by_new": count(&amendment.charter),
            "charter": amendment.charter,
        })
    });
    json!({
        "version": federation.charter_version(), "charter": federation.charter(),
        "meaning": check::meaning(federation.charter()),
        "adapter_seed": federation.id().adapter_seed(),
        "start": Start::now(federation).map(|start| start.json()),
        "amendments": amendments.collect::<Vec<_>>(),
    })
}

/// What is put to the vote under a digest, or under digits with which one alone begins.
pub(super) fn find<'f>(
    federation: &'f Federation,
    digits: &str,
) -> Result<(Blake3, &'f Amendment), Failure> {
    let begins = |digest: &Blake3| digits.len() >= 8 && digest.to_string().starts_with(digits);
    let mut found = federation.amendments().iter().filter(|(digest, _)| begins(digest));
    match (found.next(), found.next()) {
        (Some((digest, amendment)), None) => Ok((*digest, amendment)),
        _ => Err(Failure::input(format!("no one charter {digits} is put to the vote"))
            .hint("`potluck charter show` lists what is; eight digits of its digest are enough")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;
    use crate::samples::bargain::charter;

    const AMENDABLE: &str = "[amendment]\npermille = 600\n";

    #[test]
    fn what_is_put_to_the_vote_is_shown_with_what_is_missing() {
        let mut story = Story::without_round(AMENDABLE);
        assert!(words(story.federation()).unwrap().iter().any(|it| it.starts_with("No other")));
        story.amend("operator", &charter(AMENDABLE).replace("weight = 2", "weight = 1"));
        let (digest, _) = story.federation().amendments().iter().next().unwrap();
        let digest = *digest;
        let shown = words(story.federation()).unwrap();
        assert!(shown.contains(&"  parties.agency.weight = 1 (was 2)".to_owned()), "{shown:#?}");
        assert!(shown.last().unwrap().starts_with("Nobody has endorsed it yet: 0 of 4 by"));
        story.endorse("agency", digest);
        let shown = words(story.federation()).unwrap();
        assert_eq!(
            shown.last().unwrap(),
            "Endorsed by agency: 2 of 4 by the weights of the present charter, where 3 are needed; 1 of 3 by the weights of the new charter, where 2 are needed."
        );
        assert_eq!(find(story.federation(), &digest.to_string()[..8]).unwrap().0, digest);
        assert!(find(story.federation(), "").is_err());
        story.endorse("readers", digest);
        assert_eq!(story.federation().charter_version(), 2);
        assert!(words(story.federation()).unwrap()[0].starts_with("Version 2"));
        assert_eq!(as_json(story.federation())["amendments"], json!([]));
    }
}
