//! Soups that a page mixes, against the digests of `tests/vectors/soup`.

use std::path::Path;

use serde_json::{Value, json};

use crate::chromium::on_page;

#[test]
fn the_page_mixes_the_known_soups_to_the_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/soup");
    let folders = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap());
    let mut names: Vec<String> = folders
        .filter(|it| it.path().join("recipe.json").exists())
        .map(|it| it.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/soups.js", json!(names));
        assert_eq!(found["wrong"], json!([]));
        assert_eq!(found["right"], json!(names));
        assert_eq!(found["believed"], json!([]), "a malformed file was read");
        assert_eq!(page.run("/pages/logits.js", Value::Null), json!({"wrong": [], "right": 20}));
    });
}
