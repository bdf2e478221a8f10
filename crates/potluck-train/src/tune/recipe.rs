//! A recipe: one TOML file that says everything about a run, and which of the three kinds it is.
//!
//! `[rl]`, `[sft]` or `[pretrain]` makes it one of reinforcement, of supervised fine-tuning, or of
//! language modelling. Paths are from the recipe's folder. Unknown keys, keys of another kind of run,
//! and numbers out of range are refused by name.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bad_input::BadInput;
use crate::data::DataSettings;
use crate::guard::GuardSettings;
use crate::hf::LoraSettings;
use crate::journal::JournalSettings;
use crate::text::TextTokenizer;

use super::kl::KlSettings;
use super::settings::{Fault, OptimiserSettings, PpoSettings, RlSettings, SamplingSettings, first};
use super::sft::SftSettings;

/// A checked recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Its text.
    pub text: String,
    /// Its file.
    pub path: PathBuf,
    /// The folder that its paths are from.
    pub folder: PathBuf,
    /// The model's folder.
    pub model: PathBuf,
    /// The model from which the divergence is measured, where it is another: a party that goes on from
    /// the last soup stays near the base that all began with.
    pub reference: Option<PathBuf>,
    /// Which of the model's chat templates prints conversations, where it has several.
    pub chat_template: Option<String>,
    /// The data set.
    pub file: PathBuf,
    /// How it is read.
    pub data: DataSettings,
    /// The seed of order, sampling and fresh weights.
    pub seed: u64,
    /// In what products of matrices are computed.
    pub precision: Precision,
    /// Where.
    pub device: Device,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// AdamW and its rate.
    pub optimiser: OptimiserSettings,
    /// What is trained instead of all weights.
    pub lora: Option<LoraSettings>,
    /// What the run writes about itself.
    pub journal: JournalSettings,
    /// Which kind of run.
    pub kind: Kind,
}

/// Which kind of run.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `[rl]`.
    Rl(Box<Reinforced>),
    /// `[sft]`.
    Sft(SftSettings),
    /// `[pretrain]`.
    Pretrain(SftSettings),
}

/// What only reinforcement has.
#[derive(Debug, Clone)]
pub struct Reinforced {
    /// How the run goes.
    pub rl: RlSettings,
    /// What only PPO has.
    pub ppo: PpoSettings,
    /// What the distance from the base costs.
    pub kl: KlSettings,
    /// How completions are drawn.
    pub sampling: SamplingSettings,
    /// `[[reward]]`, not read yet.
    pub rewards: toml::Value,
    /// When the run ends early.
    pub guards: GuardSettings,
    /// What is measured on prompts that are never learned from.
    pub held_out: Option<HeldOutTable>,
}

/// In what products of matrices are computed; weights, norms and sums stay F32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// BF16 where the processor multiplies it, else F32.
    #[default]
    Auto,
    /// F32.
    F32,
    /// BF16.
    Bf16,
}

/// Where a run is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The first GPU that libtorch sees.
    Cuda,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: PathBuf,
    reference: Option<PathBuf>,
    chat_template: Option<String>,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default)]
    precision: Precision,
    #[serde(default)]
    device: Device,
    #[serde(default = "twenty")]
    checkpoint_every: u64,
    #[serde(default)]
    journal: JournalSettings,
    data: Data,
    #[serde(default)]
    optimiser: OptimiserSettings,
    lora: Option<LoraTable>,
    rl: Option<RlSettings>,
    sft: Option<SftSettings>,
    pretrain: Option<SftSettings>,
    kl: Option<toml::Table>,
    ppo: Option<PpoSettings>,
    sampling: Option<SamplingSettings>,
    reward: Option<toml::Value>,
    guards: Option<GuardSettings>,
    held_out: Option<HeldOutTable>,
}

/// `[held_out]`: an evaluation now and then, on held-out prompts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOutTable {
    /// Steps between two evaluations.
    #[serde(default = "twenty")]
    pub every: u64,
    /// The most prompts, one completion each.
    #[serde(default = "sixty_four")]
    pub prompts: usize,
    /// `[[held_out.reward]]`: what is really wanted, never trained on; without it, the rewards that are.
    pub reward: Option<toml::Value>,
}

#[derive(Deserialize)]
struct Data {
    file: PathBuf,
    #[serde(flatten)]
    others: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LoraTable {
    rank: i64,
    alpha: f64,
    rslora: bool,
    dropout: f64,
    target_modules: Vec<String>,
    modules_to_save: Vec<String>,
    shared_a: Option<u64>,
}

impl Default for LoraTable {
    /// PEFT's.
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            rslora: false,
            dropout: 0.0,
            target_modules: Vec::new(),
            modules_to_save: Vec::new(),
            shared_a: None,
        }
    }
}

fn one() -> u64 {
    1
}

fn twenty() -> u64 {
    20
}

