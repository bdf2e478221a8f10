//! `potluck push`: a party hands in its expert.

mod base;
mod given;
mod memo;
mod outbox;
mod ready;

use std::path::{Path, PathBuf};

use potluck_core::entry::Submission;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, Body, Code, Federation, PartyId};
use potluck_net::{Client, Content, Transfer};
use potluck_soup::checkpoint::Kind as CheckpointKind;
use serde_json::json;

use self::base::Said as BaseSaid;
use self::memo::Memo;
use self::outbox::{Hashed, Outbox};
use self::ready::{Kitchen, Made, Ready, Task};
use super::busy;
use crate::failure::{Failure, Kind, warn};
use crate::folder::Folder;
use crate::interchange::Companions;
use crate::ledger::Ledger;
use crate::output::{Output, bytes};
use crate::place::{Door, Line, Member, warn_of_shortfall};
use crate::progress::Progress;
use crate::recorded::Recorded;
use crate::session::{MemberSession, Said};
use crate::start;

/// Sign and hand in an expert (party)
///
/// FOLDER is what this trainer or any other left: model.safetensors, shards with their index, or a LoRA adapter as PEFT
/// writes it; and perhaps card.json, of which base_blake3, begun_from_blake3 and reward_commitment are read. Where the
/// charter says from what experts start, and this one started from something else, that is said, or it is not handed in, as
/// the charter has it. An adapter is merged into the base, or handed in as it is where the charter has `[adapters]`; of
/// shards one file is made; other dtypes, wrappers' prefixes of names and tied copies become as the base has them, all
/// without loading a checkpoint whole. That needs the base: --base, or where `potluck pull` leaves it. What others need to
/// verify the expert without Potluck is kept beside the receipt; see `potluck bundle`. An upload that was cut off goes on
/// where it was, without hashing a file anew that did not change; weights that the ledger speaks of already, whoever's, are
/// not sent again; of a new version, what the base or the party's expert in force has at the same place is not sent either;
/// pushing what is in already changes nothing.
///
/// Examples: potluck push --dir mine mine/outbox; potluck push --dir mine --base base trl-output
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// The folder with the expert, or its file of weights
    folder: PathBuf,
    /// The base: its folder [default: base in this folder or in --dir], or the BLAKE3 of the weights from which the expert was
    /// trained [default: the card's, or the federation's]
    #[arg(long, value_name = "DIR|HEX")]
    base: Option<String>,
    /// Where to keep what is made of a folder in another form [default: state/prepared in --dir]
    #[arg(long, value_name = "DIR")]
    prepared: Option<PathBuf>,
    /// What `potluck reward commit` printed, if the expert binds itself to a reward [default: the card's]
    #[arg(long, value_name = "HEX")]
    reward_commitment: Option<Blake3>,
    /// BLAKE3 of the weights with which training began [default: the card's; of an adapter, the base's]
    #[arg(long, value_name = "HEX")]
    begun_from: Option<Blake3>,
    /// Push model.safetensors as it is, and leave it to the aggregator to look at its header
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    line: Line,
}

/// Reads the outbox, signs the submission, sends what the aggregator lacks.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, party) = party_folder(&args.member)?;
    let base = args.base.as_deref().map(str::parse::<BaseSaid>).transpose().map_err(base_flag)?;
    let Ready { weights, made } = ready(args, base.as_ref(), (&folder, &party), output).await?;
    let outbox = Outbox::open(weights, card_folder(&args.folder), args.no_check)?;
    let is_adapter = made.as_ref().is_some_and(ready::Made::is_adapter);
    let outbox = if is_adapter { outbox.of_adapter() } else { outbox };
    let memo = Memo::at(folder.hashed());
    let outbox = outbox.hash(&memo, &Progress::begin(output, "hashing"))?;
    let tuning = args.line.tuning();
    let mut session = MemberSession::open_tuned(&args.member, &folder, tuning).await?;
    warn_of_shortfall(session.client());

    let base = base.and_then(|base| if let BaseSaid::Digest(it) = base { Some(it) } else { None });
    let stated = Stated { base, reward: args.reward_commitment };
    let submission = submission(&outbox, &stated, session.ledger());
    check_kind(&submission, session.ledger())?;
    let before = session.find_own(|ledger| submitted_before(ledger, &party, &submission));
    let (said, resumed_from) = match before {
        Some(index) => (session.said_before(index).await?, 0),
        None => {
            let begun = begun_from(args, &outbox, made.as_ref(), session.federation())?;
            if let Some(sentence) = start::compare(session.federation(), begun)? {
                warn(sentence);
            }
            let door = Door { tuning, ..args.member.door(&folder)? };
            let others = door.connect_more(args.line.connections() - 1).await;
            let sent = send(&mut session, (&submission, &outbox), &others, output).await;
            for other in others {
                other.close().await;
            }
            sent.inspect_err(|failure| {
                if failure.code() == Code::ContentCorrupt.as_str() || failure.kind() == Kind::Input
                {
                    memo.forget();
                }
            })?
        }
    };
    keep_beside(&session, &folder, &party, &said)?;
    session.close().await;

    let already = before.is_some();
    report(&Pushed { party, outbox, made, submission, said, resumed_from, already }, output);
    Ok(())
}

