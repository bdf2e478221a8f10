//! The known answers in `tests/vectors/soup/`, which other implementations check themselves against too.

// A test binary: clippy knows tests by their attribute only, and not the function that they call.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Manifest, PartyId, Recipe};
use potluck_soup::{blend, file_entry};

#[test]
fn every_case_gives_its_known_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/soup");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    assert_eq!(cases.len(), 8);
    cases.iter().for_each(|case| check(case));
}

fn check(case: &Path) {
    let text = fs::read(case.join("recipe.json")).unwrap();
    let recipe: Recipe = serde_json::from_slice(&text).unwrap();
    assert_eq!(recipe.canonical(), text, "{}", case.display());
    let experts: Vec<(PartyId, PathBuf)> = recipe
        .experts()
        .iter()
        .map(|expert| {
            let path = case.join(format!("{}.safetensors", expert.party));
            let entry = file_entry(&path, WEIGHTS, &mut |_, _| {}).unwrap();
            assert_eq!(Manifest::new(vec![entry]).unwrap().digest(), expert.manifest);
            (expert.party.clone(), path)
        })
        .collect();

    let output = tempfile::tempdir().unwrap();
    let output = output.path().join(WEIGHTS);
    let threads = NonZeroUsize::new(2).unwrap();
    let made = blend(&recipe, &experts, &output, threads, &mut |_, _| {}).unwrap();
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(case.join("expected.json")).unwrap()).unwrap();
    let actual = serde_json::json!({
        "recipe": recipe.digest(),
        "size": made.size,
        "blake3": made.blake3,
        "sha256": made.sha256,
    });
    assert_eq!(actual, expected, "{}", case.display());
}
