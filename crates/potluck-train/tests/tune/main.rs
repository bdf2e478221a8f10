//! Reinforcement on tiny models of random weights: what is rewarded becomes likelier, by every algorithm, whole
//! or by LoRA, and a run that was killed ends with the same bytes.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::path::Path;

use potluck_soup::adapter::{Adapter, expert_sharing};
use potluck_train::algorithm::AdamW;
use potluck_train::hf::{Decoder, Folder, LoraSettings};
use potluck_train::tune::{
    Algorithm, Figures, KlSettings, Learner, OptimiserSettings, Policy, PpoSettings, Prompt,
    RlSettings, RunState, SamplingSettings, Scores, StepError, Words, WorkFolder, Written,
};
use serde_json::{Map, json};
use tch::{Kind, Tensor};

struct Numbers;

impl Words for Numbers {
    fn text(&self, tokens: &[i64]) -> String {
        tokens.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
    }

    fn ends(&self) -> &[i64] {
        &[2]
    }
}

fn folder(case: &str) -> Folder {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
    Folder::open(&vectors.join(case)).unwrap()
}

/// The share of tokens below 20; random weights give about a half.
fn low(_: &[Prompt], written: &[Written]) -> Result<Scores, Infallible> {
    let share = |it: &Written| {
        let low = it.tokens.iter().filter(|token| **token < 20).count();
        Some(low as f64 / it.tokens.len() as f64)
    };
    Ok(written.iter().map(share).collect())
}

struct Setting {
    rl: RlSettings,
    kl: KlSettings,
    lora: Option<LoraSettings>,
    ema: Option<f64>,
    case: &'static str,
}

impl Setting {
    fn of(algorithm: Algorithm) -> Self {
        let rl = RlSettings { algorithm, steps: 30, prompts: 4, group: 4, ..RlSettings::default() };
        Self { kl: rl.kl(), rl, lora: None, ema: None, case: "llama3" }
    }

    fn begin(&self) -> RunState {
        let policy = Policy::new(folder(self.case).load().unwrap(), self.lora.as_ref(), 1).unwrap();
        let policy = match self.rl.algorithm {
            Algorithm::Ppo => policy.with_value_head(),
            _ => policy,
        };
        let betas = self.optimiser().betas();
        let moments = AdamW::new(policy.trained().into_iter().map(|it| it.1), betas);
        RunState::begin(policy, moments, self.ema.is_some())
    }

    fn optimiser(&self) -> OptimiserSettings {
        OptimiserSettings {
            learning_rate: 2e-2,
            warmup: 3,
            ema: self.ema,
            ..OptimiserSettings::default()
        }
    }

    fn steps(&self, state: &mut RunState, until: u64) -> Vec<Figures> {
        let base = folder(self.case).load().unwrap();
        let reference = base.snapshot(Kind::Float);
        let sampling = SamplingSettings { max_tokens: 8, ..SamplingSettings::default() };
        let optimiser = self.optimiser();
        let learner = Learner {
            rl: &self.rl,
            ppo: &PpoSettings::default(),
            kl: &self.kl,
            sampling: &sampling,
            sampler: &sampling.sampling().unwrap(),
            optimiser: &optimiser,
            reference: Some(&reference),
            words: &Numbers,
            seed: 5,
        };
        let prompts: Vec<Prompt> = (0..self.rl.prompts as i64)
            .map(|n| Prompt {
                text: String::new(),
                conversation: None,
                tokens: (0..=n).map(|at| 3 + at).collect(),
                columns: Map::new(),
            })
            .collect();
        (state.counters.step..until)
            .map(|_| learner.step(state, &prompts, low).unwrap().0)
            .collect()
    }
}

fn bytes(state: &RunState) -> Vec<Vec<f32>> {
    let flat = |tensor: &Tensor| Vec::<f32>::try_from(tensor.detach().reshape([-1])).unwrap();
    let trained = state.policy.trained();
    let moments = state.optimiser.first.iter().chain(&state.optimiser.second);
    let average = state.average.iter().flatten();
    trained.iter().map(|(_, tensor)| flat(tensor)).chain(moments.chain(average).map(flat)).collect()
}

fn mean(figures: &[Figures]) -> f64 {
    figures.iter().map(|it| it.reward).sum::<f64>() / figures.len() as f64
}

#[test]
fn every_algorithm_makes_what_is_rewarded_likelier() {
    for algorithm in
        [Algorithm::Rloo, Algorithm::Grpo, Algorithm::DrGrpo, Algorithm::Ppo, Algorithm::Reinforce]
    {
        let setting = Setting::of(algorithm);
        let figures = setting.steps(&mut setting.begin(), 30);
        let (first, last) = (mean(&figures[..5]), mean(&figures[25..]));
        println!("{algorithm:?}: {first:.3} -> {last:.3}, kl {:.2}", figures[29].kl);
        assert!(last > first + 0.15, "{algorithm:?}: {first} -> {last}");
        assert!(figures[0].kl.abs() < 1e-3 && figures[29].kl > 0.1, "{algorithm:?}");
    }
}

