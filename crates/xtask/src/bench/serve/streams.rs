//! One reader: a soup that nobody asked for before, as it streams; beside the same bytes from nginx, and `potluck mix`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::nginx::Nginx;
use super::place::{Place, Server, cpu_seconds, weights};
use crate::bench::measure::{Contender, Output, in_turn};
use crate::bench::report::{Ratio, Row, Target};

/// The whole file, its first byte, which is of the header, and as much as has weights in it.
pub(super) const WHOLE: &str = "the whole file";
pub(super) const FIRST: &str = "the first byte";
pub(super) const FIRST_MIB: &str = "the first MiB";

const MIX: &str = "potluck mix, fresh file";
const NGINX: &str = "nginx, a static file";
const FRESH: &str = "an unseen λ, of a server that just started";
const USED: &str = "an unseen λ, of a server in use";

/// How many more λ are begun in each run.
const TASTES: usize = 5;

/// What was measured.
pub(super) struct Streamed {
    pub(super) rows: Vec<Row>,
}

/// Seconds and the server's processor seconds of one contender's runs.
struct Runs {
    work: &'static str,
    contender: &'static str,
    seconds: Vec<f64>,
    cpu: Vec<f64>,
    peak: u64,
}

impl Runs {
    fn of(work: &'static str, contender: &'static str) -> Self {
        Self { work, contender, seconds: Vec::new(), cpu: Vec::new(), peak: 0 }
    }

    fn add(&mut self, seconds: f64, cpu: f64) {
        eprintln!("{}, {}: {seconds:.4} s", self.work, self.contender);
        self.seconds.push(seconds);
        self.cpu.push(cpu);
    }

    fn row(&self) -> Row {
        Row::new(self.work, self.contender, &self.seconds, &self.cpu, self.peak)
    }
}

/// All contenders in turn, over and again.
pub(super) fn measure(place: &Place, nginx: &Path, runs: usize) -> Result<Streamed> {
    check(place)?;
    let folder = place.mixed();
    let folder = folder.parent().context("it has a folder")?;
    let nginx = Nginx::start(nginx, &place.path("nginx"), folder)?;
    let mut mixed = Runs::of(WHOLE, MIX);
    let mut served = Runs::of(WHOLE, NGINX);
    let (mut fresh, mut used) = (Runs::of(WHOLE, FRESH), Runs::of(WHOLE, USED));
    let firsts = |contender| [FIRST, FIRST_MIB].map(|work| Runs::of(work, contender));
    let (mut fresh_first, mut used_first) = (firsts(FRESH), firsts(USED));
    for _ in 0..runs {
        let row = mix(place)?;
        mixed.add(row.seconds, row.cpu_seconds);
        mixed.peak = mixed.peak.max(row.peak_rss_bytes);

        let before = cpu_seconds(&nginx.process)?;
        let fetched = fetch(place, nginx.address, "/model.safetensors", false)?;
        served.add(fetched.seconds, cpu_seconds(&nginx.process)? - before);

        let server = place.serve()?;
        for (whole, first) in [(&mut fresh, &mut fresh_first), (&mut used, &mut used_first)] {
            let before = cpu_seconds(&server.process)?;
            let fetched = unseen(place, &server, false)?;
            whole.add(fetched.seconds, cpu_seconds(&server.process)? - before);
            add_firsts(first, &fetched);
            whole.peak = whole.peak.max(server.peak_rss()?);
        }
        for _ in 0..TASTES {
            add_firsts(&mut used_first, &unseen(place, &server, true)?);
        }
    }
    let all = [mixed, served, fresh, used].into_iter().chain(fresh_first).chain(used_first);
    Ok(Streamed { rows: all.map(|runs| runs.row()).collect() })
}

fn add_firsts([first_byte, first_mib]: &mut [Runs; 2], fetched: &Fetched) {
    first_byte.add(fetched.first_byte, 0.0);
    first_mib.add(fetched.first_mib, 0.0);
}

