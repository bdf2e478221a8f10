//! The widget with which one drags λ: by the keyboard, as people do who use no mouse.

use std::path::Path;

use serde_json::{Value, json};

use crate::chromium::on_page;

/// Keys without a letter (W3C WebDriver, section 17.4.2).
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";
const LEFT: &str = "\u{e012}";

const SHARES: &str =
    "return [...document.querySelectorAll('#three output')].map((it) => it.textContent);";
const UNLABELLED: &str = "return [...document.querySelectorAll('input, select')]\
     .filter((it) => it.labels.length === 0).length;";

/// What the trainer writes of the first text, all weight to `party`.
fn corner(expected: &Value, party: &str) -> String {
    let cases = expected["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["lambda"][party] == 1_000_000).unwrap();
    case["texts"][0].as_str().unwrap().to_owned()
}

#[test]
fn one_drags_a_share_and_reads_what_that_soup_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/summaries/expected.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/taste.html", |page| {
        page.says("#three .taste-status", "Written in this browser");
        let sliders = page.session.find_all("#three input[type=range]");
        assert_eq!(sliders.len(), 3);
        for (at, party) in ["agency", "checkers", "readers"].into_iter().enumerate() {
            page.session.type_into(&sliders[at], END);
            page.says("#three .taste-spoken", &corner(&expected, party));
            // The others gave their shares up.
            let share = |other| if other == at { "100.0 %" } else { "0.0 %" };
            let found = page.session.execute(SHARES, &[]);
            assert_eq!(found, json!([share(0), share(1), share(2)]));
        }
        page.says("#three .taste-status", "differ from before");
        page.picture("taste");
        // A step back: the rest goes to the others in equal parts.
        page.session.type_into(&sliders[2], LEFT);
        let found = page.session.execute(SHARES, &[]);
        assert_eq!(found, json!(["0.5 %", "0.5 %", "99.0 %"]));

        // Two parties share one slider, which begins at the agreement.
        page.says("#two .taste-status", "Written in this browser");
        assert_eq!(page.text("#two output"), "agency 25.0 %, readers 75.0 %");
        let slider = page.session.find_all("#two input[type=range]");
        page.session.type_into(&slider[0], HOME);
        page.says("#two .taste-spoken", &corner(&expected, "readers"));

        let refusal = "The expert of agency is not the one that it signed.";
        page.says("#forged .taste-status", refusal);
        assert_eq!(page.session.execute(UNLABELLED, &[]), json!(0));
        assert_eq!(page.breaches(), json!([]));
    });
}
