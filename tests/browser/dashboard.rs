//! The pages as a committee uses them: by mouse, by keyboard, without JavaScript; of a real federation, in Chromium.

use serde_json::{Value, json};

use crate::chromium::{Page, in_browser};
use crate::served::Served;

/// Keys without a letter (W3C WebDriver, section 17.4.2).
const END: &str = "\u{e010}";
const ENTER: &str = "\u{e007}";
const LEFT: &str = "\u{e012}";

/// Each page, and what it says first.
const PAGES: [(&str, &str); 9] = [
    ("/", "news"),
    ("/front", "The front"),
    ("/taste", "Taste"),
    ("/rounds", "Rounds"),
    ("/rounds/1", "Round 1"),
    ("/ledger", "Ledger"),
    ("/ledger/5", "Entry 5"),
    ("/live", "Live"),
    ("/downloads", "Downloads"),
];

/// The most bytes of a page and all that it loads by itself.
const MOST: u64 = 150_000;

const LOADED: &str = "return [...performance.getEntriesByType('navigation'), \
     ...performance.getEntriesByType('resource')].reduce((sum, it) => sum + it.transferSize, 0);";

#[test]
fn a_committee_reads_clicks_and_checks() {
    in_browser(|page| {
        let served = Served::start();
        every_page_is_whole(page, &served);
        moving_lambda_changes_figures_and_the_line(page, &served);
        samples_stand_side_by_side(page, &served);
        the_decision_is_recomputed(page, &served);
        the_ledger_is_verified(page, &served);
        the_ledger_is_searched(page, &served);
        a_soup_is_tasted(page, &served);
        what_happens_is_seen(page, &served);
        it_is_read_without_javascript(page, &served);
    });
}

fn every_page_is_whole(page: &Page, served: &Served) {
    for width in [390, 1280, 2560] {
        for (path, title) in PAGES {
            page.look(width, if width == 390 { "dark" } else { "light" });
            page.session.go_to(&served.url(path));
            page.says("h1", title);
            // Nothing but tables moves sideways.
            let wide = "return document.documentElement.scrollWidth <= innerWidth;";
            assert_eq!(page.session.execute(wide, &[]), json!(true), "{path} at {width}");
            page.picture(&format!("page{}-{width}", path.replace('/', "-")));
            assert_eq!(page.complaints(), Vec::<String>::new(), "{path}");
            assert_eq!(page.breaches(), json!([]), "{path}");
        }
    }
    page.look(1280, "light");
    for (path, _) in PAGES.into_iter().filter(|(path, _)| *path != "/taste") {
        page.session.go_to(&served.url(path));
        // Nothing is kept from before, so that all is counted.
        page.session.command("Network.setCacheDisabled", json!({"cacheDisabled": true}));
        page.session.go_to(&served.url(path));
        let loaded = page.session.execute(LOADED, &[]).as_u64().unwrap();
        assert!((1..MOST).contains(&loaded), "{path} takes {loaded} bytes");
    }
}

