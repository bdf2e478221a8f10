use std::fs;

use super::*;

const PLAIN: Wish<'static> = Wish { prefer: None, dtype: Some(Dtype::F32), is_converted: false };

fn shelf(home: &Path, owner: &str, files: &[(&str, &str)]) -> Shelf {
    let folder = home.join(owner);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Shelf { owner: owner.to_owned(), folder }
}

fn written(companions: &Companions, home: &Path) -> BTreeMap<String, String> {
    let folder = home.join("written");
    fs::create_dir(&folder).unwrap();
    companions.write(&folder, Durability::Cached).unwrap();
    let text = |path: &str| (path.to_owned(), fs::read_to_string(folder.join(path)).unwrap());
    companions.paths().map(text).collect()
}

#[test]
fn what_all_agree_on_is_carried_over() {
    let home = tempfile::tempdir().unwrap();
    let files = [("config.json", "{\"a\": 1}"), ("tokenizer.json", "t"), ("README.md", "x")];
    let a = shelf(home.path(), "a", &files);
    let b = shelf(home.path(), "b", &[&files[..], &[("extra/note.txt", "n")]].concat());
    let companions = Companions::of(&[a, b], PLAIN).unwrap();
    assert_eq!(companions.bytes(), 8 + 1 + 1);
    let texts = written(&companions, home.path());
    let expected =
        [("config.json", "{\"a\": 1}"), ("extra/note.txt", "n"), ("tokenizer.json", "t")];
    assert_eq!(texts, expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
}

#[test]
fn what_differs_is_named_unless_somebody_is_preferred() {
    let home = tempfile::tempdir().unwrap();
    let a = shelf(home.path(), "a", &[("tokenizer.json", "1234")]);
    let b = shelf(home.path(), "b", &[("tokenizer.json", "1243")]);
    let refused = Companions::of(&[a.clone(), b.clone()], PLAIN).unwrap_err();
    assert_eq!(refused.message(), "tokenizer.json differs between a and b");
    assert!(refused.cure().unwrap().contains("--prefer"));
    let wish = Wish { prefer: Some("b"), ..PLAIN };
    let texts = written(&Companions::of(&[a.clone(), b.clone()], wish).unwrap(), home.path());
    assert_eq!(texts["tokenizer.json"], "1243");
    // Who has none of its own cannot be preferred.
    let c = shelf(home.path(), "c", &[]);
    let wish = Wish { prefer: Some("c"), ..PLAIN };
    assert!(Companions::of(&[a, b, c], wish).is_err());
}

#[test]
fn a_configuration_is_everybody_s_or_one_s() {
    let home = tempfile::tempdir().unwrap();
    let a = shelf(home.path(), "a", &[("config.json", "{}")]);
    let b = shelf(home.path(), "b", &[("config.json", "{}")]);
    let c = shelf(home.path(), "c", &[]);
    assert!(Companions::of(&[a.clone(), c.clone()], PLAIN).unwrap().has("config.json"));
    let refused = Companions::of(&[a, b, c], PLAIN).unwrap_err();
    assert_eq!(refused.message(), "a and b have a config.json, and c has none");
}
