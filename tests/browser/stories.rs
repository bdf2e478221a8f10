//! The committed ledger of `tests/vectors/ledger`, walked by a page; and the same ledger with bits flipped.

use std::path::Path;

use potluck_core::Entry;
use serde_json::{Value, json};

use crate::chromium::on_page;
use crate::ledgers::{write, write_envelopes, write_tiles};

#[test]
fn the_page_walks_the_committed_ledger_and_believes_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/ledger/story.json");
    let story: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let made = tempfile::tempdir().unwrap();
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let entries = story["entries"].as_array().unwrap();
    let entries = entries
        .iter()
        .map(|it| Entry::parse(&text(&it["record"]), &text(&it["envelope"])).unwrap());
    let entries: Vec<_> = entries.collect();
    let records: Vec<_> = entries.iter().map(|entry| entry.record().to_vec()).collect();
    write_tiles(made.path(), &records);
    write_envelopes(made.path(), &entries);
    write(&made.path().join("checkpoint"), &text(&story["checkpoint"]));
    let argument = json!({"log": story["log_key"], "witness": story["witness_key"]});
    on_page(made.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/stories.js", argument);
        assert_eq!(found["size"], 18);
        assert_eq!(found["federation"], story["federation"]);
        let kinds: Vec<_> =
            entries.iter().map(|entry| entry.envelope().domain().kind.as_str()).collect();
        assert_eq!(found["kinds"], json!(kinds));
        assert_eq!(
            found["cosigners"],
            json!([{"name": "potluck/vectors/a", "time": 1_767_229_200}])
        );
        assert_eq!(found["agreed"], json!([{"a": 500_000, "b": 500_000}]));
        assert_eq!(found["believed"], json!([]));
        assert!(found["refused"].as_u64().unwrap() > 200, "{found}");
        // A page may not be served from a secure address: nothing here may lean on what browsers give such pages alone.
        assert_eq!(page.breaches(), json!([]));
    });
}
