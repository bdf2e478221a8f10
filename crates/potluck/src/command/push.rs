//! `potluck push`: a party hands in its expert.

mod memo;
mod outbox;

use std::path::PathBuf;

use potluck_core::entry::Submission;
use potluck_core::{Blake3, Body, Code, PartyId};
use potluck_net::{Content, Transfer};
use serde_json::json;

use self::memo::Memo;
use self::outbox::{Hashed, Outbox};
use super::busy;
use crate::failure::{Failure, Kind};
use crate::folder::Folder;
use crate::interchange::Companions;
use crate::ledger::Ledger;
use crate::output::{Output, bytes};
use crate::place::{Line, Member, warn_of_shortfall};
use crate::progress::Progress;
use crate::recorded::Recorded;
use crate::session::{MemberSession, Said};

/// Sign and hand in an expert (party)
///
/// FOLDER holds model.safetensors, from this trainer or any other, and perhaps card.json, of which base_blake3 and
/// reward_commitment are read. What others need to verify the expert without Potluck is kept beside the receipt; see
/// `potluck bundle`. An upload that was cut off goes on where it was, without hashing a file anew that did not change;
/// weights that the ledger speaks of already, whoever's, are not sent again; of a new version, what the base or the party's
/// expert in force has at the same place is not sent either; pushing what is in already changes nothing.
///
/// Example: potluck push --dir mine mine/outbox
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// The folder with the expert
    folder: PathBuf,
    /// BLAKE3 of the weights from which the expert was trained [default: the card's, or the federation's base]
    #[arg(long, value_name = "HEX")]
    base: Option<String>,
    /// What `potluck reward commit` printed, if the expert binds itself to a reward [default: the card's]
    #[arg(long, value_name = "HEX")]
    reward_commitment: Option<Blake3>,
    /// Leave it to the aggregator to look at the file's header
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    line: Line,
}

/// Reads the outbox, signs the submission, sends what the aggregator lacks.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, party) = party_folder(&args.member)?;
    let base = args.base.as_deref().map(str::parse).transpose().map_err(base_flag)?;
    let outbox = Outbox::open(&args.folder, args.no_check)?;
    let memo = Memo::at(folder.hashed());
    let outbox = outbox.hash(&memo, &Progress::begin(output, "hashing"))?;
    let tuning = args.line.tuning();
    let mut session = MemberSession::open_tuned(&args.member, &folder, tuning).await?;
    warn_of_shortfall(session.client());

    let stated = Stated { base, reward: args.reward_commitment };
    let submission = submission(&outbox, &stated, session.ledger());
    let before = session.find_own(|ledger| submitted_before(ledger, &party, &submission));
    let (said, resumed_from) = match before {
        Some(index) => (session.said_before(index).await?, 0),
        None => send(&mut session, &submission, &outbox, output).await.inspect_err(|failure| {
            if failure.code() == Code::ContentCorrupt.as_str() || failure.kind() == Kind::Input {
                memo.forget();
            }
        })?,
    };
    keep_beside(&session, &folder, &party, &said)?;
    session.close().await;

    let already = before.is_some();
    report(&Pushed { party, outbox, submission, said, resumed_from, already }, output);
    Ok(())
}

/// Records the submission; says how many bytes stood there already: from an earlier try, or in other weights.
async fn send(
    session: &mut MemberSession,
    submission: &Submission,
    outbox: &Hashed,
    output: &Output,
) -> Result<(Said, u64), Failure> {
    let Hashed { weights, path, outboard, .. } = outbox;
    let (file, path, outboard) = (weights.clone(), path.clone(), outboard.clone());
    let content = [Content { file, path, outboard }];
    let progress = Progress::begin(output, "sending");
    let mut resumed_from = 0;
    let moved = |transfer: Transfer| {
        resumed_from = transfer.resumed_from;
        progress.at(transfer.done, transfer.total);
    };
    let said = session.submit(Body::Submit(submission.clone()), &content, moved).await?;
    Ok((said, resumed_from))
}

/// Signs what is kept beside the receipt for other people's tools.
fn keep_beside(
    session: &MemberSession,
    folder: &Folder,
    party: &PartyId,
    said: &Said,
) -> Result<(), Failure> {
    let recorded = Recorded::read(&said.receipt, folder.log_key())?;
    let companions = Companions::of(&said.receipt);
    companions.keep(&recorded.envelope, session.federation(), party, session.signer())
}

/// What the flags say.
struct Stated {
    base: Option<Blake3>,
    reward: Option<Blake3>,
}

struct Pushed {
    party: PartyId,
    outbox: Hashed,
    submission: Submission,
    said: Said,
    resumed_from: u64,
    already: bool,
}

fn report(pushed: &Pushed, output: &Output) {
    let Pushed { party, outbox: Hashed { weights, .. }, submission, said, .. } = pushed;
    if pushed.resumed_from > 0 {
        let sent = bytes(weights.size.saturating_sub(pushed.resumed_from));
        let (saved, whole) = (bytes(pushed.resumed_from), bytes(weights.size));
        output.line(format!("{sent} of {whole} sent; {saved} stood there already."));
    }
    let verb = if pushed.already { "was in already" } else { "is in" };
    output.line(format!("The expert of {party} {verb}: entry {} of the ledger.", said.index));
    output.line(format!("Receipt: {}", said.receipt.display()));
    output.result(&json!({
        "index": said.index, "party": party,
        "blake3": weights.blake3, "sha256": weights.sha256, "size": weights.size,
        "manifest": submission.manifest.digest(), "base": submission.base,
        "resumed_from": pushed.resumed_from,
        "sent": if pushed.already { 0 } else { weights.size.saturating_sub(pushed.resumed_from) }, "receipt": said.receipt, "already": pushed.already,
    }));
}

/// A party's folder, and whose it is.
pub(super) fn party_folder(member: &Member) -> Result<(Folder, PartyId), Failure> {
    let folder = Folder::party(&member.dir)?;
    let party = folder.party_id().cloned();
    let party = party.ok_or_else(|| Failure::input(format!("{folder} is no party's folder")))?;
    Ok((folder, party))
}

fn base_flag(error: potluck_core::ids::IdError) -> Failure {
    Failure::input(format!("--base: {error}"))
}

/// What is said: the flag stands above the card, the card above the federation's base.
fn submission(outbox: &Hashed, said: &Stated, ledger: &Ledger) -> Submission {
    let base = said.base.or(outbox.card.base_blake3);
    Submission {
        base: base.unwrap_or(ledger.federation().base_weights().blake3),
        manifest: outbox.manifest.clone(),
        reward_commitment: said.reward.or(outbox.card.reward_commitment),
    }
}

/// Where the expert that is in force says the same.
fn submitted_before(ledger: &Ledger, party: &PartyId, submission: &Submission) -> Option<u64> {
    let expert = ledger.federation().experts().get(party)?;
    let is_same = expert.manifest == submission.manifest
        && expert.reward_commitment == submission.reward_commitment
        && ledger.federation().base_weights().blake3 == submission.base;
    is_same.then_some(expert.index)
}

impl Outbox {
    fn hash(self, memo: &Memo, progress: &Progress) -> Result<Hashed, Failure> {
        busy(|| self.hashed(memo, &mut |done, total| progress.at(done, total)))
    }
}
