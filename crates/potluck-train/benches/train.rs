//! Our side of `cargo xtask bench train`: the work of tests/bench/train/peer.py, on the same models.
//!
//! ```text
//! train generate|generate1|sft MODEL REPEATS KIND        KIND is f32 or bf16
//! train rloo|grpo MODEL REPEATS KIND SEED RATE
//! ```
//! Prints one JSON object: seconds and CPU seconds of each repeat, the peak of resident memory, and what was
//! measured. A program and not a criterion bench, since its rivals are programs. Without arguments (under
//! `cargo bench`) it says where the benchmark is.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use potluck_train::algorithm::AdamW;
use potluck_train::allocator::set_up;
use potluck_train::hf::{Choosing, Decoder, Ending, Folder, Group, Packed, Sampling};
use potluck_train::stream::Stream;
use potluck_train::tune::{
    Algorithm, Learner, OptimiserSettings, Policy, PpoSettings, Prompt, RlSettings, RunState,
    SamplingSettings, Scores, Words, Written,
};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

const PROMPTS: usize = 16;
const GROUP: usize = 4;
const PROMPT: usize = 8;
const NEW: usize = 56;
const END: i64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    set_up();
    let cores = std::thread::available_parallelism()?.get();
    tch::set_num_threads(i32::try_from(cores)?);
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut found = match words.as_slice() {
        ["generate", model, repeats, kind] => generate(model, repeats.parse()?, of(kind)?, 64)?,
        ["generate1", model, repeats, kind] => generate(model, repeats.parse()?, of(kind)?, 1)?,
        ["sft", model, repeats, kind] => sft(model, repeats.parse()?, of(kind)?)?,
        [work @ ("rloo" | "grpo"), model, repeats, kind, seed, rate] => {
            let algorithm = if *work == "rloo" { Algorithm::Rloo } else { Algorithm::Grpo };
            let run = Run {
                algorithm,
                repeats: repeats.parse()?,
                seed: seed.parse()?,
                rate: rate.parse()?,
                kind: of(kind)?,
            };
            run.go(model, begun)?
        }
        [] => {
            println!("the benchmark of training is `cargo xtask bench train`");
            return Ok(());
        }
        _ => return Err(format!("what is {words:?}? see the head of {}", file!()).into()),
    };
    found["peak_rss_bytes"] = json!(peak_rss_bytes());
    println!("{found}");
    Ok(())
}

fn of(kind: &str) -> Result<Kind, Box<dyn Error>> {
    match kind {
        "f32" => Ok(Kind::Float),
        "bf16" => Ok(Kind::BFloat16),
        other => Err(format!("{other} is neither f32 nor bf16").into()),
    }
}

fn load(model: &str, kind: Kind) -> Result<Decoder, Box<dyn Error>> {
    let mut decoder = Folder::open(Path::new(model))?.load()?;
    decoder.compute_in(kind);
    Ok(decoder)
}

fn prompts(vocabulary: i64, count: usize, length: usize, seed: u64) -> Vec<Vec<i64>> {
    let mut stream = Stream::of("bench", &[seed]);
    let mut token = || 4 + stream.below(vocabulary as usize - 4) as i64;
    (0..count).map(|_| (0..length).map(|_| token()).collect()).collect()
}

/// Seconds and CPU seconds of each of `repeats`, after a first that is not counted.
fn timed(repeats: usize, mut work: impl FnMut()) -> Value {
    work();
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let (start, used) = (Instant::now(), cpu_seconds());
        work();
        seconds.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - used);
    }
    json!({"seconds": seconds, "cpu_seconds": cpu})
}

fn generate(
    model: &str,
    repeats: usize,
    kind: Kind,
    batch: usize,
) -> Result<Value, Box<dyn Error>> {
    let decoder = load(model, kind)?;
    let prompts = prompts(decoder.architecture().vocabulary, batch, PROMPT, 1);
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let sampling = Sampling::default();
    let sampler = decoder.sampler(kind);
    let mut number = 0;
    let mut found = timed(repeats, || {
        number += 1;
        let streams = (0..batch as u64).map(|row| Stream::of("row", &[number, row])).collect();
        let ending = Ending { limit: NEW, ends: &[], is_over: None };
        let choosing = Choosing::Drawn(&sampling, streams);
        let all = sampler.generate(&prompts, ending, choosing);
        assert!(all.is_ok_and(|all| all.iter().all(|it| it.tokens.len() == NEW)));
    });
    found["tokens"] = json!(batch * NEW);
    Ok(found)
}

