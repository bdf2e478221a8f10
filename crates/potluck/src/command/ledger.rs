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

/// Verifies the ledger from its genesis on and lists it as it goes by.
///
/// What is listed before the end is verified but for the log's signature over it: the last line, or an error, says.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut listed = Vec::new();
    let mut visit = |line: Line<'_>| {
        if line.index == 0 {
            output.line(title(line.federation));
        }
        output.line(words(&line));
        // Held only where they are to stand in one object.
        if output.is_json() {
            listed.push(entry(&line));
        }
        Ok(())
    };
    let session = Session::open_whole(args.reader.door()?, &mut visit).await?;
    output.line(last_words(&session.ledger));
    output.result(&as_json(&session.ledger, listed));
    session.close().await;
    Ok(())
}

fn title(federation: &Federation) -> String {
    format!("Federation {} ({})", federation.charter().name(), federation.id().short())
}

fn words(line: &Line<'_>) -> String {
    let (kind, author) = (line.record.kind.as_str(), author(line));
    format!("{:>6}  {kind:<10}  {author:<12}  {}", line.index, effects(line.effects).join("; "))
}

fn last_words(ledger: &Ledger) -> String {
    let checkpoint = ledger.checkpoint();
    format!("{} entries under the root {}", checkpoint.size(), checkpoint.root())
}

fn author(line: &Line<'_>) -> String {
    let members = line.federation.members();
    let now = members.owner(line.record.key).map(|(author, _)| author);
    // A key that its own entry replaced is still known as whose it was.
    let then = || members.retired(line.record.key).map(|retired| &retired.of);
    now.or_else(then).map_or(String::new(), Author::to_string)
}

/// What an entry brought about, in words.
fn effects(effects: &[Effect]) -> Vec<String> {
    effects.iter().map(Effect::words).collect()
}

fn as_json(ledger: &Ledger, entries: Vec<Value>) -> Value {
    let (federation, checkpoint) = (ledger.federation(), ledger.checkpoint());
    json!({
        "federation": {"id": federation.id(), "name": federation.charter().name()},
        "checkpoint": {"size": checkpoint.size(), "root": checkpoint.root()},
        "state": federation.digest(),
        "entries": entries,
        "parties": parties(federation),
        "experts": experts(federation),
        "rounds": federation.rounds().len(),
    })
}

fn entry(line: &Line<'_>) -> Value {
    json!({
        "index": line.index, "kind": line.record.kind, "author": author(line),
        "time": line.record.time, "envelope": line.record.envelope, "effects": effects(line.effects),
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
        let weights = expert.manifest.expert()?;
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
    use crate::samples::{Story, read_whole};

    #[test]
    fn a_story_reads_as_it_happened() {
        let story = Story::published();
        let (mut said, mut listed) = (Vec::new(), Vec::new());
        let mut visit = |line: Line<'_>| {
            let words = words(&line);
            said.push(words.split_whitespace().collect::<Vec<_>>().join(" "));
            listed.push(entry(&line));
            Ok(())
        };
        let ledger = read_whole(&story, &mut visit).unwrap();
        assert!(title(ledger.federation()).starts_with("Federation news ("));
        assert_eq!(
            said,
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
        let json = as_json(&ledger, listed);
        assert_eq!(json["checkpoint"]["size"], 9);
        assert_eq!(json["entries"][7]["author"], "readers");
        assert_eq!(json["parties"]["agency"]["weight"], 1);
    }
}
