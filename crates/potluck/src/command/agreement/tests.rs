//! The documents of bargains and of other agreements, and the spreadsheet beside the ledger.

use potluck_core::charter::BargainRule;
use potluck_core::entry::Stance;

use super::*;
use crate::command::chronicle::tests::told;
use crate::ledger::Ledger;
use crate::samples::Story;

/// Does something with what is known of a story.
fn with<T>(story: &Story, license: Option<&str>, look: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (chronicle, ledger): (Chronicle, Ledger) = told(story);
    let (told, round, agreement) = chronicle.agreed(ledger.federation(), None).unwrap();
    look(&Facts {
        federation: ledger.federation(),
        told,
        round,
        agreement,
        size: ledger.checkpoint().size(),
        root: ledger.checkpoint().root().to_string(),
        log_key: Story::log_key().to_string(),
        address: None,
        license,
    })
}

fn page(story: &Story) -> String {
    with(story, None, |facts| render::markdown(&page::blocks(facts)))
}

const RATIFIED: &str =
    "[agreement]\nratify_permille = 600\nvalid_seconds = 86400\n[amendment]\npermille = 750\n";

fn served() -> Story {
    let mut story = Story::bargained(RATIFIED);
    story.stand("agency", Stance::Ratify, "");
    story.stand("readers", Stance::Ratify, "");
    story.stand("checkers", Stance::Dissent, "=cmd|' /C calc'!A0 <b>too | little</b>");
    story.serve();
    story
}

