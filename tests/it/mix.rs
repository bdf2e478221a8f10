//! Mix: soups of files at hand, in the shapes that people have them, whole or not at all.

mod adapters;
mod bounds;
mod folders;
mod methods;
mod refusals;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};
use support::model::{Tensor, f32s, file, write_folder};
use support::programs::{Ended, potluck};

/// A folder for one test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a folder with one file of weights.
    fn model(&self, name: &str, tensors: &[Tensor]) -> PathBuf {
        self.model_with(name, tensors, &[])
    }

    /// With files beside the weights.
    fn model_with(&self, name: &str, tensors: &[Tensor], files: &[(&str, &[u8])]) -> PathBuf {
        let weights = file(tensors);
        let all = [&[("model.safetensors", &*weights)], files].concat();
        write_folder(&self.path(name), &all).unwrap();
        self.path(name)
    }

    /// Runs `potluck mix`; `@` stands for this folder.
    fn mix(&self, flags: &str) -> Ended {
        let home = self.0.path().display().to_string();
        let flags = flags.split_whitespace().map(|flag| OsString::from(flag.replace('@', &home)));
        potluck(&std::iter::once("mix".into()).chain(flags).collect::<Vec<_>>())
    }

    /// The names in this folder, hidden ones included.
    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The code and the message of a failure by the user's fault.
#[track_caller]
fn refused(ended: &Ended) -> (String, String) {
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let message = ended.json()["error"]["message"].as_str().unwrap().to_owned();
    (ended.error_code(), message)
}

/// Two folders `a` and `b`, each of one tensor.
fn two() -> Home {
    let home = Home::new();
    home.model("a", &[f32s("w", &[1.0, -2.0, 0.5])]);
    home.model("b", &[f32s("w", &[3.0, 2.0, 0.25])]);
    home
}

const AB: &str = "--expert a=@/a --expert b=@/b";

#[test]
fn a_published_soup_is_made_again_byte_for_byte() {
    let federation = Federation::agreed(SMALL).unwrap();
    let published = federation.operator(&["publish"], &[]).succeeded();
    let mut args = vec!["mix".to_owned()];
    for party in PARTIES {
        let outbox = federation.expert(party).unwrap();
        args.extend(["--expert".to_owned(), format!("{party}={}", outbox.display())]);
    }
    let base = federation.path("base").display().to_string();
    let out = federation.path("mixed").display().to_string();
    let lambda = "agency=0.25,checkers=0.25,readers=0.5";
    args.extend(["--lambda", lambda, "--base", &base, "--out", &out].map(str::to_owned));
    let mixed = potluck(&args).succeeded();
    assert_eq!(mixed["blake3"], published["blake3"]);
    assert_eq!(mixed["lambda_ppm"], published["lambda_ppm"]);
    for file in ["config.json", "tokenizer.json"] {
        assert!(federation.path("mixed").join(file).exists(), "{file}");
    }
    let card = text(&federation.path("mixed/README.md"));
    assert!(card.contains(mixed["recipe"].as_str().unwrap()), "{card}");
}

#[test]
fn a_digest_is_that_of_the_file() {
    let home = two();
    let flags = format!("{AB} --lambda a=0.25,b=0.75 --sha256");
    let digest = home.mix(&format!("{flags} --no-output")).succeeded();
    assert_eq!((&digest["out"], home.names().len()), (&Value::Null, 2));
    let written =
        home.mix(&format!("{flags} --out @/soup.safetensors --sync --threads 2")).succeeded();
    assert_eq!((&digest["blake3"], &digest["sha256"]), (&written["blake3"], &written["sha256"]));
    assert!(written["blake3"].is_string() && written["sha256"].is_string());
    assert!(written["recipe"].is_null());
    assert_eq!(support::model::read_f32s(&home.path("soup.safetensors"), "w"), [2.5, 1.0, 0.3125]);
    // Of no recipe: what anybody else would write.
    let bytes = fs::read(home.path("soup.safetensors")).unwrap();
    let header = r#"{"__metadata__":{"format":"pt"},"w":"#;
    assert!(bytes[8..].starts_with(header.as_bytes()));
    let plain = home.mix(&format!("{AB} --lambda a=0.25,b=0.75 --no-output --no-hash")).succeeded();
    assert!(plain["blake3"].is_null());
}

#[test]
fn experts_may_be_named_by_their_paths() {
    let home = two();
    let by_name = home.mix(&format!("{AB} --lambda a=0.25,b=0.75 --no-output")).succeeded();
    let by_path =
        home.mix("--lambda @/a/=0.25,@/b/model.safetensors=750000 --no-output").succeeded();
    assert_eq!(by_path["blake3"], by_name["blake3"]);
    assert_eq!(by_path["lambda_ppm"], by_name["lambda_ppm"]);
    let (_, message) = refused(&home.mix("--lambda @/nowhere=1 --no-output"));
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn a_grid_holds_every_soup_of_its_steps() {
    let home = two();
    let grid = home.mix(&format!("{AB} --grid 0.5 --out @/grid")).succeeded();
    assert_eq!(names(&home.path("grid")), ["a=0,b=1", "a=0.5,b=0.5", "a=1,b=0"]);
    assert_eq!(names(&home.path("grid/a=0.5,b=0.5")), ["README.md", "model.safetensors"]);
    for soup in grid["soups"].as_array().unwrap() {
        let lambda = &soup["lambda_ppm"];
        let flags = format!("{AB} --lambda a={},b={} --no-output", lambda["a"], lambda["b"]);
        assert_eq!(home.mix(&flags).succeeded()["blake3"], soup["blake3"]);
    }
    refused(&home.mix(&format!("{AB} --grid 0.5 --out @/x.safetensors")));
    assert_eq!(home.mix(&format!("{AB} --grid 0.3 --out @/x")).code, Some(2));
}
