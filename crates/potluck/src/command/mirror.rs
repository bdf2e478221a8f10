//! `potluck mirror`: a verified copy of a log, to be audited without a network and served to others.
//!
//! ```text
//! follow, verify ─▶ envelope/, tile/ ─▶ checkpoint ─▶ cosigned ─▶ blob/ (with --experts)
//! ```
//!
//! The folder speaks of new entries only once its checkpoint does, so it can be used at any time, and a copy that was
//! cut off goes on where it was.

mod serve;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use potluck_log::VerifierKey;
use potluck_net::archive::ArchiveWriter;
use potluck_net::{Client, Transfer};
use serde_json::json;

use super::audit::book::{Book, Submitted};
use crate::durable::{self, Readers};
use crate::duration::duration;
use crate::failure::{Failure, Kind, warn};
use crate::ledger::{COSIGNED, Leaves, Ledger, Line, Memory, Start, archive_failure, blob_path};
use crate::output::{Output, bytes};
use crate::patience::patiently;
use crate::place::{Door, Reader};
use crate::progress::Progress;

/// Keep a verified copy of a log (anyone)
///
/// The copy is laid out as C2SP tlog-tiles has it, with the signed statements beside the tiles; `potluck audit DIR`
/// checks it without a network, and any web server can serve it. Run it again to fetch what is new, or let it do that
/// itself with --every.
///
/// Example: potluck mirror --address kitchen.example:4433 --log-key potluck/news+… --out copy --experts
///
/// Example: potluck mirror --address kitchen.example:4433 --log-key potluck/news+… --out copy --serve 0.0.0.0:8080 --every 60s
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    reader: Reader,
    /// The folder of the copy
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Copy the experts too, so that the soups can be made again without a network
    #[arg(long)]
    experts: bool,
    /// Read the whole log again, and mend what is damaged in the copy
    #[arg(long)]
    repair: bool,
    /// Then serve the copy over HTTP, to be read only
    #[arg(long, value_name = "ADDRESS:PORT")]
    serve: Option<SocketAddr>,
    /// Go on, and fetch what is new each time so long has passed: 60s, 30m, 12h or 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    every: Option<Duration>,
}

/// Where a copy begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// Where it ended.
    TheEnd,
    /// At the genesis.
    TheGenesis,
}

/// Brings the copy up to date, once or again and again, and serves it meanwhile.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let door = args.reader.door()?;
    let first = update(args, &door, output).await?;
    first.tell(args, output);
    let mut serving = match args.serve {
        Some(address) => Some(serve::begin(&args.out, address, output).await?),
        None => None,
    };
    match (args.every, &mut serving) {
        (Some(every), _) => return go_on(args, &door, every, output).await,
        (None, Some(serving)) => _ = serving.join_next().await,
        (None, None) => first.result(args, output),
    }
    Ok(())
}

/// Fetches what is new, for as long as it is let.
async fn go_on(args: &Args, door: &Door, every: Duration, output: &Output) -> Result<(), Failure> {
    loop {
        tokio::time::sleep(every).await;
        match update(args, door, output).await {
            Ok(updated) if updated.new > 0 => updated.tell(args, output),
            Ok(_) => {}
            // It may be back next time; whatever else is wrong will still be.
            Err(failure) if failure.kind() == Kind::Unreachable => warn(&failure),
            Err(failure) => return Err(failure),
        }
    }
}

/// A copy that is up to date.
struct Updated {
    ledger: Ledger,
    /// How many entries were not in it before.
    new: u64,
    experts: u64,
}

impl Updated {
    fn tell(&self, args: &Args, output: &Output) {
        let (out, size) = (args.out.display(), self.ledger.checkpoint().size());
        output.line(format!("{out} holds {size} entries, {} of them new.", self.new));
        if args.experts {
            output.line(format!("{} experts are in it.", self.experts));
        }
        output.line(format!("Check it: potluck audit {out} --offline --log-key KEY"));
    }

    fn result(&self, args: &Args, output: &Output) {
        let Self { ledger, new, experts } = self;
        output.result(&json!({
            "out": args.out, "size": ledger.checkpoint().size(), "new": new,
            "root": ledger.checkpoint().root(),
            "cosigned": ledger.cosigned().map(|it| it.size()), "experts": experts,
        }));
    }
}

/// Brings the copy up to date.
async fn update(args: &Args, door: &Door, output: &Output) -> Result<Updated, Failure> {
    let client = door.connect().await?;
    // Experts that were replaced since are known only to whoever sees all entries.
    let is_first = args.experts && !args.out.join("blob").is_dir();
    let from = if args.repair || is_first { From::TheGenesis } else { From::TheEnd };
    let (ledger, book) = copy(&client, &door.log, &args.out, from).await?;
    let mut experts = 0;
    if args.experts {
        for expert in book.all() {
            fetch(&client, expert, &args.out, output).await?;
            experts += 1;
        }
    }
    client.close().await;
    Ok(Updated { ledger, new: book.count(), experts })
}

/// Follows the log from where the copy ends.
async fn copy(
    source: &impl crate::ledger::Source,
    log: &VerifierKey,
    out: &Path,
    from: From,
) -> Result<(Ledger, Book), Failure> {
    let broken = |error| archive_failure(out, &error);
    let held = Memory::at(out.join("state")).hold()?;
    let mut book = Book::default();
    let (mut writer, start) = match (held.resume(log), ArchiveWriter::open(out)) {
        (Some(replay), Ok(writer))
            if from == From::TheEnd
                && (writer.size(), writer.root()) == (replay.len(), replay.frontier().root()) =>
        {
            book.begin(replay.federation());
            (writer, Start::After(Box::new(replay)))
        }
        // What is right in the folder is left alone, what is not is written again.
        _ => (ArchiveWriter::begin(out), Start::Genesis(Leaves::Dropped)),
    };
    let mut visit = |line: Line<'_>| {
        book.note(&line);
        writer.push(line.entry).map_err(broken)
    };
    let ledger = Ledger::settle(source, log, Some(held), start, &mut visit).await?;
    let cosigned = ledger.cosigned();
    let same = cosigned.filter(|it| it.size() == ledger.checkpoint().size());
    writer.seal(same.unwrap_or(ledger.checkpoint()).note()).map_err(broken)?;
    if let Some(cosigned) = cosigned {
        let path = out.join(COSIGNED);
        durable::write(&path, cosigned.note().as_bytes(), Readers::Anyone).map_err(|error| {
            Failure::system(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    Ok((ledger, book))
}

async fn fetch(
    client: &Client,
    expert: &Submitted,
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let target = blob_path(out, expert.weights.blake3);
    let folder = target.parent().unwrap_or(out);
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::system(format!("cannot make {}: {error}", folder.display())))?;
    let is_new = !target.is_file();
    let progress = Progress::begin(output, format!("expert of {}", expert.party));
    let moved = |transfer: Transfer| progress.at(transfer.done, transfer.total);
    let fetched = patiently(async || client.fetch(&expert.weights, &target, moved).await).await;
    fetched.map_err(|error| {
        Failure::from(error)
            .about(format!("the expert of {}, entry {}", expert.party, expert.index))
    })?;
    if is_new {
        let size = bytes(expert.weights.size);
        output.line(format!("{}, entry {}: {size}", expert.party, expert.index));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
