//! `potluck mix`: a soup of files at hand, by any λ, without a federation.
//!
//! [`order`] reads what is to be mixed and how, from flags or a configuration of mergekit; [`kitchen`] opens it,
//! compares, finds the place free and the room there, all before the first weight is read; [`serve`] and [`make`]
//! fill a [`staging`] folder, which appears whole or not at all; [`report`] says what became of it.

mod order;
mod named;
mod mergekit;
mod grid;

mod kitchen;
mod dish;
mod experts;
mod place;
mod companions;
mod lineage;

mod serve;
mod make;
mod card;
mod again;
mod staging;
mod interrupt;

mod failure;
mod report;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use potluck_soup::Dtype;

use self::dish::Adapters;
pub(crate) use self::failure::{adapter_failure, blend_failure};
use self::grid::{Step, points};
use self::kitchen::Kitchen;
use self::order::{OrderArgs, shown};
use crate::failure::Failure;
use crate::output::Output;

/// Mix experts at hand
///
/// The arithmetic is a federation's, exact and the same on every machine. With --base, and λ as a round agreed on
/// it, the file is the published soup, byte for byte. A folder gets the shape of its inputs, with index,
/// configuration, tokenizer and a card, ready for transformers or peft. Nothing appears at --out before it is
/// whole.
///
/// Example: potluck mix --expert a=first/ --expert b=second/ --lambda a=0.3,b=0.7 --out soup/
///
/// Example: potluck mix --lambda first/=0.3,second/=0.7 --out soup/
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    order: OrderArgs,
    /// A file (.safetensors), or a folder, which must be empty or not be there
    #[arg(long, value_name = "FILE|FOLDER", required_unless_present = "no_output")]
    out: Option<PathBuf>,
    /// Replace the checkpoint in the folder --out
    #[arg(long)]
    force: bool,
    /// Every λ whose weights are multiples of STEP, each in its own folder OUT/a=0.3,b=0.7
    #[arg(long, value_name = "STEP", conflicts_with = "lambda", help_heading = "Method")]
    grid: Option<Step>,

    /// What adapters make [default: linear]
    #[arg(long, value_enum, help_heading = "Adapters")]
    adapter: Option<Adapters>,
    /// Add the adapters' change to --base: a model comes out
    #[arg(long, requires = "base", conflicts_with = "adapter", help_heading = "Adapters")]
    merge_into_base: bool,

    /// The format of the soup's elements: F64, F32, BF16, F16, F8_E4M3 or F8_E5M2; the experts' own if not given
    #[arg(long, value_name = "DTYPE", value_parser = dtype, help_heading = "Output")]
    dtype: Option<Dtype>,
    /// Begin a new file where one would hold more than so many bytes of tensors, such as 5GB or 500MB
    ///
    /// Without it the soup has the files of its inputs.
    #[arg(long, value_name = "SIZE", value_parser = byte_count, help_heading = "Output")]
    shard_size: Option<u64>,
    /// Whose configuration and tokenizer are taken where the inputs differ: a name in λ, or base
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    prefer: Option<String>,
    /// Read and hash all inputs first, and name the recipe that follows from them in header and card
    #[arg(long, help_heading = "Output")]
    lineage: bool,
    /// Write nothing: say the digests only
    #[arg(long, help_heading = "Output")]
    no_output: bool,
    /// Do not compute BLAKE3
    #[arg(long, help_heading = "Output")]
    no_hash: bool,
    /// Compute SHA-256 too, by which the Hub knows files
    #[arg(long, help_heading = "Output")]
    sha256: bool,
    /// Wait until the soup is on the disk; otherwise the system writes it there in its own time
    #[arg(long, conflicts_with = "no_output", help_heading = "Output")]
    sync: bool,
    /// Threads that mix; all cores if not given
    #[arg(long, value_name = "N", help_heading = "Output")]
    threads: Option<NonZeroUsize>,
}

/// Reads the order, opens what takes part, makes one soup or all of a grid.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let out = args.out.as_deref().filter(|_| !args.no_output);
    if let Some(step) = args.grid {
        let order = args.order.of_all()?;
        let parties: BTreeSet<_> = order.named.parties().cloned().collect();
        let points = points(&parties, step)?;
        let kitchen = Kitchen::open(args, &parties, &order, output)?;
        report::many(&kitchen.many(&points, shown)?, out, output);
        return Ok(());
    }
    let order = args.order.order()?;
    for note in &order.notes {
        output.line(format!("Note: {note}."));
    }
    let active = order.method.active(&order.weights);
    let kitchen = Kitchen::open(args, &active, &order, output)?;
    report::one(&kitchen.one(&order.weights)?, out, output);
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
