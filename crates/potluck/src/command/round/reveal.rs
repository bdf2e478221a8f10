//! `potluck round reveal`: a party shows what it committed to, its proposal or its scores.

use potluck_core::entry::{Reveal, RevealScores};
use potluck_core::{Body, PartyId};
use serde_json::json;

use super::score::Open;
use super::sealed::Drawer;
use super::status::{agreement_json, latest};
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::{MemberSession, Said};

/// Show what you committed to: your proposal, or your scores of a batch (party)
///
/// Both are shown once every party is committed, or the time for that is over.
///
/// Example: potluck round reveal --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, party) = party_folder(&args.member)?;
    let session = MemberSession::open(&args.member, &folder).await?;
    match Open::find(session.federation()) {
        Ok(_) => scores(session, &folder, &party, output).await,
        Err(_) => proposal(session, &folder, &party, output).await,
    }
}

async fn proposal(
    mut session: MemberSession,
    folder: &Folder,
    party: &PartyId,
    output: &Output,
) -> Result<(), Failure> {
    let round = latest(session.federation())?.clone();
    let drawer = Drawer::proposal(folder, session.federation().id(), round.number, party);
    let Some(sealed) = drawer.read()? else {
        let message = format!("there is no proposal for round {} in this folder", round.number);
        return Err(Failure::input(message)
            .hint("it is kept where it was committed to, in rounds/ of that folder"));
    };
    let is_own = |it: Option<&potluck_core::Lambda>| it == Some(&sealed.said);
    let before = session.find_own(|ledger| {
        let round = ledger.federation().rounds().iter().find(|it| it.number == round.number)?;
        is_own(round.proposals.get(party)).then(|| ledger.proposed_at(party))?
    });
    let said = match before {
        Some(index) => session.said_before(index).await?,
        None => {
            let (lambda, nonce) = (sealed.said.clone(), Some(sealed.nonce));
            session.say(Body::Reveal(Reveal { round: round.number, lambda, nonce })).await?
        }
    };
    let agreement = latest(session.federation())?.agreement.clone();
    session.close().await;
    let verb = if before.is_some() { "had proposed" } else { "proposes" };
    output.line(format!("{party} {verb} {}: entry {} of the ledger.", sealed.said, said.index));
    match &agreement {
        Some(agreement) => output.line(format!("Agreed: {}", agreement.lambda)),
        None => output.line("`potluck round status` says what the round waits for."),
    }
    output.result(&json!({
        "index": said.index, "round": round.number, "lambda_ppm": sealed.said,
        "agreement": agreement.as_ref().map(agreement_json),
        "receipt": said.receipt, "already": before.is_some(),
    }));
    Ok(())
}

async fn scores(
    mut session: MemberSession,
    folder: &Folder,
    party: &PartyId,
    output: &Output,
) -> Result<(), Failure> {
    let open = Open::find(session.federation())?;
    let (round, batch) = (open.round.number, open.number);
    let drawer = Drawer::ballot(folder, session.federation().id(), (round, batch), party);
    let Some(sealed) = drawer.read()? else {
        let message =
            format!("there are no scores of batch {batch} of round {round} in this folder");
        return Err(Failure::input(message)
            .hint("`potluck round score` and `potluck round commit` come first, from one folder"));
    };
    let is_shown = open.batch.ballots.get(party) == Some(&sealed.said);
    let said: Option<Said> = if is_shown {
        None
    } else {
        let (ballot, nonce) = (sealed.said.clone(), sealed.nonce);
        Some(session.say(Body::RevealScores(RevealScores { round, batch, ballot, nonce })).await?)
    };
    let agreement = latest(session.federation())?.agreement.clone();
    session.close().await;
    output.line(match &said {
        Some(said) => {
            format!(
                "{party} shows its scores of batch {batch}: entry {} of the ledger.",
                said.index
            )
        }
        None => format!("{party} has shown its scores of batch {batch} already."),
    });
    match &agreement {
        Some(agreement) => output.line(format!("Agreed: {}", agreement.lambda)),
        None => output.line("`potluck round status` says what the round waits for."),
    }
    output.result(&json!({
        "index": said.as_ref().map(|it| it.index), "round": round, "batch": batch,
        "agreement": agreement.as_ref().map(agreement_json),
        "receipt": said.as_ref().map(|it| it.receipt.clone()), "already": said.is_none(),
    }));
    Ok(())
}
