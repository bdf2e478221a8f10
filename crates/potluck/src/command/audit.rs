//! `potluck audit`: everything that the aggregator says, done again by somebody who believes nothing.
//!
//! ```text
//! source ─▶ ledger ─▶ replay ─▶ checkpoint ─▶ state ─▶ memory ─▶ tiles ─▶ times ─▶ keys ─▶ bundles
//!                                                               └─▶ witnesses ─▶ experts ─▶ soups
//! ```

pub(super) mod book;
mod kitchen;
mod recompute;
pub(super) mod report;
mod verdict;

use std::path::PathBuf;

use self::book::Book;
use self::kitchen::Kitchen;
use self::recompute::Which;
use self::verdict::Trail;
use super::target::Target;
use crate::clock::now;
use crate::durable::{self, Readers};
use crate::failure::{Failure, Kind};
use crate::ledger::{Leaves, Ledger, Line, Memory, Source, Standing, Start, read_snapshot};
use crate::output::Output;
use crate::place::{Door, Reader};

/// How far the log's time may be ahead of this machine's before it is remarked, in seconds: clocks differ.
const TOLERANCE: u64 = 600;

/// Check everything: replay the ledger, fetch the experts, recompute the soups
///
/// WHERE is an aggregator's address, a member's folder, or a folder that `potluck mirror` made,
/// which needs no network. All that is needed besides is the log's public key. Where the charter
/// keeps experts to the parties, only a party can audit them: give its folder.
///
/// Exit codes: 0 everything is as the ledger says; 4 something differs, and the verdict names the
/// first step; 6 the log told two stories or took something back; 7 too few witnesses vouch for a
/// soup; 5 nobody answers; 3 a file or a value is not what it must be; 1 this machine fails.
///
/// Examples:
///   potluck audit kitchen.example:4433 --log-key potluck/news+… --report audit.html
///   potluck audit copy --log-key potluck/news+… --offline
///   potluck audit --dir mine --recompute latest
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// An aggregator's address, a member's folder, or a mirror
    #[arg(value_name = "WHERE", conflicts_with = "address")]
    place: Option<String>,
    #[command(flatten)]
    reader: Reader,
    /// Go on from a snapshot (state/snapshot in a folder of --out, of a member or of a mirror), if what it says is
    /// what the log signed
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Which soups to make again: all, latest, none, or that of one round
    #[arg(long, value_name = "WHICH", default_value = "all")]
    recompute: Which,
    /// Refuse to touch the network: WHERE must be a mirror
    #[arg(long)]
    offline: bool,
    /// Keep experts, recomputed soups and what was seen of the ledger in this folder [default: none is kept]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write a report that a browser opens, to be read and filed
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Goes through the steps; whatever ends them, the verdict is printed.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut trail = Trail::new(output);
    let ended = audit(args, &mut trail).await;
    let failure = match ended {
        Ok(()) => None,
        // Not the federation's fault: no verdict.
        Err(failure) if failure.kind() != Kind::Refused => return Err(failure),
        Err(failure) => Some(failure),
    };
    let verdict = trail.finish(failure.as_ref());
    if let Some(path) = &args.report {
        let page = report::page(&verdict);
        durable::write(path, page.as_bytes(), Readers::Anyone).map_err(|error| {
            Failure::system(format!("cannot write {}: {error}", path.display()))
        })?;
        output.line(format!("The report is {}.", path.display()));
    }
    output.result(&verdict.as_json());
    failure.map_or(Ok(()), |failure| Err(trail.blame(&failure).reported()))
}

async fn audit(args: &Args, trail: &mut Trail<'_>) -> Result<(), Failure> {
    // A stranger's memory stands in the folder that the audit keeps.
    let kept = args.out.as_ref().map(|out| Memory::at(out.join("state")));
    let target = Target::of(args.place.as_deref(), &args.reader, args.offline, kept)?;
    let kitchen = Kitchen::open(args.out.as_deref())?;
    trail.begin("source");
    match target {
        Target::Online(door) => {
            let client = door.connect().await?;
            trail.passed(format!("{} holds the pinned log key", door.address));
            trail.repeats(&door.address, &door.log);
            let pantry = kitchen::Pantry::Aggregator(&client);
            let ended = steps(args, &client, &door, &pantry, &kitchen, trail).await;
            client.close().await;
            ended
        }
        Target::Folder(mirror, door) => {
            trail.passed(format!("{} holds a copy of the log", mirror.folder().display()));
            trail.repeats(&mirror.folder().display().to_string(), &door.log);
            let pantry = kitchen::Pantry::Folder(&mirror);
            steps(args, &mirror, &door, &pantry, &kitchen, trail).await
        }
    }
}

async fn steps(
    args: &Args,
    source: &impl Source,
    door: &Door,
    pantry: &kitchen::Pantry<'_>,
    kitchen: &Kitchen,
    trail: &mut Trail<'_>,
) -> Result<(), Failure> {
    let (ledger, book) = read_ledger(args, source, door, pantry, trail).await?;
    check_times(&ledger, &book, trail)?;
    trail.keys(&ledger, &book);
    check_bundles(&book, trail)?;
    check_witnesses(&ledger, &args.recompute, trail)?;
    recompute::experts(&ledger, &book, &args.recompute, pantry, kitchen, trail).await?;
    recompute::soups(&ledger, &book, &args.recompute, kitchen, trail)
}

