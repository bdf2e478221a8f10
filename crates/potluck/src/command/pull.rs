//! `potluck pull`: fetches the base, a soup or an expert, verified while it streams.

mod sources;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use potluck_core::federation::Round;
use potluck_core::manifest::{ADAPTER, WEIGHTS};
use potluck_core::{Code, Federation, FileEntry, PartyId};
use potluck_soup::Durability;
use potluck_soup::adapter::{AdapterError, restored};
use potluck_soup::blend::Making;
use potluck_soup::checkpoint::ADAPTER_CONFIG;
use serde_json::{Value, json};

use self::sources::Sources;
use super::lapse::lapse;
use super::mix::blend_failure;
use super::threads;
use crate::clock::now;
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full, warn};
use crate::ledger::Standing;
use crate::output::{Output, bytes};
use crate::place::{Door, Line, Reader, warn_of_shortfall};
use crate::progress::Progress;

/// Fetch the base, a soup or an expert
///
/// What is fetched is verified against the ledger while it streams; a fetch that was cut off goes
/// on where it was. Of several --from each brings parts of a file, and where one fails the others
/// bring its part. A soup comes with the base's other files (config, tokenizer), so that it loads
/// as it is; where experts are adapters, it is one too, with the adapter_config.json that PEFT
/// reads, and with the factors A where the charter has them drawn from a seed. It is refused until
/// as many witnesses vouch for it as the charter asks for.
///
/// Examples:
///   potluck pull --dir mine base
///   potluck pull --address kitchen.example:4433 --log-key potluck/news+… soup --out soup
///   potluck pull --dir mine expert readers
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    reader: Reader,
    /// What to fetch
    what: What,
    /// Of an expert: whose it is. Of a soup: its round [default: the latest]
    #[arg(required_if_eq("what", "expert"), value_name = "NAME|ROUND")]
    which: Option<String>,
    /// Where to put it [default: base, soup-ROUND or expert-NAME in this folder]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Where to fetch from, in place of --address: from all of them at once, if there are several
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "address")]
    from: Vec<String>,
    #[command(flatten)]
    line: Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The checkpoint from which every expert starts
    Base,
    /// What was published of a round
    Soup,
    /// What a party handed in last
    Expert,
}

/// Finds what is meant in the ledger, then fetches its files.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (mut session, mut sources) = Sources::open(doors(args), args.line.connections()).await?;
    warn_of_shortfall(&session.client);
    let dish = Dish::find(session.federation(), args.what, args.which.as_deref())?;
    let out = args.out.clone().unwrap_or_else(|| dish.name.clone().into());
    if let Some(why) = dish.lapse(session.federation(), now()?) {
        warn(why);
    }

    if let Some(index) = dish.published {
        session.place_cosigned().await?;
        Standing::of(&session.ledger).demand(index, &format!("the {}", dish.name))?;
    }
    for file in &dish.needed {
        fetch(&mut sources, file, &out, output).await?;
    }
    if dish.weights.path == ADAPTER {
        write_config(&out)?;
        put_back_drawn(&out, output)?;
    }
    let mut missing = Vec::new();
    for file in &dish.welcome {
        if !fetch_if_permitted(&mut sources, file, &out, output).await? {
            missing.push(file.path.clone());
        }
    }
    let changes = sources.changes;
    sources.close().await;
    session.close().await;

    report(&dish, (&out, changes), &missing, output);
    Ok(())
}

/// For each source a door to the ledger and one to the files.
fn doors(args: &Args) -> impl Iterator<Item = Result<(Door, Door), Failure>> {
    let given = args.from.iter().map(|address| Some(address.clone()));
    let all: Vec<_> = if args.from.is_empty() { vec![None] } else { given.collect() };
    all.into_iter().map(|from| {
        let door = || -> Result<Door, Failure> {
            let door = args.reader.door_to(from.as_deref())?;
            Ok(Door { tuning: args.line.tuning(), ..door })
        };
        Ok((door()?, door()?))
    })
}

