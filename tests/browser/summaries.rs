//! What soups write in a page, against what the trainer writes for the same λ (`tests/vectors/summaries`).

use serde_json::{Value, json};

use crate::chromium::on_page;

#[test]
fn the_page_writes_what_the_trainer_writes() {
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/summaries.js", Value::Null);
        assert_eq!(found["wrong"], json!([]));
        assert_eq!(found["right"], 96);
        // Other λ must write other words, or equal ones show little.
        assert!(found["distinct"].as_u64().unwrap() > 48, "{found}");
        assert_eq!(page.breaches(), json!([]));
    });
}