/// Holds one stream against what `potluck mix` made.
fn check(place: &Place) -> Result<()> {
    let server = place.serve()?;
    let mut reader = place.reader("fetch");
    reader.args(["--address", &server.address.to_string()]);
    reader.args(["--path", &weights(&place.lambda())]).arg("--compare").arg(place.mixed());
    Place::told(&mut reader).context("a stream is not what potluck mix makes").map(drop)
}

/// The blend alone, into a file that is not there.
fn mix(place: &Place) -> Result<Row> {
    let out = place.path("out.safetensors");
    let mut command = place.mix(&place.unseen());
    command.arg("--no-hash").arg("--out").arg(&out);
    let contender = Contender {
        work: WHOLE.to_owned(),
        name: MIX.to_owned(),
        command,
        inputs: place.experts(),
        output: Output::Fresh(out.clone()),
        inner: None,
    };
    let row = in_turn(&mut [contender], 1)?.pop().context("a contender has a row")?;
    crate::bench::measure::remove(&out)?;
    Ok(row)
}

struct Fetched {
    first_byte: f64,
    first_mib: f64,
    seconds: f64,
}

fn unseen(place: &Place, server: &Server, taste: bool) -> Result<Fetched> {
    fetch(place, server.address, &weights(&place.unseen()), taste)
}

fn fetch(place: &Place, address: std::net::SocketAddr, path: &str, taste: bool) -> Result<Fetched> {
    let mut reader = place.reader("fetch");
    reader.args(["--address", &address.to_string(), "--path", path]);
    if taste {
        reader.arg("--taste");
    }
    let told = Place::told(&mut reader)?;
    let number = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
    let fetched = Fetched {
        first_byte: number("first_byte")?,
        first_mib: number("first_mib")?,
        seconds: number("seconds")?,
    };
    anyhow::ensure!(taste || told["bytes"].as_u64() > Some(0), "nothing came: {told}");
    Ok(fetched)
}

impl Streamed {
    pub(super) fn ratios(&self) -> Vec<Ratio> {
        let seconds = |work: &str, contender: &str| {
            let found = self.rows.iter().find(|it| it.work == work && it.contender == contender);
            found.map_or(f64::NAN, |row| row.seconds)
        };
        let ours = seconds(WHOLE, USED);
        let (nginx, mix) = (seconds(WHOLE, NGINX), seconds(WHOLE, MIX));
        // Whichever is slower is what we are to keep up with.
        let target = |is_slower| if is_slower { Target::AtLeast(0.8) } else { Target::None };
        let one = |name, meaning, target, value| Ratio {
            name,
            meaning,
            target,
            values: vec![("all".to_owned(), value)],
        };
        let first = |contender: &str| (contender.to_owned(), seconds(FIRST, contender) * 1e3);
        vec![
            Ratio {
                name: "first_byte_ms",
                meaning: "milliseconds from before the connection to the first byte of an unseen λ's weights, of a server that just \
                          started or of one in use, whichever is longer",
                target: Target::AtMost(50.0),
                values: vec![first(FRESH), first(USED)],
            },
            one(
                "stream_share_of_nginx",
                "the time in which nginx sends the same bytes as a static file, over that of an unseen λ",
                target(nginx >= mix),
                nginx / ours,
            ),
            one(
                "stream_share_of_mix",
                "the time in which `potluck mix` makes such a file, over that of an unseen λ",
                target(mix > nginx),
                mix / ours,
            ),
            one(
                "stream_share_fresh",
                "the slower of those two over the first λ of a server that just started, which verifies every expert",
                Target::None,
                nginx.max(mix) / seconds(WHOLE, FRESH),
            ),
        ]
    }
}

/// Whether a program told of a failure.
pub(super) fn none_failed(told: &Value, of: &str) -> Result<()> {
    let failures = told["failures"].as_array().map_or(0, Vec::len);
    anyhow::ensure!(failures == 0, "{of}: {} failed: {}", failures, told["failures"]);
    Ok(())
}