#[test]
fn several_passages_and_parts_learn_too() {
    let mut setting = Setting::of(Algorithm::Ppo);
    setting.rl.iterations = 2;
    setting.rl.minibatches = 2;
    setting.rl.at_once = Some(1);
    let figures = setting.steps(&mut setting.begin(), 20);
    assert!(mean(&figures[15..]) > mean(&figures[..5]) + 0.1);
}

/// Computed in parts, a step is the same step, but for rounding.
#[test]
fn parts_of_a_batch_give_the_same_step() {
    let whole = Setting::of(Algorithm::Rloo);
    let mut parts = Setting::of(Algorithm::Rloo);
    parts.rl.at_once = Some(1);
    let (mut one, mut other) = (whole.begin(), parts.begin());
    let a = whole.steps(&mut one, 1);
    let b = parts.steps(&mut other, 1);
    assert!((a[0].grad_norm - b[0].grad_norm).abs() < 1e-4 * a[0].grad_norm);
    assert!((a[0].kl - b[0].kl).abs() < 1e-4 && (a[0].loss - b[0].loss).abs() < 1e-4);
}

#[test]
fn every_family_learns() {
    for case in ["gpt2", "gpt-neox", "gemma2", "qwen3-old-bias", "mistral"] {
        let setting = Setting { case, ..Setting::of(Algorithm::Rloo) };
        let figures = setting.steps(&mut setting.begin(), 30);
        assert!(mean(&figures[25..]) > mean(&figures[..5]) + 0.1, "{case}");
    }
}

fn lora(shared_a: Option<u64>) -> LoraSettings {
    LoraSettings {
        rank: 4,
        alpha: 16.0,
        is_rank_stabilised: false,
        dropout: 0.0,
        targets: vec!["all-linear".to_owned()],
        saved: Vec::new(),
        shared_a,
    }
}

#[test]
fn lora_learns_and_leaves_the_base_as_it_was() {
    for shared_a in [None, Some(9)] {
        let setting = Setting { lora: Some(lora(shared_a)), ..Setting::of(Algorithm::Rloo) };
        let mut state = setting.begin();
        let figures = setting.steps(&mut state, 30);
        assert!(mean(&figures[25..]) > mean(&figures[..5]) + 0.1, "{shared_a:?}");
        let base = folder("llama3").load().unwrap();
        let kept = state.policy.decoder().weights();
        assert!(base.weights().iter().zip(kept).all(|(a, b)| a == b));
        let trained = state.policy.trained();
        let has_a = trained.iter().any(|(name, _)| name.contains("lora_A"));
        assert_eq!(has_a, shared_a.is_none());
    }
}

/// Parties that share A average their changes exactly when they average B.
#[test]
fn with_a_shared_a_the_mean_of_b_is_the_mean_of_changes() {
    let setting = Setting { lora: Some(lora(Some(9))), ..Setting::of(Algorithm::Rloo) };
    let (mut one, mut other) = (setting.begin(), setting.begin());
    setting.steps(&mut one, 3);
    setting.steps(&mut other, 6);
    let both = one.policy.trained().into_iter().zip(other.policy.trained());
    let mean: Vec<Tensor> = both.map(|((_, a), (_, b))| (a.detach() + b.detach()) / 2.0).collect();
    let mut soup = setting.begin();
    soup.policy.put_trained(mean);
    let weights = |state: &RunState| -> Vec<Tensor> {
        let snapshot = state.policy.decoder().snapshot(Kind::Float);
        snapshot.weights().iter().map(Tensor::detach).collect()
    };
    let (one, other, soup) = (weights(&one), weights(&other), weights(&soup));
    for ((a, b), soup) in one.iter().zip(&other).zip(&soup).filter(|(_, it)| it.numel() > 0) {
        let far = ((a + b) / 2.0 - soup).abs().max().double_value(&[]);
        assert!(far < 1e-6, "{far}");
    }
}

/// The A that was saved is the one that a federation with this seed draws.
#[test]
fn what_was_trained_beside_a_shared_a_is_handed_in_without_it() {
    let setting = Setting { lora: Some(lora(Some(9))), ..Setting::of(Algorithm::Rloo) };
    let mut state = setting.begin();
    setting.steps(&mut state, 2);
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("adapter");
    state.policy.decoder().save_adapter("base", &folder).unwrap();
    let adapter = potluck_soup::Checkpoint::open(&folder).unwrap();
    let adapter = Adapter::open(&"party".parse().unwrap(), &adapter).unwrap();
    let stored = expert_sharing(&adapter, 9).unwrap();
    assert!(stored.files()[0].tensor_names().all(|name| name.contains("lora_B")));
    assert!(expert_sharing(&adapter, 8).is_err());
}

