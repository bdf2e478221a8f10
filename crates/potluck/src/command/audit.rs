//! `potluck audit`: everything that the aggregator says, done again by somebody who believes nothing.
//!
//! ```text
//! connect ─▶ ledger ─▶ replay ─▶ checkpoint ─▶ state ─▶ memory ─▶ experts ─▶ soups
//! ```

mod verdict;

use std::path::{Path, PathBuf};

use potluck_core::federation::Soup;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{FileEntry, PartyId};
use potluck_net::{Client, Transfer, connect};
use potluck_soup::{Blended, blend};

use self::verdict::{AuditedExpert, AuditedSoup, Trail};
use super::mix::blend_failure;
use super::{busy, threads};
use crate::failure::{Failure, Kind};
use crate::ledger::{Ledger, Memory, Replay, Submitted, download};
use crate::output::{Output, bytes};
use crate::place::{Door, Reader};
use crate::progress::Progress;

/// Check everything: replay the ledger, fetch the experts, recompute the soups
///
/// All that is needed is the address and the log's public key. The first step that differs ends it with exit code
/// 4. Where the charter keeps experts to the parties, only a party can audit them: give its folder with --dir.
///
/// Example: potluck audit --address kitchen.example:4433 --log-key potluck/news+… --out audited
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    reader: Reader,
    /// Keep experts, recomputed soups and what was seen of the ledger in this folder [default: none is kept]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Goes through the steps; whatever ends them, the verdict is printed.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut trail = Trail::new(output);
    match audit(args, &mut trail).await {
        Ok(()) => {
            output.result(&trail.verdict(None));
            Ok(())
        }
        // Not the federation's fault: no verdict.
        Err(failure) if failure.kind() != Kind::Refused => Err(failure),
        Err(failure) => {
            output.result(&trail.verdict(Some(&failure)));
            Err(trail.blame(&failure).reported())
        }
    }
}

async fn audit(args: &Args, trail: &mut Trail<'_>) -> Result<(), Failure> {
    let door = door(args)?;
    let kitchen = Kitchen::open(args.out.as_deref())?;

    trail.begin("connect");
    let client = connect(&door.address, &door.server()?, &door.identity).await?;
    trail.passed(format!("{} holds the pinned log key", door.address));

    let ledger = read_ledger(&client, &door, trail).await?;
    fetch_experts(&client, &ledger, &kitchen, trail).await?;
    client.close().await;
    recompute_soups(&ledger, &kitchen, trail)?;
    trail.line("Everything is as the ledger says.");
    Ok(())
}

/// A stranger's memory stands in the folder that the audit keeps.
fn door(args: &Args) -> Result<Door, Failure> {
    let mut door = args.reader.door()?;
    let kept = args.out.as_ref().map(|out| Memory::at(out.join("state")));
    door.memory = door.memory.or(kept);
    Ok(door)
}

/// As [`Ledger::read`], step by step.
async fn read_ledger(
    client: &Client,
    door: &Door,
    trail: &mut Trail<'_>,
) -> Result<Ledger, Failure> {
    let held = door.memory.as_ref().map(Memory::hold).transpose()?;
    trail.begin("ledger");
    let (entries, checkpoint) = download(client, 0, &door.log).await?.into_parts();
    trail.passed(format!("{} entries, under a checkpoint that the log signed", checkpoint.size()));

    trail.begin("replay");
    let replay = Replay::of(entries)?;
    let name = replay.federation().charter().name().clone();
    trail.passed(format!("every signature and every rule of {name} holds"));

    trail.begin("checkpoint");
    let ledger = replay.seal(checkpoint, &door.log)?;
    trail.found(&ledger);
    trail.passed(
        "the tree over the entries has the signed root, which is the inclusion of each of them",
    );
    trail.begin("state");
    trail.passed(format!(
        "replay leads to the signed state {}",
        ledger.federation().digest().short()
    ));

    if let Some(held) = held {
        trail.begin("memory");
        let is_new = held.is_new();
        held.confirm(&ledger, &door.log)?;
        trail.passed(if is_new { "remembered from here on" } else { "nothing was taken back" });
    }
    Ok(ledger)
}

