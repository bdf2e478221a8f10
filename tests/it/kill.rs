//! A power cut at any moment: what was acknowledged is there afterwards, and what was not can be done again.
//!
//! The moments are states, not times: how many bytes stand in the aggregator's quarantine. They are drawn
//! from a fixed seed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use support::checkpoint::{HUGE, LARGE, SMALL};
use support::federation::{Federation, PARTIES};
use support::programs::program;
use support::random::Random;
use support::waiting;

const MOMENTS: usize = 10;

/// The bytes of all files below `dir`, as far as they can be seen while others write there.
fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

pub(crate) fn start(args: &[String]) -> Child {
    let mut command = program("potluck");
    command.args(args).arg("--json").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the programs were built")
}

pub(crate) fn cut_off(mut child: Child) {
    // It may have ended by itself; either way it is gone afterwards.
    let _ = child.kill();
    let _ = child.wait();
}

/// Waits until the folder holds `bytes` more than before, or the command is done.
pub(crate) fn reach(dir: &Path, bytes: u64, child: &mut Child) {
    let before = bytes_below(dir);
    waiting::until(|| {
        let there = bytes_below(dir) >= before + bytes;
        (there || child.try_wait().is_ok_and(|ended| ended.is_some())).then_some(())
    });
}

/// Kills of an upload, unless the machine is so slow that they would take longer than [`ENOUGH`].
const MANY_MOMENTS: usize = 50;
const ENOUGH: Duration = Duration::from_secs(45);

#[test]
fn an_upload_survives_fifty_kills_of_either_side() {
    let mut federation = Federation::with_parties(HUGE).unwrap();
    let expert = federation.expert("agency").unwrap();
    let size = fs::metadata(expert.join("model.safetensors")).unwrap().len();
    let admitted = federation.checkpoint();
    let mut random = Random::new(4);
    let (begun, mut moments) = (Instant::now(), 0);
    while moments < MANY_MOMENTS && (moments < MOMENTS || begun.elapsed() < ENOUGH) {
        let quarantine = federation.operator_dir().join("store/quarantine");
        let mut push = start(&federation.push_args("agency", &expert));
        // On average the last moment comes when nearly all is there.
        let share = 2.0 * size as f64 / MANY_MOMENTS as f64;
        reach(&quarantine, (random.unit() * share) as u64, &mut push);
        if moments % 2 == 0 {
            federation.kill();
            cut_off(push);
            federation.restart().unwrap();
        } else {
            cut_off(push);
        }
        let now = federation.checkpoint();
        assert!(now["size"].as_u64() >= admitted["size"].as_u64(), "moment {moments}");
        moments += 1;
    }
    println!("{moments} kills in {:?}", begun.elapsed());
    let pushed = federation.push("agency", &expert).succeeded();
    assert_eq!(pushed["index"], 4);
    federation.restart().unwrap();
    let again = federation.push("agency", &expert).succeeded();
    assert_eq!(again["index"], 4);
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!((&audit["ok"], &audit["entries"]), (&true.into(), &5.into()));
}

#[test]
fn a_publication_survives_ten_kills_of_either_side() {
    let mut federation = Federation::agreed(LARGE).unwrap();
    let agreed = federation.checkpoint();
    let store = federation.operator_dir().join("store");
    let dir = federation.operator_dir().display().to_string();
    let publish: Vec<String> =
        ["publish", "--dir", &dir, "--address", &federation.address].map(str::to_owned).to_vec();
    let size = fs::metadata(federation.expert("agency").unwrap().join("model.safetensors"));
    let size = size.unwrap().len();
    let mut random = Random::new(5);
    for moment in 0..MOMENTS {
        let mut child = start(&publish);
        reach(&store, (random.unit() * size as f64) as u64, &mut child);
        if moment % 2 == 0 {
            federation.kill();
            cut_off(child);
            federation.restart().unwrap();
        } else {
            cut_off(child);
        }
        let now = federation.checkpoint();
        assert!(now["size"].as_u64() >= agreed["size"].as_u64(), "moment {moment}");
    }
    // Whether one of the ten got through or this one does: the soup is published once.
    let ended = federation.operator(&["publish"], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    federation.restart().unwrap();
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["ok"], true, "{audit}");
    assert_eq!(audit["soups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn receipts_stay_true_over_restarts() {
    let mut federation = Federation::with_parties(SMALL).unwrap();
    for party in PARTIES {
        let pushed = federation.push(party, &federation.expert(party).unwrap()).succeeded();
        federation.restart().unwrap();
        let ledger = federation.stranger(&["ledger"], &[]).succeeded();
        assert!(ledger["checkpoint"]["size"].as_u64() > pushed["index"].as_u64());
    }
}
