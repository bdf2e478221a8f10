//! `potluck mix`: a soup of files at hand, by any λ, without a federation.
//!
//! Headers are read and compared, the place is found free and the room checked before the first weight is read. What
//! is written appears whole or not at all.

mod experts;
mod place;
mod lineage;

mod make;
mod staging;

mod failure;
mod report;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use potluck_core::Recipe;
use potluck_core::manifest::WEIGHTS;
use potluck_soup::blend::{Making, Shape, Soup, Wanted, linear};
use potluck_soup::checkpoint::Kind;
use potluck_soup::{Dtype, Durability};

use self::experts::Experts;
pub(crate) use self::failure::blend_failure;
use self::lineage::Lineage;
use self::make::{Cooked, Sink, make};
use self::place::{Force, Place};
use self::report::Report;
use super::threads;
use crate::failure::Failure;
use crate::output::Output;

/// Mix experts at hand by any λ
///
/// The arithmetic is the federation's (linear/1). With --base, and λ as a round agreed on it, the file is the
/// published soup, byte for byte. Without it the tensors are the same, and the header names no recipe.
///
/// Example: potluck mix --expert a=first/ --expert b=second/ --lambda a=0.3,b=0.7 --out soup/
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An expert: its name in λ; and a safetensors file, a Hugging Face folder, or a PEFT adapter's folder
    #[arg(long = "expert", value_name = "NAME=PATH")]
    experts: Vec<String>,
    /// The weights, as NAME=WEIGHT,… or PATH=WEIGHT,… in decimals or parts per million; they sum to one
    #[arg(long, value_name = "LAMBDA")]
    lambda: String,
    /// A file (.safetensors), or a folder
    #[arg(long, value_name = "FILE|FOLDER", required_unless_present = "no_output")]
    out: Option<PathBuf>,
    /// Replace the checkpoint in the folder --out
    #[arg(long)]
    force: bool,
    /// The base that the experts have in common; implies --lineage
    #[arg(long, value_name = "FOLDER|FILE")]
    base: Option<PathBuf>,
    /// Read and hash all inputs first, and name the recipe that follows from them in the header
    #[arg(long)]
    lineage: bool,

    /// The format of the soup's elements: F64, F32, BF16, F16, F8_E4M3 or F8_E5M2; the experts' own if not given
    #[arg(long, value_name = "DTYPE", value_parser = dtype)]
    dtype: Option<Dtype>,
    /// Begin a new file where one would hold more than so many bytes of tensors, such as 5GB or 500MB
    #[arg(long, value_name = "SIZE", value_parser = byte_count, conflicts_with = "no_output")]
    shard_size: Option<u64>,

    /// Write nothing: say the digests only
    #[arg(long)]
    no_output: bool,
    /// Do not compute BLAKE3
    #[arg(long)]
    no_hash: bool,
    /// Compute SHA-256 too, as the Hub wants it
    #[arg(long)]
    sha256: bool,
    /// Wait until the soup is on the disk; otherwise the system writes it there in its own time
    #[arg(long, conflicts_with = "no_output")]
    sync: bool,
    /// Threads that mix; all cores if not given
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Opens what takes part, finds the place, writes down the recipe, follows it.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let experts = Experts::open(&args.experts, &args.lambda)?;
    let place = args.place(&experts)?;
    let recipe = args.recipe(&experts, output)?;
    let soup = args.plan(&experts, place.as_ref(), recipe.as_ref())?;
    let cooked = match &place {
        Some(place) if !args.no_output => args.write(&soup, place, output)?,
        _ => make(&soup, Sink::Nowhere, args.making(), args.durability(), output)?,
    };
    Report {
        out: args.out.as_deref().filter(|_| !args.no_output),
        lambda: &experts.lambda,
        experts: &experts,
        recipe: recipe.as_ref().map(Recipe::digest),
        cooked: &cooked,
    }
    .print(output);
    Ok(())
}