/// Forward, backward and AdamW on 32 rows of 64 tokens.
fn sft(model: &str, repeats: usize, kind: Kind) -> Result<Value, Box<dyn Error>> {
    let policy = Policy::new(load(model, kind)?, None, 1)?;
    let decoder = policy.decoder();
    let rows = prompts(decoder.architecture().vocabulary, 32, 64, 1);
    let learned = [true; 64];
    let trained = policy.trained();
    let weights = || trained.iter().map(|(_, tensor)| *tensor);
    let mut optimiser = AdamW::new(weights(), OptimiserSettings::default().betas());
    let mut found = timed(repeats, || {
        let rows: Vec<_> = rows.iter().map(|row| vec![Group::text(row, &learned)]).collect();
        let packed = Packed::new(decoder.architecture(), &rows, Device::Cpu)
            .expect("the rows are the model's tokens");
        (-packed.log_probs(decoder, 1.0).mean(Kind::Float)).backward();
        optimiser.step(weights(), 1e-4, 0.01, 1.0);
    });
    found["tokens"] = json!(32 * 64);
    Ok(found)
}

struct Run {
    algorithm: Algorithm,
    repeats: usize,
    seed: u64,
    rate: f64,
    kind: Kind,
}

/// Tokens as words; rewards look at tokens.
struct Numbers;

impl Words for Numbers {
    fn text(&self, tokens: &[i64]) -> String {
        tokens.iter().map(|token| format!("w{token}")).collect::<Vec<_>>().join(" ")
    }

    fn ends(&self) -> &[i64] {
        &[END]
    }
}

impl Run {
    fn go(&self, model: &str, begun: Instant) -> Result<Value, Box<dyn Error>> {
        let base = load(model, self.kind)?;
        let reference = base.snapshot(self.kind);
        let vocabulary = base.architecture().vocabulary;
        // The reference may share memory with the base, which is then trained.
        let reference = reference.duplicate();
        let policy = Policy::new(base, None, self.seed)?;
        let optimiser = OptimiserSettings { learning_rate: self.rate, ..Default::default() };
        let moments = AdamW::new(policy.trained().into_iter().map(|it| it.1), optimiser.betas());
        let mut state = RunState::begin(policy, moments, false);
        let rl = RlSettings {
            algorithm: self.algorithm,
            steps: self.repeats as u64 + 1,
            prompts: PROMPTS,
            group: GROUP,
            ..Default::default()
        };
        let sampling = SamplingSettings { max_tokens: NEW, ..Default::default() };
        let learner = Learner {
            rl: &rl,
            ppo: &PpoSettings::default(),
            kl: &rl.kl(),
            sampling: &sampling,
            sampler: &sampling.sampling()?,
            optimiser: &optimiser,
            reference: Some(&reference),
            words: &Numbers,
            seed: self.seed,
        };
        let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
        let (mut rewards, mut parts) = (Vec::new(), Vec::new());
        let mut first = 0.0;
        for step in 0..=self.repeats {
            let (start, used) = (Instant::now(), cpu_seconds());
            let prompts: Vec<Prompt> = prompts(vocabulary, PROMPTS, PROMPT, step as u64)
                .into_iter()
                .map(|tokens| Prompt {
                    text: String::new(),
                    conversation: None,
                    tokens,
                    columns: Map::new(),
                })
                .collect();
            let (figures, _) = learner.step(&mut state, &prompts, even)?;
            if step == 0 {
                first = begun.elapsed().as_secs_f64();
            } else {
                seconds.push(start.elapsed().as_secs_f64());
                cpu.push(cpu_seconds() - used);
                parts.push([figures.seconds.sample, figures.seconds.learn]);
            }
            rewards.push(figures.reward);
        }
        let trained = state.policy.trained();
        let sum: Tensor = trained.iter().map(|(_, tensor)| tensor.detach().sum(Kind::Double)).sum();
        Ok(json!({
            "seconds": seconds, "cpu_seconds": cpu, "first_step": first, "rewards": rewards,
            "sample_and_learn": parts, "weights_sum": sum.double_value(&[]),
        }))
    }
}

/// The share of a completion's tokens that are even.
fn even(_: &[Prompt], written: &[Written]) -> Result<Scores, std::convert::Infallible> {
    let share = |it: &Written| {
        let even = it.tokens.iter().filter(|token| *token % 2 == 0).count();
        Some(even as f64 / it.tokens.len().max(1) as f64)
    };
    Ok(written.iter().map(share).collect())
}

fn usage() -> libc::rusage {
    // SAFETY: `getrusage` fills the structure that it is given, for which zeros are a value.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    }
}

fn cpu_seconds() -> f64 {
    let of = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let usage = usage();
    of(usage.ru_utime) + of(usage.ru_stime)
}

fn peak_rss_bytes() -> i64 {
    usage().ru_maxrss * 1024
}