/// Fetches every expert that was ever submitted; what streams in is verified against its signed digest.
async fn fetch_experts(
    client: &Client,
    ledger: &Ledger,
    kitchen: &Kitchen,
    trail: &mut Trail<'_>,
) -> Result<(), Failure> {
    trail.begin("experts");
    for expert in ledger.submitted() {
        let Some(file) = expert.manifest.weights() else { continue };
        let target = kitchen.expert(expert)?;
        let progress = Progress::begin(trail.output(), format!("expert of {}", expert.party));
        let moved = |transfer: Transfer| progress.at(transfer.done, transfer.total);
        let (party, index) = (&expert.party, expert.index);
        let fetched = client.fetch(file, &target, moved).await;
        fetched.map_err(|error| {
            Failure::from(error).about(format!("the expert of {party}, entry {index}"))
        })?;
        drop(progress);
        trail.expert(AuditedExpert::of(expert, file));
        trail.passed(format!("{party}, entry {index}: {} as signed", bytes(file.size)));
    }
    Ok(())
}

/// Follows the recipe of every published soup, and compares what comes out with what was published.
fn recompute_soups(
    ledger: &Ledger,
    kitchen: &Kitchen,
    trail: &mut Trail<'_>,
) -> Result<(), Failure> {
    trail.begin("soups");
    for round in ledger.federation().rounds() {
        let Some(soup) = &round.soup else { continue };
        let blended = recompute(ledger, soup, round.number, kitchen, trail.output())?;
        trail.soup(AuditedSoup {
            round: round.number,
            blake3: soup.file.blake3,
            recomputed_blake3: blended.blake3,
        });
        if !is_same(&soup.file, &blended) {
            let message = format!(
                "the soup of round {} is published as {}, recomputed it is {}",
                round.number, soup.file.blake3, blended.blake3
            );
            return Err(Failure::unverified("soup-mismatch", message));
        }
        trail.passed(format!("round {}: {} bit for bit", round.number, soup.file.blake3));
    }
    Ok(())
}

fn recompute(
    ledger: &Ledger,
    soup: &Soup,
    round: u64,
    kitchen: &Kitchen,
    output: &Output,
) -> Result<Blended, Failure> {
    let experts = soup.recipe.experts().iter().map(|ingredient| {
        let submitted = ledger.expert(&ingredient.party, &ingredient.manifest);
        let submitted = submitted.ok_or_else(|| {
            let message =
                format!("the recipe names an expert of {} that is not in", ingredient.party);
            Failure::unverified("recipe-mismatch", message)
        })?;
        Ok((ingredient.party.clone(), kitchen.expert(submitted)?))
    });
    let experts: Vec<(PartyId, PathBuf)> = experts.collect::<Result<_, Failure>>()?;
    let target = kitchen.soup(round)?;
    let progress = Progress::begin(output, format!("soup of round {round}"));
    busy(|| {
        let mut moved = |done, total| progress.at(done, total);
        match &target {
            Some(target) => blend(&soup.recipe, &experts, target, threads(), &mut moved),
            None => potluck_soup::recompute(&soup.recipe, &experts, threads(), &mut moved),
        }
    })
    .map_err(|error| {
        let failure = blend_failure(&error);
        // The files are those of the ledger: what is wrong with them was let in.
        if failure.kind() == Kind::Input {
            return Failure::unverified(failure.code(), failure.message());
        }
        failure
    })
}

fn is_same(published: &FileEntry, recomputed: &Blended) -> bool {
    (published.size, published.blake3, published.sha256)
        == (recomputed.size, recomputed.blake3, recomputed.sha256)
}

/// Where an audit keeps its files.
struct Kitchen {
    folder: PathBuf,
    /// Removes the folder in the end where nobody asked to keep it.
    temporary: Option<tempfile::TempDir>,
}

impl Kitchen {
    fn open(out: Option<&Path>) -> Result<Self, Failure> {
        if let Some(out) = out {
            return Ok(Self { folder: out.to_owned(), temporary: None });
        }
        let temporary =
            tempfile::Builder::new().prefix("potluck-audit-").tempdir().map_err(|error| {
                Failure::system(format!("cannot make a temporary folder: {error}"))
                    .hint("--out names a folder to use")
            })?;
        Ok(Self { folder: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn expert(&self, expert: &Submitted) -> Result<PathBuf, Failure> {
        self.weights(&format!("experts/{}-{}", expert.party, expert.index))
    }

    /// Nowhere, where soups are not kept: their digests are all that an audit needs.
    fn soup(&self, round: u64) -> Result<Option<PathBuf>, Failure> {
        match self.temporary {
            Some(_) => Ok(None),
            None => self.weights(&format!("soups/round-{round}")).map(Some),
        }
    }

    fn weights(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| {
            Failure::system(format!("cannot make {}: {error}", folder.display()))
        })?;
        Ok(folder.join(WEIGHTS))
    }
}
