//! Which signatures are good: the page judges as `verify_strict` does, to the last edge case.

use serde_json::{Value, json};

use crate::chromium::on_page;

#[test]
fn the_page_judges_signatures_as_the_ledger_does() {
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/blank.html", |page| {
        let found = page.run("/pages/signatures.js", Value::Null);
        // Wycheproof's 88 and 63; the edges that `potluck-core` makes from the group itself.
        assert_eq!(found["wycheproof"], json!({"valid": 88, "invalid": 63, "wrong": []}));
        assert_eq!(
            found["edges"],
            json!({"refused": 14, "valid": 44, "invalid": 352, "wrong": []})
        );
        // What WebCrypto and the library's own `verify` would have let in.
        assert_eq!(found["identity"], json!({"here": false, "library": true}));
        assert_eq!(page.breaches(), json!([]));
    });
}