/// What is to be pushed: the file that was given, or one in the base's form that is made of it.
///
/// No connection stays open while that takes its time.
async fn ready(
    args: &Args,
    base: Option<&BaseSaid>,
    (folder, party): (&Folder, &PartyId),
    output: &Output,
) -> Result<Ready, Failure> {
    if args.no_check {
        return Ok(Ready { weights: args.folder.join(WEIGHTS), made: None });
    }
    match Task::of(&args.folder, base, folder)? {
        Task::AsItIs(weights) => Ok(Ready { weights, made: None }),
        Task::Make(given, candidates) => {
            let session = MemberSession::open(&args.member, folder).await?;
            let entry = session.ledger().federation().base_weights().clone();
            let rules = session.ledger().federation().charter().adapters().copied();
            session.close().await;
            let place = args.prepared.clone().unwrap_or_else(|| folder.prepared());
            let kitchen = Kitchen { folder, party, place, output };
            match (given.kind() == CheckpointKind::Adapter, rules) {
                (true, Some(rules)) => kitchen.pack(&given, candidates, &entry, rules.shared_a),
                (false, Some(_)) => Err(no_adapter()),
                (_, None) => kitchen.make(&given, candidates, &entry),
            }
        }
    }
}

/// A card lies beside the weights.
fn card_folder(given: &Path) -> &Path {
    let beside = given.parent().filter(|_| given.is_file());
    beside.unwrap_or(given)
}

/// Records the submission; says how many bytes stood there already: from an earlier try, or in other weights.
async fn send(
    session: &mut MemberSession,
    (submission, outbox): (&Submission, &Hashed),
    others: &[Client],
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
    let said = session.submit(Body::Submit(submission.clone()), &content, others, moved).await?;
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
    made: Option<Made>,
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
    if let Some(made) = &pushed.made {
        made.say(output);
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
        "prepared": pushed.made.as_ref().map(Made::json),
    }));
}

/// A party's folder, and whose it is.
pub(super) fn party_folder(member: &Member) -> Result<(Folder, PartyId), Failure> {
    let folder = Folder::party(&member.dir)?;
    let party = folder.party_id().cloned();
    let party = party.ok_or_else(|| Failure::input(format!("{folder} is no party's folder")))?;
    Ok((folder, party))
}

fn base_flag(error: String) -> Failure {
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

/// Refuses full weights where the charter has adapters, before they are sent.
fn check_kind(submission: &Submission, ledger: &Ledger) -> Result<(), Failure> {
    let charter = ledger.federation().charter();
    let is_weights = submission.manifest.weights().is_some();
    if charter.adapters().is_some() && is_weights { Err(no_adapter()) } else { Ok(()) }
}

fn no_adapter() -> Failure {
    let message = "an expert of this federation is a LoRA adapter, and these are full weights";
    Failure::new(Kind::Input, "manifest-refused", message).hint(
        "push the folder that PEFT saved, with adapter_config.json and adapter_model.safetensors, not what it was merged into",
    )
}

/// With which weights training began, as far as anybody says so.
fn begun_from(
    args: &Args,
    outbox: &Hashed,
    made: Option<&Made>,
    federation: &Federation,
) -> Result<Option<Blake3>, Failure> {
    let card = &outbox.card;
    let said = args.begun_from.or(card.begun_from_blake3).or(card.base_blake3);
    if !made.is_some_and(Made::is_of_adapter) {
        return Ok(said);
    }
    let base = federation.base_weights().blake3;
    match said {
        Some(said) if said != base => {
            let message =
                "the adapter was trained over other weights than the base that it goes on";
            let cure = "merge it into the weights it began with (PEFT's merge_and_unload), and push the folder with the result";
            Err(Failure::input(message).differs(base, said).hint(cure))
        }
        _ => Ok(Some(base)),
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