fn moving_lambda_changes_figures_and_the_line(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/front"));
    page.says("#explorer pre", "revision=");
    let gains = || page.text("#explorer .gains");
    let (before, line) = (gains(), page.text("#explorer pre"));
    // By the keyboard: all of it to the first party.
    let sliders = page.session.find_all("#explorer input[type=range]");
    assert_eq!(sliders.len(), 3);
    page.session.type_into(&sliders[0], END);
    page.says("#explorer pre", "revision=\"agency=1\"");
    assert_ne!(gains(), before);
    page.says("#explorer .gains ~ p", "Evaluated: this is “expert of agency”");
    page.session.type_into(&sliders[0], LEFT);
    page.says("#explorer .gains ~ p", "Predicted from the ");
    page.says("#explorer pre", "agency=0.99");
    // By the mouse: into the middle of the triangle.
    let corner = page.text("#explorer pre");
    page.click("#explorer svg.chart");
    let moved = support::waiting::until(|| (page.text("#explorer pre") != corner).then_some(()));
    assert!(moved.is_some(), "a click into the triangle moves nothing");
    // By name: back to what was agreed.
    let choose = "const select = [...document.querySelectorAll('#explorer select')].at(-1); \
        select.value = [...select.options].find((it) => it.text.includes('agreed')).value; \
        select.dispatchEvent(new Event('change'));";
    page.session.execute(choose, &[]);
    let back = support::waiting::until(|| (page.text("#explorer pre") == line).then_some(()));
    assert!(back.is_some(), "{line}, but {}", page.text("#explorer pre"));
    // Every other picture is drawn, with the operator's run in it, and says that it is the operator's.
    for shown in [1, 2] {
        let show = "const select = document.querySelector('#explorer select'); \
            select.value = arguments[0]; select.dispatchEvent(new Event('change')); \
            return document.querySelectorAll('#explorer .chart .run').length;";
        let runs = page.session.execute(show, &[json!(shown)]);
        assert!(runs.as_u64().unwrap() > 0, "{shown}");
        page.says("#explorer .legend", "the operator's figures");
        page.picture(&format!("front-{shown}"));
    }
    page.says("main", "Nobody signed these figures");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn samples_stand_side_by_side(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/front"));
    page.says("#explorer pre", "revision=");
    page.click("#samples button");
    page.says("#samples [role=status]", "Written in this browser by 4 mixtures.");
    page.says("#samples .samples", "The base");
    let sliders = page.session.find_all("#explorer input[type=range]");
    page.session.type_into(&sliders[2], END);
    page.says("#samples .samples", "readers=1");
    page.says("#samples [role=status]", "Written in this browser by 4 mixtures.");
    page.picture("samples");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn the_decision_is_recomputed(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/rounds"));
    page.click("tbody th a");
    page.says("h1", "Round 1");
    page.says("tr.out", "does not accept it");
    page.click("#recompute button");
    page.says("#recompute [role=status]", "equal");
    page.says("#recompute [role=status]", "That is what was agreed.");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn the_ledger_is_verified(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/ledger"));
    page.click("#check button");
    page.says("#check [role=status]", "entries hold");
    page.picture("verified");
    // A second time the log must prove that it only grew.
    page.click("#check button");
    page.says("#check [role=status]", "what you saw before");
    page.click("tbody a");
    page.says("#check p", "Verify");
    page.click("#check button");
    page.says("#check [role=status]", "stands in the log of");
    assert_eq!(page.complaints(), Vec::<String>::new());
    assert_eq!(page.breaches(), json!([]));
}

fn the_ledger_is_searched(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/ledger"));
    let choose = "document.querySelector('select[name=kind]').value = 'submit';";
    page.session.execute(choose, &[]);
    let field = page.session.find_all("input[name=from]");
    page.session.type_into(&field[0], &format!("9{ENTER}"));
    let rows = "return location.search.includes('kind=submit') && \
        [...document.querySelectorAll('tbody tr')].map((it) => Number(it.dataset.index));";
    let found = support::waiting::until(|| {
        let found = page.session.execute(rows, &[]);
        found.is_array().then_some(found)
    });
    let found = found.unwrap();
    let found: Vec<_> = found.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!(!found.is_empty() && found.iter().all(|index| *index <= 9), "{found:?}");
    page.says("tbody", "handed in an expert");
}

fn a_soup_is_tasted(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/taste"));
    page.says(".taste-status", "Written in this browser");
    let sliders = page.session.find_all("input[type=range]");
    page.session.type_into(&sliders[1], END);
    page.says(".taste-status", "differ");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn what_happens_is_seen(page: &Page, served: &Served) {
    page.session.go_to(&served.url("/live"));
    page.says("#connection", "live");
    served.federation.operator(&["round", "open"], &[]).succeeded();
    page.says("#entries", "opened round 2");
    page.says("#round", "Round 2");
    served.federation.propose("agency", "agency=0.3,checkers=0.3,readers=0.4").succeeded();
    page.says("#entries", "agency showed what it proposes");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn it_is_read_without_javascript(page: &Page, served: &Served) {
    page.session.command("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    for (path, title) in PAGES {
        page.session.go_to(&served.url(path));
        page.says("h1", title);
        // What only a script can do is not offered.
        let offered = "return [...document.querySelectorAll('.script')].filter((it) => it.checkVisibility()).length;";
        assert_eq!(page.session.execute(offered, &[]), json!(0), "{path}");
        page.picture(&format!("plain{}", path.replace('/', "-")));
    }
    page.session.go_to(&served.url("/front"));
    page.says("tbody", "expert of agency");
    page.says("tbody", "±");
    page.session.command("Emulation.setScriptExecutionDisabled", json!({"value": false}));
}