fn sixty_four() -> usize {
    64
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// [`BadInput`], which names file, line or key.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let text = std::fs::read_to_string(path).map_err(|error| BadInput::file(path, &error))?;
        let file: File =
            toml::from_str(&text).map_err(|error| BadInput::toml(path, &text, &error))?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Self::checked(file, text, path, folder).map_err(|reason| BadInput::file(path, &reason))
    }

    /// The model's tokenizer, with the chat template that is chosen.
    ///
    /// # Errors
    /// [`BadInput`], which names the file.
    pub fn tokenizer(&self) -> Result<TextTokenizer, BadInput> {
        TextTokenizer::open_with(&self.model, self.chat_template.as_deref(), None)
    }

    fn checked(file: File, text: String, path: &Path, folder: &Path) -> Result<Self, String> {
        let data: DataSettings = toml::Value::Table(file.data.others)
            .try_into()
            .map_err(|error: toml::de::Error| format!("[data]: {}", error.message()))?;
        let kinds = [file.rl.is_some(), file.sft.is_some(), file.pretrain.is_some()];
        if kinds.iter().filter(|there| **there).count() != 1 {
            return Err("it needs one of the tables [rl], [sft] and [pretrain]".to_owned());
        }
        let lora = file.lora.map(settings);
        let fault = file.optimiser.first_fault().or_else(|| lora.as_ref().and_then(lora_fault));
        let fault = fault.or_else(|| {
            let counts = (1..=1_000_000).contains(&file.checkpoint_every);
            first([(counts, "checkpoint_every", "1 to 1000000")])
        });
        let kind = match (file.rl, file.sft, file.pretrain) {
            (Some(rl), ..) => {
                let kl = kl(&rl, file.kl)?;
                let rewards = file.reward.ok_or("it has no [[reward]]")?;
                let own = Reinforced {
                    ppo: file.ppo.unwrap_or_default(),
                    sampling: file.sampling.unwrap_or_default(),
                    guards: file.guards.unwrap_or_default(),
                    held_out: file.held_out,
                    rl,
                    kl,
                    rewards,
                };
                own.sampling.sampling()?;
                let fault = own.rl.first_fault().or(own.ppo.first_fault());
                said(fault.or(own.kl.first_fault()).or(held_out_fault(&own, data.held_out)))?;
                own.guards.check().map_err(|error| error.to_string())?;
                Kind::Rl(Box::new(own))
            }
            (None, sft, pretrain) => {
                let strange = [
                    ("[kl]", file.kl.is_some()),
                    ("[ppo]", file.ppo.is_some()),
                    ("[sampling]", file.sampling.is_some()),
                    ("[[reward]]", file.reward.is_some()),
                    ("[guards]", file.guards.is_some()),
                    ("[held_out]", file.held_out.is_some()),
                ];
                if let Some((table, _)) = strange.iter().find(|(_, is_there)| *is_there) {
                    return Err(format!("{table} belongs to a recipe with [rl] alone"));
                }
                let settings = sft.clone().or(pretrain).ok_or("it needs a table")?;
                said(settings.first_fault())?;
                if sft.is_some() { Kind::Sft(settings) } else { Kind::Pretrain(settings) }
            }
        };
        said(fault)?;
        let recomputes = match &kind {
            Kind::Rl(own) => own.rl.gradient_checkpointing,
            Kind::Sft(own) | Kind::Pretrain(own) => own.gradient_checkpointing,
        };
        if recomputes && lora.as_ref().is_some_and(|lora| lora.dropout > 0.0) {
            return Err(
                "gradient_checkpointing computes layers twice, and lora.dropout would not be the \
                        same twice: set one of the two"
                    .to_owned(),
            );
        }
        Ok(Self {
            model: folder.join(file.model),
            reference: file.reference.map(|path| folder.join(path)),
            chat_template: file.chat_template,
            file: folder.join(file.data.file),
            data,
            seed: file.seed,
            precision: file.precision,
            device: file.device,
            checkpoint_every: file.checkpoint_every,
            optimiser: file.optimiser,
            lora,
            journal: file.journal,
            kind,
            text,
            path: path.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

/// The algorithm's own divergence settings, with what the recipe says of them.
fn kl(rl: &RlSettings, said: Option<toml::Table>) -> Result<KlSettings, String> {
    let mut table = toml::Table::try_from(rl.kl()).map_err(|error| error.to_string())?;
    table.extend(said.unwrap_or_default());
    toml::Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| format!("[kl]: {}", error.message()))
}

fn held_out_fault(own: &Reinforced, share: f64) -> Option<Fault> {
    let table = own.held_out.as_ref()?;
    first([
        (share > 0.0, "data.held_out", "above 0 where there is [held_out]"),
        ((1..=1_000_000).contains(&table.every), "held_out.every", "1 to 1000000"),
        ((2..=100_000).contains(&table.prompts), "held_out.prompts", "2 to 100000"),
    ])
}

fn settings(table: LoraTable) -> LoraSettings {
    LoraSettings {
        rank: table.rank,
        alpha: table.alpha,
        is_rank_stabilised: table.rslora,
        dropout: table.dropout,
        targets: table.target_modules,
        saved: table.modules_to_save,
        shared_a: table.shared_a,
    }
}

fn lora_fault(lora: &LoraSettings) -> Option<Fault> {
    first([
        ((1..=4096).contains(&lora.rank), "lora.rank", "1 to 4096"),
        (lora.alpha.is_finite() && lora.alpha > 0.0, "lora.alpha", "above 0"),
        ((0.0..1.0).contains(&lora.dropout), "lora.dropout", "0 or more and below 1"),
    ])
}

fn said(fault: Option<Fault>) -> Result<(), String> {
    match fault {
        Some((key, must)) => Err(format!("{key} must be {must}")),
        None => Ok(()),
    }
}

impl Precision {
    /// The kind on this machine.
    pub fn kind(self, device: Device) -> tch::Kind {
        #[cfg(target_arch = "x86_64")]
        let multiplies = std::arch::is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let multiplies = false;
        match self {
            Self::F32 => tch::Kind::Float,
            Self::Bf16 => tch::Kind::BFloat16,
            Self::Auto if multiplies || device == Device::Cuda => tch::Kind::BFloat16,
            Self::Auto => tch::Kind::Float,
        }
    }
}
