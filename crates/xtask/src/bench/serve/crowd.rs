//! Many readers at once, each of another λ: how much the server holds, and whether all are served alike.

use anyhow::{Context, Result};

use super::place::{Place, cpu_seconds, weights};
use super::streams::none_failed;
use crate::bench::report::{Ratio, Target, median};

/// How many.
pub(super) const READERS: usize = 64;

/// What was measured.
pub(super) struct Crowd {
    /// The most that the server held, in bytes.
    pub(super) peak: u64,
    /// Seconds of each reader, ascending.
    pub(super) seconds: Vec<f64>,
    /// Seconds to the first byte of each reader, ascending.
    pub(super) first_bytes: Vec<f64>,
    pub(super) cpu_seconds: f64,
}

/// All of them, of a server that just started; each reads the first `read_mib` of its soup.
pub(super) fn measure(place: &Place, read_mib: u64) -> Result<Crowd> {
    let server = place.serve()?;
    let mut reader = place.reader("crowd");
    reader.args(["--address", &server.address.to_string()]);
    reader.args(["--bytes", &(read_mib << 20).to_string()]);
    reader.args((0..READERS).map(|_| weights(&place.unseen())));
    let told = Place::told(&mut reader)?;
    none_failed(&told, "many readers")?;
    let numbers = |name: &str| -> Result<Vec<f64>> {
        let values = told[name].as_array().with_context(|| format!("no {name}"))?;
        let mut numbers: Vec<f64> = values.iter().filter_map(|it| it.as_f64()).collect();
        numbers.sort_by(f64::total_cmp);
        Ok(numbers)
    };
    let crowd = Crowd {
        peak: server.peak_rss()?,
        seconds: numbers("seconds")?,
        first_bytes: numbers("first_byte")?,
        cpu_seconds: cpu_seconds(&server.process)?,
    };
    eprintln!(
        "{READERS} readers: {} MiB at most, median {:.1} s",
        crowd.peak >> 20,
        median(&crowd.seconds)
    );
    Ok(crowd)
}

impl Crowd {
    pub(super) fn ratios(&self) -> Vec<Ratio> {
        let one = |name, meaning, target, value| Ratio {
            name,
            meaning,
            target,
            values: vec![("all".to_owned(), value)],
        };
        let (first, last) = (self.seconds.first(), self.seconds.last());
        let unfair = first.zip(last).map_or(f64::NAN, |(first, last)| last / first);
        vec![
            one(
                "peak_rss_mib_64_clients",
                "MiB that the server held at most while 64 readers read 64 different λ at once",
                Target::AtMost(256.0),
                self.peak as f64 / f64::from(1 << 20),
            ),
            one(
                "slowest_over_fastest",
                "the time of the last of these readers over that of the first, each of which read as much",
                Target::AtMost(1.5),
                unfair,
            ),
        ]
    }
}
