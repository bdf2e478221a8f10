//! `potluck mix`: a soup of files at hand, by any λ, without a federation.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Blake3, Lambda, Manifest, PartyId, Recipe};
use potluck_soup::source::SourceError;
use potluck_soup::{BlendError, Blended, CheckpointError, blend, file_entry, manifest_of};
use serde_json::json;

use super::threads;
use crate::failure::{Failure, Kind, in_full};
use crate::output::{Output, bytes};
use crate::progress::Progress;

/// Mix experts at hand by any λ
///
/// The arithmetic is the federation's (linear/1). With --base, and λ as a round agreed on it, the file is the
/// published soup, byte for byte. Without it the tensors are the same, and the recipe in the header names no base.
///
/// Example: potluck mix --expert a=first/ --expert b=second/ --lambda a=0.3,b=0.7 --out soup/
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An expert: its name in λ, and its file or folder
    #[arg(long = "expert", required = true, value_name = "NAME=PATH")]
    experts: Vec<String>,
    /// The weights, as NAME=WEIGHT,… in decimals or parts per million; they sum to one
    #[arg(long, value_name = "LAMBDA")]
    lambda: String,
    /// A file; or a folder, which then gets model.safetensors and what --base has beside it
    #[arg(long, value_name = "FILE|FOLDER")]
    out: PathBuf,
    /// The base's folder
    #[arg(long, value_name = "FOLDER")]
    base: Option<PathBuf>,
}

/// Hashes what takes part, writes down the recipe, follows it.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let lambda: Lambda = args.lambda.parse().map_err(Failure::input)?;
    let experts = experts(&args.experts, &lambda)?;
    let base = args.base.as_deref().map(|folder| hash_base(folder, output)).transpose()?;
    let recipe = recipe(&lambda, &experts, base.as_ref(), output)?;
    let target = Target::of(&args.out);
    let blended = mix(&recipe, &experts, &target.weights, output)?;
    if let (Some(folder), Some(source), Some(base)) = (&target.folder, &args.base, &base) {
        copy_others(base, source, folder)?;
    }
    report(args, &lambda, &recipe, &blended, output);
    Ok(())
}

/// The experts that λ gives weight to, with the path of each one's file.
fn experts(flags: &[String], lambda: &Lambda) -> Result<Vec<(PartyId, PathBuf)>, Failure> {
    let mut named = Vec::new();
    for flag in flags {
        let (name, path) = flag
            .split_once('=')
            .ok_or_else(|| Failure::input(format!("--expert '{flag}': write NAME=PATH")))?;
        let party: PartyId =
            name.parse().map_err(|error| Failure::input(format!("--expert: {error}")))?;
        let path = PathBuf::from(path);
        let path = if path.is_dir() { path.join(WEIGHTS) } else { path };
        if named.iter().any(|(other, _)| *other == party) {
            return Err(Failure::input(format!("--expert names {party} twice")));
        }
        named.push((party, path));
    }
    if let Some(unknown) =
        lambda.ppm().keys().find(|party| !named.iter().any(|(it, _)| it == *party))
    {
        return Err(Failure::input(format!("λ names {unknown}, which no --expert gives")));
    }
    if let Some((unused, _)) = named.iter().find(|(party, _)| !lambda.ppm().contains_key(party)) {
        return Err(Failure::input(format!("λ does not name {unused}; give it 0 to leave it out")));
    }
    named.retain(|(party, _)| lambda.ppm()[party] > 0);
    Ok(named)
}

fn hash_base(folder: &Path, output: &Output) -> Result<Manifest, Failure> {
    let progress = Progress::begin(output, "hashing the base");
    manifest_of(folder, &mut |done, total| progress.at(done, total))
        .map_err(|error| Failure::input(in_full(&error)))
}

fn recipe(
    lambda: &Lambda,
    experts: &[(PartyId, PathBuf)],
    base: Option<&Manifest>,
    output: &Output,
) -> Result<Recipe, Failure> {
    let mut manifests = Vec::new();
    for (party, path) in experts {
        let progress = Progress::begin(output, format!("hashing {party}"));
        let file = file_entry(path, WEIGHTS, &mut |done, total| progress.at(done, total))
            .map_err(|error| Failure::input(in_full(&error)))?;
        let manifest = Manifest::new(vec![file]).map_err(Failure::input)?;
        manifests.push((party, manifest.digest()));
    }
    let base = base.map_or(Blake3::from_bytes([0; 32]), Manifest::digest);
    let digest =
        |party: &PartyId| manifests.iter().find(|(it, _)| *it == party).map(|(_, digest)| *digest);
    Recipe::new(base, lambda, digest).map_err(Failure::input)
}