#[test]
fn a_run_that_was_killed_ends_with_the_same_bytes() {
    for (algorithm, lora, ema) in [
        (Algorithm::Ppo, None, Some(0.9)),
        (Algorithm::Rloo, Some(lora(None)), None),
        (Algorithm::Grpo, None, None),
    ] {
        let mut setting = Setting { lora, ema, ..Setting::of(algorithm) };
        setting.kl.target = Some(1.0);
        setting.kl.horizon = 100.0;
        let mut whole = setting.begin();
        setting.steps(&mut whole, 6);
        let scratch = tempfile::tempdir().unwrap();
        let work = WorkFolder::new(scratch.path(), &json!({"seed": 5}));
        let mut killed = setting.begin();
        assert!(!work.restore(&mut killed).unwrap());
        setting.steps(&mut killed, 3);
        work.keep(&killed).unwrap();
        drop(killed);
        let mut resumed = setting.begin();
        assert!(work.restore(&mut resumed).unwrap());
        assert_eq!(resumed.counters.step, 3);
        setting.steps(&mut resumed, 6);
        assert!(bytes(&whole) == bytes(&resumed), "{algorithm:?}");
        assert_eq!(whole.counters.kl_cost, resumed.counters.kl_cost);
    }
}

#[test]
fn another_runs_folder_and_a_damaged_checkpoint_are_refused() {
    let setting = Setting::of(Algorithm::Rloo);
    let state = setting.begin();
    let scratch = tempfile::tempdir().unwrap();
    let ours = WorkFolder::new(scratch.path(), &json!({"seed": 1}));
    ours.keep(&state).unwrap();
    let other = WorkFolder::new(scratch.path(), &json!({"seed": 2}));
    let error = other.restore(&mut setting.begin()).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    let path = scratch.path().join("checkpoint.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = ours.restore(&mut setting.begin()).unwrap_err().to_string();
    assert!(error.contains("delete it to begin anew"), "{error}");
    ours.finish(&json!({"kl": 4.25})).unwrap();
    assert_eq!(ours.result().unwrap(), Some(json!({"kl": 4.25})));
    assert!(other.result().unwrap_err().to_string().contains("other settings"));
}

#[test]
fn a_reward_that_fails_leaves_everything_as_it_was() {
    let setting = Setting::of(Algorithm::Rloo);
    let mut state = setting.begin();
    let before = bytes(&state);
    let base = folder("llama3").load().unwrap().snapshot(Kind::Float);
    let sampling = SamplingSettings { max_tokens: 4, ..SamplingSettings::default() };
    let optimiser = setting.optimiser();
    let learner = Learner {
        rl: &setting.rl,
        ppo: &PpoSettings::default(),
        kl: &setting.kl,
        sampling: &sampling,
        sampler: &sampling.sampling().unwrap(),
        optimiser: &optimiser,
        reference: Some(&base),
        words: &Numbers,
        seed: 5,
    };
    let prompt =
        Prompt { text: String::new(), conversation: None, tokens: vec![3], columns: Map::new() };
    let failed =
        learner.step(&mut state, &vec![prompt; 4], |_, _| Err(std::io::Error::other("no")));
    assert!(matches!(failed, Err(StepError::Score(_))));
    assert!(before == bytes(&state) && state.counters.step == 0);
}

/// What is saved as an adapter and merged into the base again computes what was trained.
#[test]
fn an_adapter_comes_back() {
    let _guard = tch::no_grad_guard();
    for case in ["llama3", "gpt2"] {
        let mut settings = lora(None);
        settings.saved = vec![if case == "gpt2" { "ln_f" } else { "model.norm" }.to_owned()];
        settings.is_rank_stabilised = case == "gpt2";
        let policy = Policy::new(folder(case).load().unwrap(), Some(&settings), 1).unwrap();
        let mut policy = policy;
        let moved: Vec<Tensor> = policy
            .trained()
            .iter()
            .enumerate()
            .map(|(n, (_, it))| it.detach() + 0.01 * (n as f64 + 1.0).sin())
            .collect();
        policy.put_trained(moved);
        let scratch = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("POTLUCK_KEEP_PEFT").map(std::path::PathBuf::from);
        let to = kept.as_deref().unwrap_or(scratch.path()).join(case);
        policy.decoder().save_adapter("base", &to).unwrap();
        let mut merged = folder(case).load().unwrap();
        merged.merge_adapter(&to).unwrap();
        let said = |decoder: &Decoder| {
            let prompt: &[i64] = &[3, 4, 5, 6];
            let batch =
                potluck_train::hf::Batch::new(decoder.architecture(), &[prompt], 0).unwrap();
            decoder.logits(&batch)
        };
        let (ours, theirs) = (said(policy.decoder()), said(&merged));
        let far = (&ours - theirs).abs().max().double_value(&[]);
        assert!(far < 1e-4, "{case}: {far}");
        let base = said(&folder(case).load().unwrap());
        assert!((ours - base).abs().max().double_value(&[]) > 1e-2, "{case}: it changed nothing");
    }
}
