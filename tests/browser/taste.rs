//! The widget with which one drags λ: by the keyboard, as people do who use no mouse.

use std::path::Path;
use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::chromium::{Page, on_page};

/// What the trainer writes of the first text, all weight to `party`.
fn corner(expected: &Value, party: &str) -> String {
    let cases = expected["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["lambda"][party] == 1_000_000).unwrap();
    case["texts"][0].as_str().unwrap().to_owned()
}

/// The text of the first element that fits.
async fn text(page: &Page, selector: &str) -> String {
    let script = "return document.querySelector(arguments[0])?.textContent.trim() ?? '';";
    let found = page.client.execute(script, vec![json!(selector)]).await.unwrap();
    found.as_str().unwrap().to_owned()
}

/// Waits until the element says so.
async fn says(page: &Page, selector: &str, words: &str) {
    let script =
        "return (document.querySelector(arguments[0])?.textContent ?? '').includes(arguments[1]);";
    let mut found = false;
    for _ in 0..600 {
        found = page.client.execute(script, vec![json!(selector), json!(words)]).await.unwrap()
            == json!(true);
        if found {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(found, "{selector} never says {words:?}, but {:?}", text(page, selector).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_drags_a_share_and_reads_what_that_soup_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/summaries/expected.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/taste.html", |page| async move {
        says(&page, "#three .taste-status", "Written in this browser").await;
        let sliders = page.client.find_all(Locator::Css("#three input[type=range]")).await.unwrap();
        assert_eq!(sliders.len(), 3);
        for (at, party) in ["agency", "checkers", "readers"].into_iter().enumerate() {
            sliders[at].send_keys(&Key::End.to_string()).await.unwrap();
            says(&page, "#three .taste-spoken", &corner(&expected, party)).await;
            // The others gave their shares up.
            let outputs = page.client.find_all(Locator::Css("#three output")).await.unwrap();
            for (other, output) in outputs.iter().enumerate() {
                let share = if other == at { "100.0 %" } else { "0.0 %" };
                assert_eq!(output.text().await.unwrap(), share);
            }
        }
        // A step back: the rest goes to the others in equal parts.
        sliders[2].send_keys(&Key::Left.to_string()).await.unwrap();
        let shares = "return [...document.querySelectorAll('#three output')].map((it) => it.textContent);";
        let found = page.client.execute(shares, Vec::new()).await.unwrap();
        assert_eq!(found, json!(["0.5 %", "0.5 %", "99.0 %"]));
        says(&page, "#three .taste-status", "differ").await;

        // Two parties share one slider, which begins at the agreement.
        says(&page, "#two .taste-status", "Written in this browser").await;
        assert_eq!(text(&page, "#two output").await, "agency 25.0 %, readers 75.0 %");
        let slider = page.client.find(Locator::Css("#two input[type=range]")).await.unwrap();
        slider.send_keys(&Key::Home.to_string()).await.unwrap();
        says(&page, "#two .taste-spoken", &corner(&expected, "readers")).await;

        says(&page, "#forged .taste-status", "The expert of agency is not the one that it signed.").await;
        let unlabelled = "return [...document.querySelectorAll('input, select')].filter((it) => it.labels.length === 0).length;";
        assert_eq!(page.client.execute(unlabelled, Vec::new()).await.unwrap(), json!(0));
        assert_eq!(page.breaches().await, json!([]));
        if let Some(folder) = std::env::var_os("POTLUCK_SCREENSHOTS") {
            std::fs::write(Path::new(&folder).join("taste.png"), page.client.screenshot().await.unwrap()).unwrap();
        }
    })
    .await;
}
