//! The machine that figures were measured on, as far as it tells.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use serde::Serialize;

/// What makes figures comparable.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// Memory in GiB.
    pub(crate) memory_gib: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How many processes wanted to run before the measurements began, over the last minute.
    pub(crate) load: f64,
}

impl Machine {
    /// Asks the system; what it does not tell is empty or 0.
    pub(crate) fn here() -> Self {
        let memory = field(&file("/proc/meminfo"), "MemTotal");
        let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let load = file("/proc/loadavg");
        Self {
            cpu: describe(&file("/proc/cpuinfo")),
            cores: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            memory_gib: (kibibytes + (1 << 19)) >> 20,
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0),
        }
    }
}

fn file(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value in the first line `name: value`.
fn field(text: &str, name: &str) -> String {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(it, _)| it.trim() == name);
    found.map_or(String::new(), |(_, value)| value.trim().to_owned())
}

/// Name, family and model, as a name alone often hides the generation; and the vectors that decide a kernel's speed.
fn describe(cpuinfo: &str) -> String {
    let of = |name| field(cpuinfo, name);
    let flags = of("flags");
    let has = |flag: &str| flags.split(' ').any(|it| it == flag);
    let vectors = match (has("avx512f"), has("avx2")) {
        (true, _) => ", AVX-512",
        (_, true) => ", AVX2",
        _ => "",
    };
    format!("{} (family {} model {}){vectors}", of("model name"), of("cpu family"), of("model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_told_by_name_and_vectors() {
        let text = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: Fast\nflags\t\t: avx2 avx512f\n";
        assert_eq!(describe(text), "Fast (family 25 model 17), AVX-512");
        assert_eq!(field("MemTotal:  24 kB\n", "MemTotal"), "24 kB");
    }
}