/// Where the soup goes: a path that ends in `.safetensors` is a file, any other a folder.
struct Target {
    weights: PathBuf,
    folder: Option<PathBuf>,
}

impl Target {
    fn of(out: &Path) -> Self {
        if !out.is_dir() && out.extension().is_some_and(|it| it == "safetensors") {
            return Self { weights: out.to_owned(), folder: None };
        }
        Self { weights: out.join(WEIGHTS), folder: Some(out.to_owned()) }
    }
}

fn mix(
    recipe: &Recipe,
    experts: &[(PartyId, PathBuf)],
    target: &Path,
    output: &Output,
) -> Result<Blended, Failure> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), fs::create_dir_all).map_err(|error| {
        Failure::system(format!("cannot make the folder of {}: {error}", target.display()))
    })?;
    let progress = Progress::begin(output, "mixing");
    let mut moved = |done, total| progress.at(done, total);
    blend(recipe, experts, target, threads(), &mut moved).map_err(|error| blend_failure(&error))
}

/// A blend that failed, sorted by whose it is.
pub(super) fn blend_failure(error: &BlendError) -> Failure {
    let text = in_full(error);
    match error {
        BlendError::Source(SourceError::Layout { .. }) => {
            Failure::new(Kind::Input, "header-invalid", text)
        }
        BlendError::Checkpoint {
            source: CheckpointError::Source(SourceError::Layout { .. }),
            ..
        } => Failure::new(Kind::Input, "header-invalid", text),
        BlendError::Lacks { .. }
        | BlendError::Differ { .. }
        | BlendError::Dtypes { .. }
        | BlendError::NotEqual { .. } => Failure::new(Kind::Input, "tensors-differ", text),
        BlendError::NotFinite { .. } => Failure::new(Kind::Input, "weights-not-finite", text),
        BlendError::Write { .. } | BlendError::FloatState(_) => Failure::system(text),
        BlendError::NoExperts
        | BlendError::Twice(_)
        | BlendError::Missing(_)
        | BlendError::Unneeded(_)
        | BlendError::Checkpoint { .. }
        | BlendError::Source(_) => Failure::input(text),
    }
}

fn copy_others(base: &Manifest, source: &Path, folder: &Path) -> Result<(), Failure> {
    for file in base.files().iter().filter(|file| file.path != WEIGHTS) {
        let (from, to) = (source.join(&file.path), folder.join(&file.path));
        to.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::copy(&from, &to))
            .map_err(|error| Failure::system(format!("cannot copy {}: {error}", from.display())))?;
    }
    Ok(())
}

fn report(args: &Args, lambda: &Lambda, recipe: &Recipe, blended: &Blended, output: &Output) {
    output.line(format!("{} is the soup of {lambda}.", args.out.display()));
    output.line(format!("BLAKE3  {}", blended.blake3));
    output.line(format!("size    {}", bytes(blended.size)));
    output.result(&json!({
        "out": args.out, "lambda_ppm": lambda, "recipe": recipe.digest(),
        "blake3": blended.blake3, "sha256": blended.sha256, "size": blended.size,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_and_lambda_name_the_same() {
        let lambda = "a=1,b=0".parse().unwrap();
        let flags = |flags: &[&str]| {
            experts(&flags.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), &lambda)
        };
        assert_eq!(flags(&["a=x", "b=y"]).unwrap(), [("a".parse().unwrap(), "x".into())]);
        let message = |it: &[&str]| flags(it).unwrap_err().message().to_owned();
        assert_eq!(message(&["a=x"]), "λ names b, which no --expert gives");
        assert!(message(&["a=x", "b=y", "c=z"]).contains("λ does not name c"));
        assert!(message(&["a=x", "a=y"]).contains("twice"));
        assert!(message(&["a"]).contains("write NAME=PATH"));
    }

    #[test]
    fn a_target_is_a_file_by_its_ending() {
        assert_eq!(Target::of(Path::new("x/soup.safetensors")).folder, None);
        assert_eq!(Target::of(Path::new("x/soup")).weights, Path::new("x/soup/model.safetensors"));
    }
}
