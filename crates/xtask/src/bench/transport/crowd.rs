//! Sixteen parties upload at once, and a soup of the sixteen is blended: how much the aggregator holds.

use std::path::Path;

use anyhow::Result;

use crate::bench::federation::Federation;

/// 1 GB in whole tensors.
pub(super) const MIB: u64 = 960;

const PARTIES: usize = 16;

/// The most memory of the aggregator over all of it, in bytes.
pub(super) fn measure(programs: &Path, dir: &Path, each_mib: u64) -> Result<u64> {
    let parties: Vec<String> = (1..=PARTIES).map(|number| format!("party{number:02}")).collect();
    let federation = Federation::found(programs, dir, &parties, each_mib)?;
    let mut pushes = Vec::new();
    for (number, party) in parties.iter().enumerate() {
        let outbox = federation.expert(party, 1 + u32::try_from(number)?)?;
        pushes.push(federation.push(party, &outbox)?);
    }
    for push in pushes {
        let output = push.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "a push failed: {output:?}");
    }
    let uploaded = federation.peak_rss()?;
    federation.operator(&["round", "open"], &[])?;
    let lambda: Vec<String> = parties.iter().map(|party| format!("{party}=0.0625")).collect();
    for party in &parties {
        federation.party(&["round", "propose"], party, &lambda.join(","))?;
    }
    federation.operator(&["publish"], &[])?;
    let blended = federation.peak_rss()?;
    eprintln!(
        "sixteen uploads of {each_mib} MiB: {} MiB at most; with the soup {} MiB",
        uploaded >> 20,
        blended >> 20
    );
    Ok(blended)
}