impl Args {
    fn place(&self, experts: &Experts) -> Result<Option<Place>, Failure> {
        let Some(out) = &self.out else { return Ok(None) };
        let force = if self.force || self.no_output { Force::Yes } else { Force::No };
        let sources = experts.active.iter().flat_map(|it| it.checkpoint.sources());
        let inputs = sources.map(|it| it.path()).chain(self.base.as_deref());
        let place = Place::of(out, force, inputs)?;
        if let (Place::File(_), Some(_)) = (&place, self.shard_size) {
            return Err(Failure::input("--shard-size needs a folder in --out, not one file"));
        }
        Ok(Some(place))
    }

    fn recipe(&self, experts: &Experts, output: &Output) -> Result<Option<Recipe>, Failure> {
        if !self.lineage && self.base.is_none() {
            return Ok(None);
        }
        let lineage = Lineage::of(experts, self.base.as_deref(), self.threads().get(), output)?;
        lineage.recipe(experts).map(Some)
    }

    fn plan(
        &self,
        experts: &Experts,
        place: Option<&Place>,
        recipe: Option<&Recipe>,
    ) -> Result<Soup, Failure> {
        let first = experts.active.first().map(|it| &it.checkpoint);
        let shape = match (self.shard_size, place, first) {
            (Some(bytes), ..) => Shape::AtMost(bytes),
            (_, Some(Place::File(_)), _) | (_, _, None) => Shape::One,
            (_, _, Some(first)) if first.kind() == Kind::File => Shape::One,
            (_, _, Some(first)) => Shape::Like(first),
        };
        let wanted = Wanted { shape, dtype: self.dtype, recipe: recipe.map(Recipe::digest) };
        linear(&experts.shares(), &wanted).map_err(|error| blend_failure(&error))
    }

    fn write(&self, soup: &Soup, place: &Place, output: &Output) -> Result<Cooked, Failure> {
        let staging = place.take(soup.bytes())?;
        let (Some(staging), Place::Folder(folder, old)) = (staging, place) else {
            let Place::File(path) = place else { unreachable!("a folder is staged") };
            return make(soup, Sink::File(path), self.making(), self.durability(), output);
        };
        let sink = Sink::Folder(staging.path());
        let cooked = make(soup, sink, self.making(), self.durability(), output)?;
        if let Some(base) = self.base.as_deref().filter(|base| base.is_dir()) {
            copy_others(base, staging.path())?;
        }
        staging.finish((*old).into(), self.sync).map_err(|error| {
            Failure::system(format!("cannot put the soup at {}: {error}", folder.display()))
        })?;
        Ok(cooked)
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

fn copy_others(source: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::system(format!("cannot copy from {}: {error}", source.display()));
    for entry in std::fs::read_dir(source).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_file() && entry.file_name() != WEIGHTS {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}

/// A format of floating-point elements, by its name in safetensors headers or in torch.
fn dtype(text: &str) -> Result<Dtype, String> {
    let torch = match text.trim_start_matches("torch.") {
        "float64" | "double" => "F64",
        "float32" | "float" => "F32",
        "bfloat16" => "BF16",
        "float16" | "half" => "F16",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e5m2" => "F8_E5M2",
        other => other,
    };
    let found = Dtype::named(&torch.to_ascii_uppercase()).filter(|dtype| dtype.is_float());
    found.ok_or_else(|| "F64, F32, BF16, F16, F8_E4M3 and F8_E5M2 are known".to_owned())
}

/// `5GB` and the like, in decimal units as Hugging Face has them, or in bytes.
fn byte_count(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &*text[digits.len()..].to_ascii_uppercase() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err("write a number and KB, MB, GB or TB".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "write a whole number and a unit".to_owned())?;
    let bytes = count.checked_mul(unit).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "it must be above zero, and not absurd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal() {
        let sizes = ["5GB", "500mb", "1kb", "12", "1TB"].map(|text| byte_count(text).unwrap());
        assert_eq!(sizes, [5_000_000_000, 500_000_000, 1000, 12, 1_000_000_000_000]);
        for bad in ["", "GB", "5GiB", "-1GB", "0", "1.5GB", "99999999999TB"] {
            assert!(byte_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_have_two_names() {
        assert_eq!(dtype("bf16"), Ok(Dtype::Bf16));
        assert_eq!(dtype("torch.float32"), Ok(Dtype::F32));
        assert_eq!(dtype("F8_E4M3"), Ok(Dtype::F8E4M3));
        assert!(dtype("I8").is_err() && dtype("int").is_err());
    }
}
