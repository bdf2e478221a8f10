//! `potluck diff`: how two checkpoints differ.

mod report;

use std::path::PathBuf;
use std::time::Instant;

use potluck_soup::checkpoint::Kind as CheckpointKind;
use potluck_soup::difference::{DifferenceError, difference};

use self::report::Report;
use super::inspect::open;
use super::threads;
use crate::failure::{Failure, Kind, in_full};
use crate::output::Output;
use crate::progress::Progress;

/// Show how two checkpoints differ, tensor by tensor
///
/// With --base: how far each moved from it, relative to its norm, and the cosine of the angle between the two
/// changes: 1 where both learned the same, 0 where their changes have nothing in common, below 0 where they oppose
/// each other. Without: how far the two are apart. Tensors that not all have are listed.
///
/// Example: potluck diff readers/ checkers/ --base base/ --top 10
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A safetensors file, a Hugging Face folder, or a PEFT adapter's folder
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another
    #[arg(value_name = "B")]
    b: PathBuf,
    /// What both were trained from
    #[arg(long, value_name = "BASE")]
    base: Option<PathBuf>,
    /// The order of the list
    #[arg(long, value_name = "KEY", default_value = "change")]
    sort: Sort,
    /// List only so many
    #[arg(long, value_name = "N")]
    top: Option<usize>,
}

/// By what tensors are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// How far they moved, relative to the base or to A; the farthest first
    Change,
    /// The cosine; the most opposed first
    Cosine,
    /// The largest change of an element; the largest first
    Max,
    /// Their names
    Name,
}

/// Compares and shows.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let base = args.base.as_deref().map(open).transpose()?;
    let begun = Instant::now();
    let progress = Progress::begin(output, "comparing");
    let mut read = 0;
    let mut moved = |done, total| {
        read = total;
        progress.at(done, total);
    };
    let compared = difference(&a, &b, base.as_ref(), threads(), &mut moved);
    drop(progress);
    let report = Report {
        compared: compared.map_err(|error| failure(&error))?,
        has_base: base.is_some(),
        are_adapters: a.kind() == CheckpointKind::Adapter,
        sort: args.sort,
        top: args.top,
        read,
        time: begun.elapsed(),
    };
    report.words().into_iter().for_each(|line| output.line(line));
    output.result(&report.as_json());
    Ok(())
}

fn failure(error: &DifferenceError) -> Failure {
    let text = in_full(error);
    match error {
        DifferenceError::Kinds => Failure::new(Kind::Input, "tensors-differ", text)
            .hint("compare adapters with adapters, without --base; they are changes themselves"),
        DifferenceError::Source(_) => Failure::input(text),
        DifferenceError::FloatState(_) => Failure::system(text),
    }
}
