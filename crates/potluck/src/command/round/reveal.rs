//! `potluck round reveal`: a party shows the proposal that it committed to.

use potluck_core::Body;
use potluck_core::entry::Reveal;
use serde_json::json;

use super::sealed::Drawer;
use super::status::{agreement_json, latest};
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Show the proposal that you committed to, in a sealed round (party)
///
/// Proposals are shown once every party is committed, or the time for that is over.
///
/// Example: potluck round reveal --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, party) = party_folder(&args.member)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let round = latest(session.federation())?.clone();
    let drawer = Drawer::of(&folder, session.federation().id(), round.number, &party);
    let Some(sealed) = drawer.read()? else {
        let message = format!("there is no proposal for round {} in this folder", round.number);
        return Err(Failure::input(message)
            .hint("it is kept where it was committed to, in rounds/ of that folder"));
    };
    let is_own = |it: Option<&potluck_core::Lambda>| it == Some(&sealed.lambda);
    let before = session.find_own(|ledger| {
        let round = ledger.federation().rounds().iter().find(|it| it.number == round.number)?;
        is_own(round.proposals.get(&party)).then(|| ledger.proposed_at(&party))?
    });
    let said = match before {
        Some(index) => session.said_before(index).await?,
        None => {
            let (lambda, nonce) = (sealed.lambda.clone(), Some(sealed.nonce));
            session.say(Body::Reveal(Reveal { round: round.number, lambda, nonce })).await?
        }
    };
    let agreement = latest(session.federation())?.agreement.clone();
    session.close().await;
    let verb = if before.is_some() { "had proposed" } else { "proposes" };
    output.line(format!("{party} {verb} {}: entry {} of the ledger.", sealed.lambda, said.index));
    match &agreement {
        Some(agreement) => output.line(format!("Agreed: {}", agreement.lambda)),
        None => output.line("Others have still to show theirs; `potluck round status` says who."),
    }
    output.result(&json!({
        "index": said.index, "round": round.number, "lambda_ppm": sealed.lambda,
        "agreement": agreement.as_ref().map(agreement_json),
        "receipt": said.receipt, "already": before.is_some(),
    }));
    Ok(())
}
