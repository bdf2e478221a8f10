//! `potluck ledger`: what stands in the ledger, and what it amounts to.

use potluck_core::federation::Effect;
use potluck_core::{Author, Federation};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::ledger::{Ledger, Line};
use crate::output::Output;
use crate::place::Reader;
use crate::session::Session;

/// List the ledger's entries, verified
///
/// Example: potluck ledger --address kitchen.example:4433 --log-key potluck/news+…
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    reader: Reader,
}

/// Verifies the ledger and lists it.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let session = Session::open(&args.reader.door()?).await?;
    for line in words(&session.ledger) {
        output.line(line);
    }
    output.result(&as_json(&session.ledger));
    session.close().await;
    Ok(())
}

fn words(ledger: &Ledger) -> Vec<String> {
    let federation = ledger.federation();
    let name = federation.charter().name();
    let mut words = vec![format!("Federation {name} ({})", federation.id().short())];
    words.extend(ledger.lines().iter().enumerate().map(|(index, line)| {
        let author = author(federation, line);
        format!(
            "{index:>6}  {:<10}  {author:<12}  {}",
            line.kind().as_str(),
            effects(line).join("; ")
        )
    }));
    let checkpoint = ledger.checkpoint();
    words.push(format!("{} entries under the root {}", checkpoint.size(), checkpoint.root()));
    words
}

fn author(federation: &Federation, line: &Line) -> String {
    let members = federation.members();
    let now = members.owner(line.record.key).map(|(author, _)| author);
    // A key that is no longer in force is still known as whose it was.
    let then = || members.retired(line.record.key).map(|retired| &retired.of);
    now.or_else(then).map_or(String::new(), Author::to_string)
}

/// What an entry brought about, in words.
fn effects(line: &Line) -> Vec<String> {
    let words = |effect: &Effect| match effect {
        Effect::Admitted(party) => format!("{party} is in"),
        Effect::Invited(party) => format!("{party} is invited"),
        Effect::Suspended(party) => format!("{party} is suspended"),
        Effect::Reinstated(party) => format!("{party} is no longer suspended"),
        Effect::KeyChanged(author, role) => format!("{author} has a new {role} key"),
        Effect::KeyRevoked(author, role) => format!("the {role} key of {author} is void"),
        Effect::Vouched(author) => format!("a vote for a new key of {author}"),
        Effect::Submitted(party) => format!("the expert of {party} is in"),
        Effect::Opened(round) => format!("round {round} is open"),
        Effect::Revealed(party) => format!("{party} proposed"),
        Effect::Agreed(agreement) => format!("agreed on {}", agreement.lambda),
        Effect::Published(round) => format!("the soup of round {round} is published"),
    };
    line.effects.iter().map(words).collect()
}

fn as_json(ledger: &Ledger) -> Value {
    let (federation, checkpoint) = (ledger.federation(), ledger.checkpoint());
    let entries = ledger.lines().iter().enumerate().map(|line| entry(line, federation));
    json!({
        "federation": {"id": federation.id(), "name": federation.charter().name()},
        "checkpoint": {"size": checkpoint.size(), "root": checkpoint.root()},
        "state": federation.digest(),
        "entries": entries.collect::<Vec<_>>(),
        "parties": parties(federation),
        "experts": experts(federation),
        "rounds": federation.rounds().len(),
    })
}

fn entry((index, line): (usize, &Line), federation: &Federation) -> Value {
    json!({
        "index": index, "kind": line.kind(), "author": author(federation, line),
        "envelope": line.record.envelope, "effects": effects(line),
    })
}

fn parties(federation: &Federation) -> Map<String, Value> {
    let seats = federation.charter().parties().iter();
    seats
        .map(|(party, seat)| {
            let member = federation.members().get(&Author::Party(party.clone()));
            let key = member.and_then(|member| member.sign).map(|key| key.to_string());
            (party.to_string(), json!({"weight": seat.weight, "key": key}))
        })
        .collect()
}

fn experts(federation: &Federation) -> Map<String, Value> {
    let described = federation.experts().iter().filter_map(|(party, expert)| {
        let weights = expert.manifest.weights()?;
        let described = json!({
            "index": expert.index, "blake3": weights.blake3, "size": weights.size,
            "manifest": expert.manifest.digest(),
        });
        Some((party.to_string(), described))
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn a_story_reads_as_it_happened() {
        let story = Story::published();
        let said: Vec<_> = words(&story.ledger())
            .into_iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert!(said[0].starts_with("Federation news ("));
        assert_eq!(
            said[1..said.len() - 1],
            [
                "0 genesis operator",
                "1 admit operator agency is in",
                "2 admit operator readers is in",
                "3 submit agency the expert of agency is in",
                "4 submit readers the expert of readers is in",
                "5 open_round operator round 1 is open",
                "6 reveal agency agency proposed",
                "7 reveal readers readers proposed; agreed on agency=0.5,readers=0.5",
                "8 publish operator the soup of round 1 is published",
            ]
        );
        let json = as_json(&story.ledger());
        assert_eq!(json["checkpoint"]["size"], 9);
        assert_eq!(json["entries"][7]["author"], "readers");
        assert_eq!(json["parties"]["agency"]["weight"], 1);
    }
}
