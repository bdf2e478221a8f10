//! `potluck withdraw`: a party takes its expert back.

use potluck_core::entry::Withdraw;
use potluck_core::federation::Round;
use potluck_core::{Author, Body, Federation, PartyId};
use serde_json::json;

use super::ask::Consent;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Take your expert back: no later round has it, and a soup made with it is no longer in force (party)
///
/// A round under way that has it is void. What was downloaded stays where it is: withdrawing says that it should not be used, and
/// takes it from nobody. You may hand in another expert.
///
/// Example: potluck withdraw --dir mine --reason "a source asked us to take its texts out"
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// Why, in one line that everybody reads
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    consent: Consent,
}

/// Says what it does, asks, and says it in the ledger.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::party(&args.member.dir)?;
    let Author::Party(party) = folder.author().clone() else {
        return Err(Failure::input("only a party has an expert to take back"));
    };
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let federation = session.federation();
    let expert = federation.experts().get(&party).ok_or_else(|| {
        Failure::input(format!("{party} has no expert in the federation"))
            .hint("`potluck members` lists what is there")
    })?;
    let expert = expert.manifest.digest();
    let struck: Vec<_> = touched(federation, &party).map(|round| round.number).collect();
    consequences(federation, &party).into_iter().for_each(|line| output.line(line));
    args.consent.demand(&format!("Take the expert {} back?", expert.short()))?;
    let reason = args.reason.clone();
    let said = session.say(Body::Withdraw(Withdraw { expert, reason })).await?;
    session.close().await;
    output
        .line(format!("{party} has no expert here any more: entry {} of the ledger.", said.index));
    output.result(&json!({
        "index": said.index, "party": party, "expert": expert, "rounds": struck,
        "receipt": said.receipt,
    }));
    Ok(())
}

/// The rounds that it ends: with a soup that holds, or under way.
fn touched<'f>(federation: &'f Federation, party: &'f PartyId) -> impl Iterator<Item = &'f Round> {
    let expert = federation.experts().get(party).map(|it| it.manifest.digest());
    federation.rounds().iter().filter(move |round| {
        let share = round.agreement.as_ref().and_then(|it| it.lambda.ppm().get(party));
        let has_none = round.soup.is_some() && share == Some(&0);
        round.experts.get(party).copied() == expert
            && !round.is_void
            && round.withdrawn.is_none()
            && !has_none
    })
}

fn consequences(federation: &Federation, party: &PartyId) -> Vec<String> {
    let words = |round: &Round| match round.soup {
        Some(_) => format!(
            "The soup of round {} is made with it, and will no longer be in force.",
            round.number
        ),
        None => format!("Round {} is under way, and will be void.", round.number),
    };
    let lines: Vec<_> = touched(federation, party).map(words).collect();
    match lines.is_empty() {
        true => vec!["No round and no soup has it.".to_owned()],
        false => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn what_it_ends_is_said_before() {
        let agency: PartyId = "agency".parse().unwrap();
        let said = |story: &Story| consequences(story.federation(), &agency);
        assert_eq!(said(&Story::with_round()), ["Round 1 is under way, and will be void."]);
        let mut story = Story::published();
        assert!(said(&story)[0].starts_with("The soup of round 1 is made with it"));
        story.submit("agency", "another");
        assert_eq!(said(&story), ["No round and no soup has it."]);
        assert_eq!(said(&Story::founded()), ["No round and no soup has it."]);
    }
}
