//! One call from its flags to its soups: everything is opened, compared and found free before a weight is read.

use std::num::NonZeroUsize;
use std::path::Path;

use potluck_core::PartyId;
use potluck_soup::blend::Making;
use potluck_soup::checkpoint::Kind;
use potluck_soup::method::Weights;
use potluck_soup::{Durability, Formula};

use super::again::flags;
use super::companions::{Companions, Shelf, Wish as Beside};
use super::dish::{Course, Dish, Files, Planned, Wish};
use super::lineage::Lineage;
use super::make::{Cooked, Sink, make};
use super::order::Order;
use super::place::{Force, OldFolder, Place};
use super::report::Soup;
use super::serve::Table;
use super::staging::Staging;
use super::{Args, interrupt};
use crate::command::threads;
use crate::failure::Failure;
use crate::output::Output;

/// The room that an index and a card may take, in bytes.
const SMALL_FILES: u64 = 1 << 20;

/// What one call works with.
#[derive(Debug)]
pub(crate) struct Kitchen<'a> {
    args: &'a Args,
    output: &'a Output,
    dish: Dish,
    place: Option<Place>,
    companions: Companions,
    lineage: Option<Lineage>,
    flags: String,
}

impl<'a> Kitchen<'a> {
    /// Opens the parties' experts and asks what can be asked without reading a weight; then hashes, where that is
    /// wanted.
    pub(crate) fn open<'b>(
        args: &'a Args,
        parties: impl IntoIterator<Item = &'b PartyId>,
        order: &Order,
        output: &'a Output,
    ) -> Result<Self, Failure> {
        let base = order.base.as_deref();
        let wish = Wish {
            dtype: order.dtype.or(args.dtype),
            prefer: args.prefer.clone(),
            adapters: args.adapter,
            is_merged: args.merge_into_base,
        };
        let dish = Dish::open(parties, &order.named, order.method.clone(), base, wish)?;
        let place = args.place(&dish, base)?;
        if let Some(place) = place.as_ref().filter(|_| !args.no_output) {
            interrupt::watch(place.path(), output);
        }
        let companions = match (&place, args.no_output) {
            (Some(Place::Folder(..)), false) => companions(args, &dish, base)?,
            _ => Companions::default(),
        };
        // Where the base's weights take no part, it is named for the recipe's sake.
        let is_lineage = args.lineage || base.is_some() && dish.base.is_none();
        let flags = flags(&dish, base.is_some(), is_lineage, args.shard_size);
        let threads = args.threads().get();
        let lineage =
            is_lineage.then(|| Lineage::of(&dish.experts, base, threads, output)).transpose()?;
        Ok(Self { args, output, dish, place, companions, lineage, flags })
    }

    /// Makes one soup, where the call says.
    pub(crate) fn one(&self, weights: &Weights) -> Result<Soup, Failure> {
        let formula = self.formula(weights)?;
        let planned = self.plan(weights, formula.as_ref())?;
        let (cooked, others) = match self.place.as_ref().filter(|_| !self.args.no_output) {
            None => (self.make(&planned, Sink::Nowhere)?, Vec::new()),
            Some(place) => {
                let room = planned.soup.bytes() + self.companions.bytes() + SMALL_FILES;
                match (place, place.take(room)?) {
                    (Place::Folder(folder, old), Some(staging)) => {
                        let served = self.table().serve(
                            &planned,
                            weights,
                            formula.as_ref(),
                            staging.path(),
                        )?;
                        self.finish(staging, folder, *old)?;
                        (served.cooked, served.others)
                    }
                    (Place::File(path) | Place::Folder(path, _), _) => {
                        (self.make(&planned, Sink::File(path))?, Vec::new())
                    }
                }
            }
        };
        Ok(self.soup(weights, formula.as_ref(), cooked, others))
    }

    /// Makes all these soups, each in a folder of its own that is called after its weights.
    pub(crate) fn many(
        &self,
        all: &[Weights],
        name: impl Fn(&Weights) -> String,
    ) -> Result<Vec<Soup>, Failure> {
        let mut room = SMALL_FILES;
        for weights in all {
            let planned = self.plan(weights, self.formula(weights)?.as_ref())?;
            room += planned.soup.bytes() + self.companions.bytes();
        }
        let what = if self.args.no_output { "to digest" } else { "to write" };
        let bytes = crate::output::bytes(room - SMALL_FILES);
        self.output.line(format!("{} soups, {bytes} {what}", all.len()));
        let staging = match self.place.as_ref().filter(|_| !self.args.no_output) {
            Some(place) => place.take(room + SMALL_FILES * all.len() as u64)?,
            None => None,
        };
        let mut soups = Vec::new();
        for weights in all {
            let formula = self.formula(weights)?;
            let planned = self.plan(weights, formula.as_ref())?;
            let (cooked, others) = match &staging {
                None => (self.make(&planned, Sink::Nowhere)?, Vec::new()),
                Some(staging) => {
                    let folder = staging.path().join(name(weights));
                    std::fs::create_dir(&folder).map_err(|error| {
                        Failure::system(format!("cannot make {}: {error}", name(weights)))
                    })?;
                    let served =
                        self.table().serve(&planned, weights, formula.as_ref(), &folder)?;
                    (served.cooked, served.others)
                }
            };
            soups.push(self.soup(weights, formula.as_ref(), cooked, others));
        }
        if let (Some(staging), Some(Place::Folder(folder, old))) = (staging, &self.place) {
            self.finish(staging, folder, *old)?;
        }
        Ok(soups)
    }

    fn formula(&self, weights: &Weights) -> Result<Option<Formula>, Failure> {
        self.lineage.as_ref().map(|lineage| self.dish.formula(weights, lineage)).transpose()
    }

    fn plan(&self, weights: &Weights, formula: Option<&Formula>) -> Result<Planned, Failure> {
        let files = match (self.args.shard_size, &self.place) {
            (Some(bytes), _) => Files::Shards(bytes),
            (None, Some(Place::File(_))) => Files::One,
            (None, _) => Files::AsInputs,
        };
        self.dish.plan(weights, files, formula.map(Formula::digest))
    }

    fn make(&self, planned: &Planned, sink: Sink<'_>) -> Result<Cooked, Failure> {
        make(&planned.soup, sink, self.args.making(), self.args.durability(), self.output)
    }

    fn table(&self) -> Table<'_> {
        Table {
            dish: &self.dish,
            lineage: self.lineage.as_ref(),
            companions: &self.companions,
            flags: &self.flags,
            making: self.args.making(),
            durability: self.args.durability(),
            output: self.output,
        }
    }

    fn finish(&self, staging: Staging, folder: &Path, old: OldFolder) -> Result<(), Failure> {
        let is_synced = self.args.durability() == Durability::Synced;
        staging.finish(old.into(), is_synced).map_err(|error| {
            Failure::system(format!("cannot put the soup at {}: {error}", folder.display()))
        })
    }

    fn soup(
        &self,
        weights: &Weights,
        formula: Option<&Formula>,
        cooked: Cooked,
        others: Vec<super::card::Listed>,
    ) -> Soup {
        Soup {
            weights: weights.clone(),
            arithmetic: self.dish.arithmetic(),
            recipe: formula.map(Formula::digest),
            read: self.dish.input_bytes(weights),
            cooked,
            others,
        }
    }
}

