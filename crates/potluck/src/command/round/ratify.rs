//! `potluck round ratify` and `object`: how a party stands to an agreement.

use potluck_core::Body;
use potluck_core::entry::{Ratify, Stance};
use serde_json::json;

use super::status::{agreement_json, latest};
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Ratify the agreement, or let it pass (party)
///
/// Where the charter asks for it, an agreement comes into force once enough weight has ratified.
///
/// Example: potluck round ratify --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct RatifyArgs {
    #[command(flatten)]
    member: Member,
    /// Neither ratify nor object
    #[arg(long)]
    abstain: bool,
    /// Why, in public words
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Object to the agreement, with a reason that stays on record (party)
///
/// Example: potluck round object --dir mine --reason 'too short for our readers'
#[derive(Debug, clap::Args)]
pub(super) struct ObjectArgs {
    #[command(flatten)]
    member: Member,
    /// Why, in public words
    #[arg(long, value_name = "WORDS")]
    reason: String,
}

/// Ratifies or abstains.
pub(super) async fn ratify(args: &RatifyArgs, output: &Output) -> Result<(), Failure> {
    let stance = if args.abstain { Stance::Abstain } else { Stance::Ratify };
    stand(&args.member, stance, &args.reason, output).await
}

/// Objects.
pub(super) async fn object(args: &ObjectArgs, output: &Output) -> Result<(), Failure> {
    stand(&args.member, Stance::Dissent, &args.reason, output).await
}

async fn stand(
    member: &Member,
    stance: Stance,
    reason: &str,
    output: &Output,
) -> Result<(), Failure> {
    let (folder, party) = party_folder(member)?;
    let mut session = MemberSession::open(member, &folder).await?;
    let round = latest(session.federation())?;
    let Some(agreement) = round.agreement.clone() else {
        let message = format!("round {} has no agreement to speak of", round.number);
        return Err(Failure::unverified("round-wrong", message)
            .hint("`potluck round status` says what it waits for"));
    };
    let number = round.number;
    let ratify =
        Ratify { round: number, agreement: agreement.digest(), stance, reason: reason.to_owned() };
    let said = session.say(Body::Ratify(ratify)).await?;
    let round = latest(session.federation())?;
    let now = round.agreement.clone();
    let needs_more = round.is_unratified(session.federation().charter());
    session.close().await;
    let verb = match stance {
        Stance::Ratify => "ratifies",
        Stance::Abstain => "abstains from",
        Stance::Dissent => "objects to",
    };
    output
        .line(format!("{party} {verb} {}: entry {} of the ledger.", agreement.lambda, said.index));
    match &now {
        Some(now) if *now != agreement => {
            output.line(format!(
                "It cannot be ratified any more. What holds instead: {}",
                now.lambda
            ));
        }
        None => output.line("It cannot be ratified any more, and the round is void."),
        Some(_) if needs_more => output.line("Others have still to ratify."),
        Some(_) => output.line("The operator can publish the soup."),
    }
    output.result(&json!({
        "index": said.index, "round": number, "stance": stance.as_str(),
        "agreement": now.as_ref().map(agreement_json), "needs_more": needs_more,
        "receipt": said.receipt,
    }));
    Ok(())
}
