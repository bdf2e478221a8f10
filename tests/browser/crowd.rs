//! The pages of a federation as large as a dashboard may meet, measured: how long after an input the page has drawn.
//!
//! `cargo xtask bench dashboard` makes that federation and runs this; without it, there is nothing to open. What is asserted is
//! that the pages do what they should: how fast is a figure, which is told.

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use support::Server;

use crate::chromium::{Page, in_browser, on_page};

/// From now on, how long each input waits until what it changed is drawn: from its own time to after the next frame.
const WATCH: &str = "window.waits = []; \
    const wait = (event) => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); \
        port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp); port2.postMessage(0); }); \
    for (const kind of ['input', 'change', 'click', 'pointerdown', 'keydown']) \
        addEventListener(kind, wait, { capture: true }); \
    window.events = []; \
    new PerformanceObserver((list) => window.events.push(...list.getEntries().map((it) => it.duration))) \
        .observe({ type: 'event', durationThreshold: 16 }); \
    return true;";

/// The waits since, the longest first, and the browser's own figures of the same.
const WAITS: &str = "const done = arguments[0]; setTimeout(() => done({ \
    inputs: window.waits.length, longest: Math.max(0, ...window.waits), \
    median: [...window.waits].sort((a, b) => a - b)[window.waits.length >> 1] ?? 0, \
    event_timing: Math.max(0, ...window.events) }), 500);";

const LEFT: &str = "\u{e012}";

#[test]
fn five_hundred_points_follow_the_slider() {
    let nothing = tempfile::tempdir().unwrap();
    on_page(nothing.path(), "pages/crowd.html", |page| {
        page.says("#explorer pre", "revision=");
        let lines = "return document.querySelectorAll('#explorer .lines path').length;";
        assert_eq!(page.session.execute(lines, &[]), json!(500));
        let mut told = vec![("all axes", drag(page, 0))];
        let pair = "const select = document.querySelector('#explorer select'); select.value = 0; \
            select.dispatchEvent(new Event('change'));";
        page.session.execute(pair, &[]);
        told.push(("a pair", drag(page, 2)));
        for (what, waits) in told {
            assert!(waits["inputs"].as_u64().unwrap() > 20, "{what}: {waits}");
            println!(
                "DASHBOARD {}",
                json!({"what": format!("500 points, {what}: λ dragged"), "waits": waits})
            );
        }
        assert_eq!(page.complaints(), Vec::<String>::new());
    });
}

/// Drags a slider by the mouse, and moves the next one by the keyboard.
fn drag(page: &Page, which: usize) -> Value {
    page.session.execute(WATCH, &[]);
    let sliders = page.session.find_all("#explorer input[type=range]");
    let before = page.text("#explorer pre");
    page.session.drag(&sliders[which], 80, 40);
    page.session.type_into(&sliders[which + 1], &LEFT.repeat(10));
    let waits = page.session.execute_async(WAITS, &[]);
    assert_ne!(page.text("#explorer pre"), before);
    waits
}

#[test]
fn a_long_ledger_is_read_and_checked() {
    let Some(folder) = std::env::var_os("POTLUCK_CROWD") else {
        eprintln!("SKIPPED: no large federation; `cargo xtask bench dashboard` makes one");
        return;
    };
    let folder = Path::new(&folder);
    // Free a moment ago; nothing else here asks for one by its number.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        format!("listen = \"127.0.0.1:0\"\n[http]\nlisten = \"{address}\"\nmorl = \"morl.json\"\n");
    std::fs::write(folder.join("aggregator.toml"), config).unwrap();
    let _server = Server::start(folder, "127.0.0.1:0").unwrap();
    in_browser(|page| {
        let go = |path: &str| page.session.go_to(&format!("http://{address}{path}"));
        for path in ["/", "/front", "/rounds/8", "/ledger", "/ledger/5000", "/live", "/downloads"] {
            go(path);
            let shown = "const it = performance.getEntriesByType('navigation')[0]; \
                return { loaded: it.loadEventEnd - it.startTime };";
            told(&format!("{path} is loaded"), page.session.execute(shown, &[]));
        }
        go("/front");
        page.says("#explorer pre", "revision=");
        told("the front of a round and 430 runs: λ dragged", drag(page, 0));
        go("/ledger");
        page.session.execute(WATCH, &[]);
        page.click("#check button");
        page.says("#check .walk", " of ");
        // While it is checked the page answers.
        let field = page.session.find_all("input[name=from]");
        page.session.type_into(&field[0], "12345");
        told("the ledger is checked meanwhile: keys typed", page.session.execute_async(WAITS, &[]));
        let clock = "return performance.now();";
        let began = page.session.execute(clock, &[]).as_f64().unwrap();
        while page.text("#check [role=status]").is_empty() {
            std::thread::park_timeout(std::time::Duration::from_millis(200));
        }
        page.says("#check [role=status]", "entries hold");
        let took = page.session.execute(clock, &[]).as_f64().unwrap() - began;
        told("all entries are checked", json!({"milliseconds": took}));
        assert_eq!(page.complaints(), Vec::<String>::new());
    });
}

fn told(what: &str, waits: Value) {
    println!("DASHBOARD {}", json!({"what": what, "waits": waits}));
}
