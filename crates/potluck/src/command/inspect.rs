//! `potluck inspect`: what is in a checkpoint.

mod report;
mod words;

use std::path::{Path, PathBuf};
use std::time::Instant;

use potluck_soup::source::SourceError;
use potluck_soup::statistics::{Survey, SurveyError, Surveying, survey};
use potluck_soup::{Checkpoint, CheckpointError};

use self::report::Report;
use super::threads;
use crate::failure::{Failure, Kind, in_full};
use crate::output::Output;
use crate::progress::Progress;

/// Show what is in a checkpoint: files, tensors, formats, statistics
///
/// A checkpoint is a safetensors file, a Hugging Face folder (in shards or not), or a PEFT adapter's folder. Only
/// headers are read, unless statistics or digests are asked for; then each byte is read once. Elements that are NaN
/// or infinite are reported in the end; they are no failure of this command.
///
/// Example: potluck inspect soup/ --statistics --sort norm
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A safetensors file, or a folder with weights
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Norm, extremes, mean, zeros and the spread of magnitudes of each tensor
    #[arg(long)]
    statistics: bool,
    /// BLAKE3 of each file of weights
    #[arg(long)]
    digest: bool,
    /// List the tensors
    #[arg(long)]
    tensors: bool,
    /// The order of the list; all but name from the largest down
    #[arg(long, value_name = "KEY", default_value = "name")]
    sort: Sort,
}

/// By what tensors are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// Their names
    Name,
    /// Their norms; with --statistics
    Norm,
    /// Their largest magnitudes; with --statistics
    Max,
    /// Their lengths
    Bytes,
}

/// Reads what was asked for and shows it.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    if matches!(args.sort, Sort::Norm | Sort::Max) && !args.statistics {
        let failure = Failure::new(Kind::Usage, "usage", "only statistics can be sorted by that");
        return Err(failure.hint("add --statistics"));
    }
    let checkpoint = open(&args.path)?;
    let begun = Instant::now();
    let survey = read(args, &checkpoint, output)?;
    let report = Report {
        checkpoint: &checkpoint,
        survey,
        has_list: args.tensors || args.statistics,
        sort: args.sort,
        time: begun.elapsed(),
    };
    report.words().into_iter().for_each(|line| output.line(line));
    output.result(&report.as_json());
    Ok(())
}

/// Opens a checkpoint.
pub(super) fn open(path: &Path) -> Result<Checkpoint, Failure> {
    Checkpoint::open(path).map_err(|error| {
        let text = in_full(&error);
        match error {
            CheckpointError::Source(SourceError::Layout { .. })
            | CheckpointError::Index { .. }
            | CheckpointError::Shard { .. } => Failure::new(Kind::Input, "header-invalid", text),
            _ => Failure::input(text),
        }
    })
}

fn read(args: &Args, checkpoint: &Checkpoint, output: &Output) -> Result<Survey, Failure> {
    let progress = Progress::begin(output, "reading");
    let total = checkpoint.sources().iter().map(|source| source.length()).sum::<u64>();
    let surveying =
        Surveying { threads: threads(), statistics: args.statistics, blake3: args.digest };
    let moved = &mut |done: u64| progress.at(done.min(total), total);
    survey(checkpoint, surveying, moved).map_err(|error| match error {
        SurveyError::Source(_) => Failure::input(in_full(&error)),
        SurveyError::FloatState(_) => Failure::system(in_full(&error)),
    })
}
