//! Who takes part, by which command, and under which name.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::place::{Place, text};
use super::ratios::{ADAPTER_WORK, INSPECT_WORK};
use super::work;
use crate::bench::measure::{Contender, Output};
use crate::bench::peers::Peers;

/// The states of an output, as they stand in names.
pub(super) const OUTPUTS: [&str; 3] = ["fresh file", "overwrite", "no output"];

/// What the rows of ours begin with.
pub(super) const MIX: &str = "potluck mix";
/// mergekit as a process, in the ways that were tried.
pub(super) const MERGEKIT: [&str; 3] =
    ["mergekit-yaml", "mergekit-yaml, fastest options", "mergekit, called in a script"];
/// What that script reports of the call.
pub(super) const RUN_MERGE: &str = "mergekit, its merge call alone";
/// The plain script, and what it reports.
pub(super) const PLAIN: [&str; 2] = ["torch, plain", "torch, plain, without imports"];
/// The best script, and what it reports.
pub(super) const LOOP: [&str; 2] = ["torch, best", "torch, best, without imports"];
/// Types of adapters, options, and their rows.
pub(super) const ADAPTERS: [(&str, &[&str], &str); 4] = [
    ("BF16", &["--no-hash"], "potluck mix, BF16"),
    ("BF16", &[], "potluck mix with BLAKE3, BF16"),
    ("F32", &["--no-hash"], "potluck mix, F32"),
    ("F32", &[], "potluck mix with BLAKE3, F32"),
];
/// Ours at statistics.
pub(super) const INSPECT: &str = "potluck inspect --statistics";
/// Reading the same file.
pub(super) const INSPECT_FLOOR: &str = "reads alone";

/// Bytes of a block in the copy loop and in the binary32 rival: the fastest of 32 to 512 KiB where it was tried.
const BLOCK: u64 = 64 << 10;

/// mergekit's options that do not make it slower, and leave out what is not mixing.
const FASTEST: [&str; 6] = [
    "--quiet",
    "--no-copy-tokenizer",
    "--no-write-model-card",
    "--lazy-unpickle",
    "--low-cpu-memory",
    "--async-write",
];

/// λ in 64ths, for as many checkpoints.
fn sixty_fourths(size: usize) -> Vec<u32> {
    match size {
        2 => vec![40, 24],
        4 => vec![28, 20, 12, 4],
        8 => vec![16, 12, 10, 8, 7, 5, 4, 2],
        _ => vec![64 / size as u32; size],
    }
}

/// Ours with and without the digest, the floor, and binary32, each with all three outputs.
pub(super) fn rounds(place: &Place, size: usize) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for output in OUTPUTS {
        contenders.push(ours(place, size, output, false));
        contenders.push(ours(place, size, output, true));
        for rival in ["floor", "binary32"] {
            contenders.push(loops(place, size, rival, output));
        }
    }
    contenders
}

/// `potluck mix`; the names of parties are in the order of the checkpoints, in which mergekit sums, too.
fn ours(place: &Place, size: usize, output: &str, hashed: bool) -> Contender {
    let mut mix = place.command("potluck");
    mix.arg("mix");
    let inputs: Vec<_> = (1..=size).map(|number| place.checkpoint((number - 1) % 8 + 1)).collect();
    let mut lambda = Vec::new();
    for (number, (input, weight)) in inputs.iter().zip(sixty_fourths(size)).enumerate() {
        mix.arg("--expert").arg(format!("p{number:02}={}", text(input)));
        lambda.push(format!("p{number:02}={}", decimal(weight)));
    }
    mix.arg("--lambda").arg(lambda.join(","));
    let output_state = state(place, "ours", output);
    match &output_state {
        Output::None => mix.arg("--no-output"),
        Output::Fresh(path) | Output::Present(path) => mix.arg("--out").arg(path),
    };
    if !hashed {
        mix.arg("--no-hash");
    }
    let name = ours_named(output, hashed);
    Contender { work: work(size), name, command: mix, inputs, output: output_state, inner: None }
}

/// The name of a row of ours.
pub(super) fn ours_named(output: &str, hashed: bool) -> String {
    format!("{MIX}{}, {output}", if hashed { " with BLAKE3" } else { "" })
}

/// The copy loop (`floor`), or the same with a sum in between (`binary32`).
fn loops(place: &Place, size: usize, rival: &str, output: &str) -> Contender {
    let mut command = place.command("soup");
    command.arg(rival).arg(BLOCK.to_string());
    let output_state = state(place, rival, output);
    match &output_state {
        Output::None => command.arg("-"),
        Output::Fresh(path) | Output::Present(path) => command.arg(path),
    };
    let inputs: Vec<_> = (1..=size).map(|number| place.checkpoint(number)).collect();
    match rival {
        "floor" => command.args(&inputs),
        _ => command.args(terms(&inputs)),
    };
    let name = format!("{rival}, {output}");
    Contender { work: work(size), name, command, inputs, output: output_state, inner: None }
}