/// What the inputs' folders hold beside weights. An adapter has nothing of its base's.
fn companions(args: &Args, dish: &Dish, base: Option<&Path>) -> Result<Companions, Failure> {
    let base = base.filter(|base| base.is_dir() && !matches!(dish.course, Course::Adapter(_)));
    let base = base.map(|folder| Shelf { owner: "base".to_owned(), folder: folder.to_owned() });
    let folders = dish.experts.iter().filter(|it| it.checkpoint.kind() != Kind::File);
    let shelves = folders
        .map(|it| Shelf { owner: it.party.to_string(), folder: it.checkpoint.path().to_owned() });
    let shelves: Vec<_> = base.into_iter().chain(shelves).collect();
    if let Some(prefer) =
        args.prefer.as_deref().filter(|it| shelves.iter().all(|shelf| shelf.owner != *it))
    {
        return Err(Failure::input(format!(
            "--prefer {prefer}: there is no folder of that expert"
        )));
    }
    let dtype = dish.main_dtype();
    let wish = Beside { prefer: args.prefer.as_deref(), dtype, is_converted: dish.dtype.is_some() };
    Companions::of(&shelves, wish)
}

impl Args {
    fn place(&self, dish: &Dish, base: Option<&Path>) -> Result<Option<Place>, Failure> {
        let Some(out) = &self.out else { return Ok(None) };
        let force = if self.force { Force::Yes } else { Force::No };
        let sources = dish.experts.iter().flat_map(|it| it.checkpoint.sources());
        let inputs = sources.map(|it| it.path()).chain(base);
        let place = match self.no_output {
            true => Place::imagined(out),
            false => Place::of(out, force, inputs)?,
        };
        let refused = match (&place, dish.course) {
            (Place::Folder(..), _) => None,
            _ if self.shard_size.is_some() => Some("--shard-size needs"),
            _ if self.grid.is_some() => Some("--grid needs"),
            (_, Course::Adapter(_)) => Some("an adapter is"),
            _ => None,
        };
        match refused {
            Some(what) => Err(Failure::input(format!("{what} a folder, and --out is one file"))),
            None => Ok(Some(place)),
        }
    }

    fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(threads)
    }

    fn making(&self) -> Making {
        Making { threads: self.threads(), blake3: !self.no_hash, sha256: self.sha256 }
    }

    fn durability(&self) -> Durability {
        if self.sync { Durability::Synced } else { Durability::Cached }
    }
}