/// As [`Ledger::read_whole`], step by step.
async fn read_ledger(
    args: &Args,
    source: &impl Source,
    door: &Door,
    pantry: &kitchen::Pantry<'_>,
    trail: &mut Trail<'_>,
) -> Result<(Ledger, Book), Failure> {
    let held = door.memory.as_ref().map(crate::ledger::Memory::hold).transpose()?;
    let is_new = held.as_ref().is_none_or(crate::ledger::Held::is_new);
    trail.begin("ledger");
    let mut book = Book::default();
    let start = match &args.from {
        None => Start::Genesis(Leaves::Dropped),
        Some(path) => {
            let (replay, _) = read_snapshot(path, &door.log).map_err(|error| {
                let text = format!("{}: {}", path.display(), crate::failure::in_full(&error));
                Failure::unverified("snapshot-refused", text)
            })?;
            let (size, state) = (replay.len(), replay.federation().digest());
            book.begin(replay.federation());
            trail.passed(format!(
                "the snapshot's state {} is the one that the log signed over {size} entries",
                state.short()
            ));
            Start::After(Box::new(replay))
        }
    };
    let mut shelf = pantry.shelf(matches!(start, Start::Genesis(_)));
    let mut visit = |line: Line<'_>| {
        book.note(&line);
        shelf.as_mut().map_or(Ok(()), |shelf| shelf.compare(line.index, line.entry))
    };
    let ledger = Ledger::settle(source, &door.log, held, start, &mut visit).await?;
    trail.found(&ledger);
    trail.passed(format!(
        "{} entries, under a checkpoint that the log signed",
        ledger.checkpoint().size()
    ));
    trail.begin("replay");
    trail.passed(format!(
        "every signature and every rule of {} holds, in {} entries",
        ledger.federation().charter().name(),
        book.count()
    ));
    trail.begin("checkpoint");
    trail.passed("the tree over the entries has the signed root, which is the inclusion of each");
    trail.begin("state");
    let state = ledger.federation().digest();
    trail.passed(format!("replay leads to the signed state {}", state.short()));
    if door.memory.is_some() {
        trail.begin("memory");
        trail.passed(if is_new { "remembered from here on" } else { "nothing was taken back" });
    }
    if let Some(shelf) = shelf {
        trail.begin("tiles");
        shelf.finish()?;
        trail.passed("every tile of hashes is that of the entries");
    }
    Ok((ledger, book))
}

/// That time never runs backwards is a rule of the replay; that it does not run ahead only this machine can say.
fn check_times(ledger: &Ledger, book: &Book, trail: &mut Trail<'_>) -> Result<(), Failure> {
    trail.begin("times");
    let (latest, now) = (ledger.federation().time(), now()?);
    let ahead = latest.saturating_sub(now);
    if ahead > TOLERANCE {
        trail.warned(format!("the log's time is {ahead} seconds ahead of this machine's clock"));
        return Ok(());
    }
    let from = book.first_time().unwrap_or(latest);
    trail.passed(format!(
        "the log's time never runs backwards, from {} to {}",
        report::utc(from),
        report::utc(latest)
    ));
    Ok(())
}

/// What the federation's own rules leave out: that other tools take each submission for what it is.
fn check_bundles(book: &Book, trail: &mut Trail<'_>) -> Result<(), Failure> {
    trail.begin("bundles");
    let bundles = book.bundles();
    if let Some(refused) = &bundles.refused {
        let hint = "the entry stands by the federation's rules; the operator was to refuse it at its intake";
        return Err(Failure::unverified("bundle-refused", refused.clone()).hint(hint));
    }
    trail.passed(match bundles.verified {
        0 => "no expert was handed in".to_owned(),
        count => format!("Sigstore's tools take each of the {count} submissions for its party's"),
    });
    Ok(())
}

fn check_witnesses(ledger: &Ledger, which: &Which, trail: &mut Trail<'_>) -> Result<(), Failure> {
    trail.begin("witnesses");
    let standing = Standing::of(ledger);
    trail.witnessed(&standing);
    for (round, soup) in which.soups(ledger.federation())? {
        standing.demand(soup.index, &format!("the soup of round {}", round.number))?;
    }
    let (by, size) = (standing.by.len(), standing.size);
    let counted = match (standing.quorum, by) {
        (0, 0) => "the charter asks for none, and none cosigned".to_owned(),
        (0, _) => format!("the charter asks for none; {by} vouch for the first {size} entries"),
        (quorum, _) => {
            format!("{by} vouch for the first {size} entries; the charter asks for {quorum}")
        }
    };
    // No soup that was looked at needs them, but the next one will.
    if (by as u64) < u64::from(standing.quorum) {
        trail.warned(counted);
    } else {
        trail.passed(counted);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
