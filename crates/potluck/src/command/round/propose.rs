//! `potluck round propose`: a party says which λ it wants.

use potluck_core::entry::{Commit, Reveal};
use potluck_core::{Body, Lambda, PartyId};
use serde_json::json;

use super::sealed::{Drawer, Sealed};
use super::status::{agreement_json, latest};
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::ledger::Ledger;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Propose λ in the open round (party)
///
/// λ names exactly the round's parties; its weights are decimals between 0 and 1, or parts per million, and sum to
/// one. A proposal is final. The last one brings about the agreement.
///
/// Where the charter has sealed rounds, this commits to the proposal and keeps it in rounds/ of the folder; once all are
/// committed, `potluck round reveal` shows it.
///
/// Example: potluck round propose --dir mine agency=0.25,checkers=0.25,readers=0.5
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// The proposed weights, as NAME=WEIGHT,…
    lambda: String,
}

/// Records the proposal, unless the same is recorded already.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let lambda: Lambda = args.lambda.parse().map_err(Failure::input)?;
    let (folder, party) = party_folder(&args.member)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let round = latest(session.federation())?.number;
    if session.federation().charter().rounds().sealed {
        return commit(session, &folder, round, &party, &lambda, output).await;
    }

    let before = session.find_own(|ledger| proposed_before(ledger, round, &party, &lambda));
    let said = match before {
        Some(index) => session.said_before(index).await?,
        None => {
            session.say(Body::Reveal(Reveal { round, lambda: lambda.clone(), nonce: None })).await?
        }
    };
    let rounds = session.federation().rounds();
    let agreement = rounds.iter().find(|it| it.number == round).and_then(|it| it.agreement.clone());
    session.close().await;

    let verb = if before.is_some() { "had proposed" } else { "proposes" };
    output.line(format!("{party} {verb} {lambda}: entry {} of the ledger.", said.index));
    match &agreement {
        Some(agreement) => output.line(format!("Agreed: {}", agreement.lambda)),
        None => output.line("Others have still to propose; `potluck round status` says who."),
    }
    output.result(&json!({
        "index": said.index, "round": round, "lambda_ppm": lambda,
        "agreement": agreement.as_ref().map(agreement_json),
        "receipt": said.receipt, "already": before.is_some(),
    }));
    Ok(())
}

/// Binds the party to its proposal, unless it is.
async fn commit(
    mut session: MemberSession,
    folder: &Folder,
    round: u64,
    party: &PartyId,
    lambda: &Lambda,
    output: &Output,
) -> Result<(), Failure> {
    let drawer = Drawer::proposal(folder, session.federation().id(), round, party);
    let bound = latest(session.federation())?.commitments.get(party).copied();
    let kept = drawer.read()?;
    let is_bound = |it: &Sealed<Lambda>| bound == Some(drawer.commitment(it));
    let (index, sealed) = match (bound, kept) {
        (Some(_), Some(kept)) if is_bound(&kept) && kept.said == *lambda => (None, kept),
        (Some(_), Some(kept)) if is_bound(&kept) => {
            let message = format!("{party} is committed to {} in round {round}", kept.said);
            return Err(Failure::unverified("round-wrong", message)
                .hint("a commitment is final; `potluck round reveal` shows it"));
        }
        (Some(_), _) => {
            let message = format!(
                "{party} is committed in round {round}, but not to what is kept in this folder"
            );
            return Err(Failure::unverified("commitment-mismatch", message)
                .hint("show it from the folder from which it was committed to"));
        }
        (None, _) => {
            // Bound is bound: what would be refused when it is shown is refused now.
            let federation = session.federation();
            federation.check_proposal(latest(federation)?, lambda)?;
            let sealed = drawer.seal(lambda.clone())?;
            let commitment = drawer.commitment(&sealed);
            let said = session.say(Body::Commit(Commit { round, commitment })).await?;
            (Some(said), sealed)
        }
    };
    session.close().await;
    output.line(match &index {
        Some(said) => format!("{party} is committed: entry {} of the ledger.", said.index),
        None => format!("{party} is committed to this already."),
    });
    output.line(format!(
        "The proposal is kept in {}; `potluck round reveal` shows it once all are committed.",
        drawer.path().display()
    ));
    output.result(&json!({
        "index": index.as_ref().map(|said| said.index), "round": round,
        "commitment": drawer.commitment(&sealed), "kept": drawer.path(),
        "receipt": index.as_ref().map(|said| said.receipt.clone()), "already": index.is_none(),
    }));
    Ok(())
}

/// Where the party proposed this very λ in this round.
fn proposed_before(ledger: &Ledger, round: u64, party: &PartyId, lambda: &Lambda) -> Option<u64> {
    let round = ledger.federation().rounds().iter().find(|it| it.number == round)?;
    if round.proposals.get(party) != Some(lambda) {
        return None;
    }
    ledger.proposed_at(party)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    #[test]
    fn only_the_very_same_proposal_was_made_before() {
        let story = Story::published();
        let ledger = story.ledger();
        let agency: PartyId = "agency".parse().unwrap();
        let same = "agency=0.75,readers=0.25".parse().unwrap();
        let index = proposed_before(&ledger, 1, &agency, &same).unwrap();
        assert_eq!(index, 6);
        let other = "agency=0.5,readers=0.5".parse().unwrap();
        assert_eq!(proposed_before(&ledger, 1, &agency, &other), None);
        assert_eq!(proposed_before(&ledger, 2, &agency, &same), None);
    }
}