fn state(place: &Place, family: &str, output: &str) -> Output {
    match output {
        "fresh file" => Output::Fresh(place.output(&format!("{family}-fresh.safetensors"))),
        "overwrite" => Output::Present(place.output(&format!("{family}.safetensors"))),
        _ => Output::None,
    }
}

/// `WEIGHT=FILE`, as our own scripts and loops take it.
fn terms(inputs: &[PathBuf]) -> Vec<String> {
    let weights = sixty_fourths(inputs.len());
    inputs
        .iter()
        .zip(weights)
        .map(|(input, it)| format!("{}={}", decimal(it), text(input)))
        .collect()
}

/// 64ths as an exact decimal.
fn decimal(weight: u32) -> String {
    format!("{}", f64::from(weight) / 64.0)
}

/// mergekit and torch. In the quick run mergekit's command is left out: the script that calls it is as fast.
pub(super) fn rivals(
    place: &Place,
    peers: &Peers,
    size: usize,
    quick: bool,
) -> Result<Vec<Contender>> {
    let inputs: Vec<_> = (1..=size).map(|number| place.checkpoint(number)).collect();
    let config = place.note(&format!("mergekit-{size}.yml"), &config(place, size))?;
    let contender = |name: &str, mut command: Command, output: PathBuf, inner: Option<&str>| {
        let output = Output::Fresh(output);
        // As many threads as ours has: all cores.
        command.env_remove("OMP_NUM_THREADS");
        let (work, name, inner) = (work(size), name.to_owned(), inner.map(str::to_owned));
        Contender { work, name, command, inputs: inputs.clone(), output, inner }
    };
    let mut contenders = Vec::new();
    let folder = place.output("mergekit");
    if !quick {
        for (name, options) in [(MERGEKIT[0], &FASTEST[1..2]), (MERGEKIT[1], &FASTEST[..])] {
            let mut command = peers.program("mergekit-yaml");
            command.arg(&config).arg(&folder).args(options);
            contenders.push(contender(name, command, folder.clone(), None));
        }
    }
    let mut command = peers.script("soup_mergekit.py");
    command.arg(&config).arg(&folder);
    contenders.push(contender(MERGEKIT[2], command, folder, Some(RUN_MERGE)));
    for ([name, inner], script) in [(PLAIN, "soup_torch.py"), (LOOP, "soup_torch_loop.py")] {
        let output = place.output(&format!("{script}.safetensors"));
        let mut command = peers.script(script);
        command.arg(&output).args(terms(&inputs));
        contenders.push(contender(name, command, output, Some(inner)));
    }
    Ok(contenders)
}

/// mergekit's configuration.
fn config(place: &Place, size: usize) -> String {
    let mut text = String::from("merge_method: linear\ndtype: bfloat16\nmodels:\n");
    for (number, weight) in (1..=size).zip(sixty_fourths(size)) {
        let folder = place.checkpoint_folder(number);
        let weight = decimal(weight);
        text += &format!("  - model: {}\n    parameters: {{weight: {weight}}}\n", folder.display());
    }
    text
}

/// Sixteen inputs, for their memory: the eight checkpoints twice.
pub(super) fn many(place: &Place) -> Vec<Contender> {
    vec![ours(place, 16, OUTPUTS[0], true)]
}

/// Two adapters into one of twice the rank.
pub(super) fn adapters(place: &Place) -> Vec<Contender> {
    let contender = |(dtype, options, name): (&str, &[&str], &str)| {
        let folders = [1, 2].map(|number| place.adapter(dtype, number));
        let output = place.output(&format!("adapter-{dtype}"));
        let mut command = place.command("potluck");
        command.arg("mix").args(["--lambda", "a=0.625,b=0.375", "--out"]).arg(&output);
        command.args(options);
        for (party, folder) in ["a", "b"].into_iter().zip(&folders) {
            command.arg("--expert").arg(format!("{party}={}", text(folder)));
        }
        Contender {
            work: ADAPTER_WORK.to_owned(),
            name: name.to_owned(),
            command,
            inputs: folders.map(|it| it.join("adapter_model.safetensors")).to_vec(),
            output: Output::Fresh(output),
            inner: None,
        }
    };
    ADAPTERS.map(contender).into()
}

/// Statistics of one checkpoint, and reading it.
pub(super) fn inspection(place: &Place) -> Vec<Contender> {
    let input = place.checkpoint(1);
    let mut ours = place.command("potluck");
    ours.arg("inspect").arg(&input).arg("--statistics");
    let mut reads = place.command("soup");
    reads.args(["floor", &BLOCK.to_string(), "-"]).arg(&input);
    [(INSPECT, ours), (INSPECT_FLOOR, reads)]
        .map(|(name, command)| Contender {
            work: INSPECT_WORK.to_owned(),
            name: name.to_owned(),
            command,
            inputs: vec![input.clone()],
            output: Output::None,
            inner: None,
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_are_whole_millionths() {
        for size in [2, 4, 8, 16] {
            let weights = sixty_fourths(size);
            assert_eq!((weights.len(), weights.iter().sum::<u32>()), (size, 64));
        }
        assert_eq!(decimal(5), "0.078125");
    }
}