/// What is to be fetched.
struct Dish {
    name: String,
    /// Says in JSON which one it is.
    which: (&'static str, Value),
    weights: FileEntry,
    /// Where a soup was published: enough witnesses must vouch for that entry.
    published: Option<u64>,
    needed: Vec<FileEntry>,
    /// What is left out where the charter keeps it from this reader.
    welcome: Vec<FileEntry>,
}

impl Dish {
    fn find(federation: &Federation, what: What, which: Option<&str>) -> Result<Self, Failure> {
        match what {
            What::Base => Ok(Self::base(federation)),
            What::Soup => Self::soup(federation, which),
            What::Expert => Self::expert(federation, which.unwrap_or_default()),
        }
    }

    fn base(federation: &Federation) -> Self {
        Self {
            name: "base".to_owned(),
            which: ("round", Value::Null),
            weights: federation.base_weights().clone(),
            published: None,
            needed: federation.base().files().to_vec(),
            welcome: Vec::new(),
        }
    }

    fn soup(federation: &Federation, which: Option<&str>) -> Result<Self, Failure> {
        let number = which.map(str::parse::<u64>).transpose().map_err(|_| {
            Failure::input(format!("'{}' is no round's number", which.unwrap_or_default()))
        })?;
        let is_meant =
            |round: &&Round| number.map_or(round.soup.is_some(), |number| round.number == number);
        let round = federation.rounds().iter().rev().find(is_meant);
        let soup = round.and_then(|round| Some((round.number, round.soup.as_ref()?)));
        let (number, soup) = soup.ok_or_else(|| {
            let of_round = number.map_or(String::new(), |number| format!(" of round {number}"));
            Failure::input(format!("no soup{of_round} is published yet"))
                .hint("`potluck round status` says what is missing")
        })?;
        // An adapter is loaded beside its base, and holds nothing of it; the tokenizer is the base's own.
        let is_whole = federation.charter().adapters().is_none();
        let others = federation.base().files().iter();
        let others = others.filter(|file| is_whole && file.path != WEIGHTS);
        Ok(Self {
            name: format!("soup-{number}"),
            which: ("round", number.into()),
            weights: soup.file.clone(),
            published: Some(soup.index),
            needed: vec![soup.file.clone()],
            welcome: others.cloned().collect(),
        })
    }

    /// Why a soup should not be used any more, where that is so. It is fetched all the same: an audit asks for it.
    fn lapse(&self, federation: &Federation, time: u64) -> Option<String> {
        let is_it = |round: &&Round| {
            self.published.is_some() && round.soup.as_ref().map(|it| it.index) == self.published
        };
        let round = federation.rounds().iter().find(is_it)?;
        Some(format!("the soup of round {} {}", round.number, lapse(federation, round, time)?))
    }

    fn expert(federation: &Federation, which: &str) -> Result<Self, Failure> {
        let party: PartyId = which.parse().map_err(Failure::input)?;
        let weights = federation.experts().get(&party).and_then(|it| it.manifest.expert());
        let weights = weights.ok_or_else(|| {
            let there: Vec<_> = federation.experts().keys().map(PartyId::as_str).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Failure::input(format!("no expert of {party} is in; there are: {there}"))
        })?;
        Ok(Self {
            name: format!("expert-{party}"),
            which: ("party", party.as_str().into()),
            weights: weights.clone(),
            published: None,
            needed: vec![weights.clone()],
            welcome: Vec::new(),
        })
    }
}

async fn fetch(
    sources: &mut Sources,
    file: &FileEntry,
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let target = out.join(&file.path);
    let folder = target.parent().unwrap_or(out);
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::system(format!("cannot make {}: {error}", folder.display())))?;
    let progress = Progress::begin(output, &file.path);
    sources.fetch(file, &target, |at| progress.at(at.done, at.total)).await
}

