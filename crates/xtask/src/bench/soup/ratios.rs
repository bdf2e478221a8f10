//! The figures that are watched: each a division of two rows, for each number of checkpoints.

use super::contenders::{
    ADAPTERS, INSPECT, INSPECT_FLOOR, LOOP, MERGEKIT, MIX, OUTPUTS, PLAIN, RUN_MERGE, ours_named,
};
use super::work;
use crate::bench::report::{Ratio, Row, Target};

/// The name of the work of adapters.
pub(super) const ADAPTER_WORK: &str = "adapters";
/// The name of the work of statistics.
pub(super) const INSPECT_WORK: &str = "inspect";

/// All ratios; one without its rows has no value.
pub(super) fn of(rows: &[Row], sizes: &[usize]) -> Vec<Ratio> {
    let table = Table { rows, sizes };
    let fresh = OUTPUTS[0];
    let plain = ours_named(fresh, false);
    let hashed = ours_named(fresh, true);
    let ahead = |name, meaning, bound, rivals: &[&str], ours: &str| Ratio {
        name,
        meaning,
        target: Target::AtLeast(bound),
        values: table.over(rivals, ours),
    };
    let behind = |name, meaning, target, ours: &str, rival: &str| Ratio {
        name,
        meaning,
        target,
        values: table.over(&[ours], rival),
    };
    let floor = |output: &str| format!("floor, {output}");
    vec![
        ahead("vs_mergekit", "the fastest mergekit process over ours", 20.0, &MERGEKIT, &plain),
        ahead("vs_mergekit_hashed", "the same, ours with BLAKE3", 15.0, &MERGEKIT, &hashed),
        ahead(
            "vs_mergekit_merge",
            "its merge call alone over our process",
            6.0,
            &[RUN_MERGE],
            &plain,
        ),
        ahead("vs_torch", "the plain torch script over ours", 8.0, &[PLAIN[0]], &plain),
        ahead(
            "vs_torch_loop",
            "the best torch script, without its imports, over our process",
            1.5,
            &[LOOP[1]],
            &plain,
        ),
        behind(
            "over_floor",
            "ours over the copy loop, fresh file",
            Target::AtMost(2.0),
            &plain,
            &floor(fresh),
        ),
        behind(
            "over_floor_overwrite",
            "the same where a file stands there",
            Target::None,
            &ours_named(OUTPUTS[1], false),
            &floor(OUTPUTS[1]),
        ),
        behind(
            "over_floor_no_output",
            "the same without output",
            Target::None,
            &ours_named(OUTPUTS[2], false),
            &floor(OUTPUTS[2]),
        ),
        behind(
            "hash_overhead",
            "ours with BLAKE3 over ours without, fresh file",
            Target::AtMost(1.35),
            &hashed,
            &plain,
        ),
        behind(
            "f64_over_f32",
            "ours over the loop that sums in binary32, fresh file",
            Target::AtMost(1.3),
            &plain,
            &format!("binary32, {fresh}"),
        ),
        table.peak(),
        table.adapters(
            "adapter_ms",
            "a soup of two BF16 adapters of rank 16 and a 7 B shape, with BLAKE3, in milliseconds",
            ADAPTERS[1].2,
            Target::AtMost(100.0),
        ),
        table.adapters("adapter_plain_ms", "the same without BLAKE3", ADAPTERS[0].2, Target::None),
        table.adapters("adapter_f32_ms", "F32, without BLAKE3", ADAPTERS[2].2, Target::None),
        table.inspection(),
    ]
}

struct Table<'a> {
    rows: &'a [Row],
    sizes: &'a [usize],
}

impl Table<'_> {
    fn seconds(&self, work: &str, contender: &str) -> Option<f64> {
        let mut rows = self.rows.iter();
        rows.find(|it| it.work == work && it.contender == contender).map(|it| it.seconds)
    }

    /// For each size, the fastest of `above` divided by `below`.
    fn over(&self, above: &[&str], below: &str) -> Vec<(String, f64)> {
        let value = |size: &usize| {
            let work = work(*size);
            let above = above.iter().filter_map(|it| self.seconds(&work, it)).reduce(f64::min)?;
            let below = self.seconds(&work, below)?;
            Some((work, above / below))
        };
        self.sizes.iter().filter_map(value).collect()
    }

    /// The most memory that `potluck mix` held, over all that it did.
    fn peak(&self) -> Ratio {
        let mut values: Vec<(String, f64)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.contender.starts_with(MIX)) {
            let mebibytes = row.peak_rss_bytes as f64 / f64::from(1 << 20);
            match values.iter_mut().find(|(work, _)| *work == row.work) {
                Some((_, peak)) => *peak = peak.max(mebibytes),
                None => values.push((row.work.clone(), mebibytes)),
            }
        }
        Ratio {
            name: "peak_rss_mib",
            meaning: "the most memory of ours, in MiB",
            target: Target::AtMost(64.0),
            values,
        }
    }

    /// Two rank-16 adapters of a 7 B shape.
    fn adapters(
        &self,
        name: &'static str,
        meaning: &'static str,
        row: &str,
        target: Target,
    ) -> Ratio {
        let seconds = self.seconds(ADAPTER_WORK, row);
        let values = seconds.map(|it| (ADAPTER_WORK.to_owned(), it * 1e3)).into_iter().collect();
        Ratio { name, meaning, target, values }
    }

    /// Statistics against reading alone.
    fn inspection(&self) -> Ratio {
        let floor = self.seconds(INSPECT_WORK, INSPECT_FLOOR);
        let values = floor.zip(self.seconds(INSPECT_WORK, INSPECT));
        let values = values.map(|(floor, ours)| (INSPECT_WORK.to_owned(), floor / ours));
        Ratio {
            name: "inspect_share",
            meaning: "the rate of statistics over that of reads alone",
            target: Target::AtLeast(0.7),
            values: values.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: &str, contender: &str, seconds: f64) -> Row {
        Row::new(work, contender, &[seconds], &[seconds], 10 << 20)
    }

    #[test]
    fn ratios_divide_the_right_rows_and_know_the_worst() {
        let mut rows = Vec::new();
        for (work, factor) in [("K=2", 1.0), ("K=4", 2.0)] {
            rows.push(row(work, &ours_named("fresh file", false), 0.5 * factor));
            rows.push(row(work, &ours_named("fresh file", true), 0.6 * factor));
            rows.push(row(work, "floor, fresh file", 0.4 * factor));
            rows.push(row(work, MERGEKIT[0], 15.0));
            rows.push(row(work, MERGEKIT[1], 12.0));
        }
        let ratios = of(&rows, &[2, 4]);
        let worst = |name| ratios.iter().find(|it| it.name == name).and_then(Ratio::worst);
        assert_eq!(worst("vs_mergekit"), Some(12.0));
        assert_eq!(worst("vs_mergekit_hashed"), Some(10.0));
        assert_eq!(worst("over_floor"), Some(1.25));
        assert_eq!(worst("hash_overhead"), Some(1.2));
        assert_eq!(worst("peak_rss_mib"), Some(10.0));
        assert_eq!(worst("vs_torch"), None);
        assert_eq!(worst("adapter_ms"), None);
    }
}