#[test]
fn the_page_says_who_what_why_and_until_when() {
    let text = page(&served());
    for words in [
        "It is in force",
        "These shares are a bargain",
        "| agency | 2 of 4 | writes the news | ",
        "| not stated | ",
        "Nash's bargain",
        "the runner-up is candidate",
        "checkers objected (entry ",
        "&lt;b&gt;too \\| little&lt;/b&gt;",
        "It holds until 2023-11-15 22:13:20 UTC",
        "potluck audit COPY --log-key potluck/news+",
        "no legal advice",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert!(!text.contains("Said nothing of it"));
    let html = with(&served(), None, |facts| render::html(&page::blocks(facts)));
    for forbidden in ["<script", "<b>", "http://", "https://", "src="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn what_lapsed_says_so() {
    let mut story = served();
    story.withdraw("agency", "our licence ended");
    let text = page(&story);
    assert!(text.contains("A party took its expert back: it is no longer in force."), "{text}");
    assert!(text.contains("“our licence ended”"));
    let mut story = served();
    story.time += 86_401;
    story.submit("agency", "another");
    assert!(page(&story).contains("Its time is over"));
}

#[test]
fn a_fallback_says_why_and_keeps_the_dissent() {
    let mut story = Story::bargained(RATIFIED);
    story.stand("agency", Stance::Dissent, "not enough facts");
    let text = page(&story);
    assert!(text.contains("no bargain but the fallback"), "{text}");
    assert!(text.contains("what was chosen was not ratified"));
    assert!(text.contains("agency objected to what was chosen before, agency "));
    assert!(text.contains("“not enough facts”"));
    let text = page(&Story::without_deal(""));
    assert!(text.contains("no candidate is a gain for everybody"), "{text}");
    assert!(page(&Story::published()).contains("the mean of the proposals, by weight"));
}

#[test]
fn the_card_invents_nothing() {
    let card = with(&served(), None, |facts| card::card(facts).unwrap());
    assert!(card.starts_with("---\nlicense: unknown\n"), "{card}");
    assert!(card.contains("Intended use: not stated by the parties"));
    let card = with(&served(), Some("Apache-2.0"), |facts| card::card(facts).unwrap());
    assert!(card.starts_with("---\nlicense: \"Apache-2.0\"\n"));
    assert!(with(&Story::bargained(""), None, |facts| card::card(facts).is_none()));
    assert!(license("Apache-2.0 OR MIT").is_ok());
    assert!(license("x\ny").is_err() && license("").is_err() && license("\"").is_err());
}

#[test]
fn the_package_names_what_it_is_made_of() {
    let document = with(&served(), Some("MIT"), |facts| spdx::document(facts).unwrap());
    let graph = document["@graph"].as_array().unwrap();
    let of = |kind: &str| graph.iter().filter(|it| it["type"] == kind).count();
    assert_eq!((of("ai_AIPackage"), of("SpdxDocument"), of("CreationInfo")), (1, 1, 1));
    let package = graph.iter().find(|it| it["type"] == "ai_AIPackage").unwrap();
    assert_eq!(package["ai_metric"].as_array().unwrap().len(), 3);
    assert_eq!(package["releaseTime"], "2023-11-14T22:13:20Z");
    // Whoever writes it names things alike.
    assert_eq!(document, with(&served(), Some("MIT"), |facts| spdx::document(facts).unwrap()));
    let ids: std::collections::BTreeSet<_> =
        graph.iter().filter_map(|it| it["spdxId"].as_str()).collect();
    assert_eq!(ids.len(), graph.len() - 1);
}

#[test]
fn others_read_the_package() {
    let Some(python) = std::env::var_os("POTLUCK_INTERCHANGE_PYTHON") else {
        eprintln!("SKIPPED: no Python with spdx-python-model; `cargo xtask test` installs it");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    for (story, license) in [(served(), None), (served(), Some("MIT")), (Story::published(), None)]
    {
        let path = home.path().join("spdx.json");
        let document = with(&story, license, |facts| spdx::document(facts).unwrap());
        std::fs::write(&path, pretty(&document)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interchange/spdx.py");
        let said = std::process::Command::new(&python).arg(script).arg(&path).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        eprint!("{}", String::from_utf8_lossy(&said.stdout));
    }
}

#[test]
fn all_files_are_written() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("agreement");
    let reader = Reader { dir: None, address: None, log_key: None };
    let args =
        Args { place: None, reader, offline: true, round: None, out: out.clone(), license: None };
    let written = with(&served(), None, |facts| write(facts, &args, &Output::new(true)).unwrap());
    assert_eq!(written.len(), 6);
    assert!(written.iter().all(|name| out.join(name).metadata().unwrap().len() > 500));
    let written =
        with(&Story::bargained(""), None, |facts| write(facts, &args, &Output::new(true)).unwrap());
    assert_eq!(written.len(), 4);
}

#[test]
fn the_data_has_the_agreement_and_all_that_was_said() {
    let data = with(&served(), None, data::data);
    assert_eq!(data["standing"], "in_force");
    assert_eq!(data["stances"].as_array().unwrap().len(), 3);
    assert_eq!(data["agreement"]["deal"]["rule"], "nash");
    assert_eq!(data["experts"]["agency"]["files"][0]["path"], "model.safetensors");
}

/// Where a spreadsheet program is, or nothing, which is said.
fn office() -> Option<std::process::Command> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|it| it.join("soffice")).find(|it| it.exists());
    if found.is_none() {
        eprintln!(
            "skipped: no soffice here, so no formula was evaluated (apt install libreoffice-calc)"
        );
    }
    found.map(std::process::Command::new)
}

/// The sheet's cells after LibreOffice has evaluated them.
fn evaluated(sheets: &[(String, String)]) -> Option<Vec<Vec<Vec<String>>>> {
    let mut office = office()?;
    let home = tempfile::tempdir().unwrap();
    let profile = format!("-env:UserInstallation=file://{}", home.path().join("profile").display());
    for (name, text) in sheets {
        std::fs::write(home.path().join(format!("{name}.csv")), text).unwrap();
    }
    let files = sheets.iter().map(|(name, _)| home.path().join(format!("{name}.csv")));
    let said = office
        .args(["--headless", &profile])
        // Comma, quotes, UTF-8; the last but one is ours to keep, the last evaluates formulas, as newer versions ask for.
        .arg("--infilter=CSV:44,34,76,1,,0,false,true,false,false,false,0,true")
        .args(["--convert-to", "csv:Text - txt - csv (StarCalc):59,34,76", "--outdir"])
        .arg(home.path().join("out"))
        .args(files)
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let read = |(name, _): &(String, String)| {
        let path = home.path().join(format!("out/{name}.csv"));
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| line.split(';').map(|it| it.trim_matches('"').to_owned()).collect())
            .collect()
    };
    Some(sheets.iter().map(read).collect())
}

#[test]
fn a_spreadsheet_decides_as_the_ledger_does() {
    let rules = [
        BargainRule::Nash,
        BargainRule::Leximin,
        BargainRule::Utilitarian,
        BargainRule::AlphaHalf,
        BargainRule::AlphaTwo,
        BargainRule::AlphaSixteen,
    ];
    let mut stories: Vec<_> = rules
        .iter()
        .map(|rule| format!("rule = '{}'\n", rule.as_str()))
        .flat_map(|rule| [format!("{rule}veto = true\n"), rule])
        .map(|rest| Story::bargained(&rest))
        .collect();
    stories.push(Story::without_deal(""));
    let mut refused = Story::bargained(RATIFIED);
    refused.stand("agency", Stance::Dissent, "no");
    stories.push(refused);
    let sheets: Vec<_> = stories
        .iter()
        .enumerate()
        .map(|(index, story)| {
            (format!("s{index}"), with(story, None, |facts| sheet::sheet(facts).to_csv()))
        })
        .collect();
    let Some(sheets) = evaluated(&sheets) else { return };
    for (cells, story) in sheets.iter().zip(&stories) {
        let find = |name: &str| cells.iter().find(|row| row[0] == name).unwrap().clone();
        let chosen = find("chosen candidate");
        let told = with(story, None, |facts| facts.chosen());
        let number = told.map_or("none".to_owned(), |(it, _)| (it + 1).to_string());
        assert_eq!(chosen[1..4], [number.clone(), number, "yes".to_owned()], "{cells:?}");
        assert_eq!(find("runner-up")[3], "yes", "{cells:?}");
        if told.is_some() {
            assert_eq!(find("finalists")[3], "yes", "{cells:?}");
        }
        assert_eq!(find("quorum")[3], "yes");
        // What stands, and what does not, is what the ledger says.
        let heads = cells.iter().enumerate().filter(|(_, row)| row[0] == "candidate");
        for (place, head) in heads {
            let column = |name: &str| head.iter().position(|it| it == name).unwrap();
            let (stands, why) = (column("stands"), column("why not, in the ledger"));
            let rows = cells[place + 1..].iter().take_while(|row| !row[0].is_empty());
            for row in rows {
                assert_eq!(row[stands] == "1", row[why].is_empty(), "{row:?}");
            }
        }
    }
    let winners: std::collections::BTreeSet<_> =
        stories.iter().map(|story| with(story, None, |facts| facts.chosen())).collect();
    assert!(winners.len() > 3, "the stories are too alike to show anything: {winners:?}");
    eprintln!("{} sheets were evaluated, with the outcomes {winners:?}", sheets.len());
}

#[test]
fn a_spreadsheet_takes_the_mean_as_the_ledger_does() {
    let sheet = with(&Story::published(), None, |facts| sheet::sheet(facts).to_csv());
    let Some(sheets) = evaluated(&[("mean".to_owned(), sheet)]) else { return };
    let same = sheets[0].iter().find(|row| row[0] == "the same as in the ledger?").unwrap();
    assert_eq!(same[1], "yes", "{:?}", sheets[0]);
}