/// Writes down beside an adapter what it means, for PEFT: it stands in the header of the file that was verified.
fn write_config(out: &Path) -> Result<(), Failure> {
    let file = out.join(ADAPTER);
    let config = potluck_soup::adapter::config_of(&file)
        .map_err(|error| Failure::unverified("header-invalid", in_full(&error)))?;
    let missing = || {
        let message = format!("the header of {} does not say what it means", file.display());
        Failure::unverified("adapter-refused", message)
    };
    let target = out.join(ADAPTER_CONFIG);
    durable::write(&target, config.ok_or_else(missing)?.as_bytes(), Readers::Anyone)
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", target.display())))
}

/// Puts factors A, where a federation draws them and the file that was verified holds none, beside the factors B, for PEFT.
fn put_back_drawn(out: &Path, output: &Output) -> Result<(), Failure> {
    let file = out.join(ADAPTER);
    // Only errors would name it.
    let whose: PartyId = "pulled".parse().map_err(Failure::system)?;
    let refused =
        |error: AdapterError| Failure::unverified(Code::AdapterRefused.as_str(), in_full(&error));
    let Some(soup) = restored(&file, &whose).map_err(refused)? else { return Ok(()) };
    let making = Making { threads: threads(), blake3: false, sha256: false };
    soup.files()[0]
        .write(&file, making, Durability::Synced, &mut |_| {})
        .map_err(|error| blend_failure(&error))?;
    output.line(format!(
        "{} has the factors A too, drawn from the charter's seed, so that PEFT reads it: the ledger's file holds B alone.",
        file.display()
    ));
    Ok(())
}

async fn fetch_if_permitted(
    sources: &mut Sources,
    file: &FileEntry,
    out: &Path,
    output: &Output,
) -> Result<bool, Failure> {
    match fetch(sources, file, out, output).await {
        Ok(()) => Ok(true),
        Err(failure) if failure.code() == "not-permitted" => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn report(dish: &Dish, (out, changes): (&Path, usize), missing: &[String], output: &Output) {
    let files: Vec<_> = dish.needed.iter().chain(&dish.welcome).collect();
    let files: Vec<_> = files.into_iter().filter(|file| !missing.contains(&file.path)).collect();
    for file in &files {
        output.line(format!("{}  {}  {}", file.blake3.short(), bytes(file.size), file.path));
    }
    if !missing.is_empty() {
        output.line(format!("The charter keeps from this reader: {}", missing.join(", ")));
    }
    output.line(format!("{} is in {}, as the ledger has it.", dish.name, out.display()));
    let mut result = json!({
        "what": dish.name, "out": out, "blake3": dish.weights.blake3, "files": files,
        "missing": missing, "changes_of_source": changes,
    });
    result[dish.which.0] = dish.which.1.clone();
    output.result(&result);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Story;

    fn find(what: What, which: Option<&str>) -> Result<Dish, Failure> {
        Dish::find(Story::published().federation(), what, which)
    }

    #[test]
    fn a_soup_comes_with_what_the_base_has_beside_its_weights() {
        let soup = find(What::Soup, None).unwrap();
        assert_eq!(soup.name, "soup-1");
        assert_eq!(soup.needed[0].path, WEIGHTS);
        assert_eq!(soup.welcome.iter().map(|file| &file.path).collect::<Vec<_>>(), ["config.json"]);
    }

    #[test]
    fn a_soup_that_has_lapsed_is_warned_of() {
        let mut story = Story::bargained("");
        story.serve();
        let warned = |story: &Story, what| {
            let dish = Dish::find(story.federation(), what, None).unwrap();
            dish.lapse(story.federation(), 0)
        };
        assert_eq!(warned(&story, What::Soup), None);
        story.withdraw("readers", "a source asked for it");
        assert!(
            warned(&story, What::Soup)
                .unwrap()
                .starts_with("the soup of round 1 is no longer in force")
        );
        assert_eq!(warned(&story, What::Base), None);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let message = |what, which| find(what, which).map(|_| ()).unwrap_err().message().to_owned();
        assert!(message(What::Soup, Some("2")).contains("no soup of round 2"));
        assert!(message(What::Soup, Some("x")).contains("'x' is no round's number"));
        assert!(message(What::Expert, Some("nobody")).contains("there are: agency, readers"));
        assert!(message(What::Expert, Some("No")).contains("is no name"));
    }
}
