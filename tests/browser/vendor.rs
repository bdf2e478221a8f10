//! The libraries that are not ours are the ones that the list names, to the byte, and there are no others.

use std::collections::BTreeMap;
use std::path::Path;

use potluck_core::Sha256;

use crate::site::web;

#[test]
fn what_is_not_ours_is_what_was_pinned() {
    let folder = web().join("vendor");
    let list = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> = list
        .lines()
        .map(|line| {
            line.split_once("  ")
                .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
                .unwrap()
        })
        .collect();
    let mut found = BTreeMap::new();
    for library in ["noble-ed25519", "noble-hashes"] {
        for file in std::fs::read_dir(folder.join(library)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let digest = Sha256::of(&std::fs::read(&path).unwrap());
            found.insert(format!("{library}/{name}"), digest.to_string());
        }
    }
    assert_eq!(found, listed);
    assert!(
        listed.contains_key("noble-hashes/LICENSE") && listed.contains_key("noble-ed25519/LICENSE")
    );
    let others: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(others.len(), 4, "{others:?}");
}

#[test]
fn no_module_asks_another_host_or_makes_code_from_text() {
    let mut modules = Vec::new();
    collect(&web(), &mut modules);
    assert!(modules.len() > 20, "{modules:?}");
    for path in modules.iter().filter(|path| !path.starts_with(web().join("vendor"))) {
        let text = std::fs::read_to_string(path).unwrap();
        for forbidden in
            ["http://", "https://", "eval(", "new Function", "innerHTML", "document.write"]
        {
            // Names of formats are addresses, too: they are compared, and never fetched.
            let text = text.replace("https://in-toto.io/Statement/v1", "");
            let text = text.replace("https://model_signing/signature/v1.0", "");
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
        }
        for line in
            text.lines().filter(|line| line.starts_with("import ") || line.contains(" from \""))
        {
            assert!(line.contains("\"./") || line.contains("\"../"), "{}: {line}", path.display());
        }
    }
}

fn collect(folder: &Path, modules: &mut Vec<std::path::PathBuf>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            collect(&path, modules);
        } else if path.extension().is_some_and(|it| it == "js") {
            modules.push(path);
        }
    }
}
