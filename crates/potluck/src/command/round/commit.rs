//! `potluck round commit`: a party binds itself to its scores of the open batch.

use potluck_core::Body;
use potluck_core::entry::CommitScores;
use potluck_core::federation::bargain::check_ballot;
use serde_json::json;

use super::score::{Notebook, Open, ballot};
use super::sealed::Drawer;
use crate::command::push::party_folder;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Bind yourself to your scores of the open batch, without showing them (party)
///
/// What you would not live with, whatever else it gives, you refuse: it will not be chosen. A commitment is final. Once all are
/// bound, `potluck round reveal` shows the scores: gains over no deal, as parts of your own best, and nothing else.
///
/// Example: potluck round commit --dir mine --refuse 3,5
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// Candidates that you do not accept, by their numbers
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    refuse: Vec<usize>,
}

/// Seals the ballot and records the commitment, unless that is done.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, party) = party_folder(&args.member)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let federation = session.federation();
    let open = Open::find(federation)?;
    let (round, batch) = (open.round.number, open.number);
    let drawer = Drawer::ballot(&folder, federation.id(), (round, batch), &party);
    let bound = open.batch.commitments.get(&party).copied();
    if let Some(bound) = bound {
        let kept = drawer.read()?.filter(|kept| drawer.commitment(kept) == bound);
        if kept.is_none() {
            let message = format!(
                "{party} is committed to batch {batch}, but not to what is kept in this folder"
            );
            return Err(Failure::unverified("commitment-mismatch", message)
                .hint("show it from the folder from which it was committed to"));
        }
        session.close().await;
        output.line(format!("{party} is committed to its scores of batch {batch} already."));
        output.result(&json!({
            "round": round, "batch": batch, "commitment": bound, "kept": drawer.path(), "already": true,
        }));
        return Ok(());
    }
    let pages = Notebook::of(&folder, federation.id()).read()?;
    let scored = open.tally(&pages)?.ok_or_else(|| {
        Failure::input(format!("batch {batch} of round {round} is not scored yet"))
            .hint("`potluck round score` does that")
    })?;
    if let Some(number) =
        args.refuse.iter().find(|it| !scored.iter().any(|row| row.number + 1 == **it))
    {
        let numbers: Vec<_> = scored.iter().map(|row| (row.number + 1).to_string()).collect();
        let message =
            format!("--refuse {number}: the batch has the candidates {}", numbers.join(", "));
        return Err(Failure::input(message));
    }
    let ballot = ballot(&scored, &args.refuse);
    if let Some(rules) = federation.charter().bargain() {
        // Bound is bound: what would be refused when it is shown is refused now.
        check_ballot(rules, open.batch, &ballot)?;
    }
    let sealed = drawer.seal(ballot)?;
    let commitment = drawer.commitment(&sealed);
    let said = session.say(Body::CommitScores(CommitScores { round, batch, commitment })).await?;
    session.close().await;
    output.line(format!(
        "{party} is committed to its scores of batch {batch}: entry {} of the ledger.",
        said.index
    ));
    output.line("`potluck round reveal` shows them once all are committed.");
    output.result(&json!({
        "index": said.index, "round": round, "batch": batch, "commitment": commitment,
        "kept": drawer.path(), "receipt": said.receipt, "already": false,
    }));
    Ok(())
}
