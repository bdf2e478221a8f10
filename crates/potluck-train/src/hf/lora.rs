//! LoRA (Hu et al. 2022): beside a frozen matrix W a product B·A of low rank that is trained.
//!
//! Names and meaning of the settings are PEFT's: the change is α/r · B·A, or α/√r · B·A where it is
//! rank-stabilised (Kalajdzievski 2023). A starts as PEFT's does, uniform in ±1/√inputs, and B as
//! zeros. With [`LoraSettings::shared_a`] A follows from a seed and is not trained (FFA-LoRA, Sun et
//! al. 2024): parties that share the seed share A, and then the mean of their B's is the mean of their
//! changes, exactly. It is the A that federations draw, whose charter has that seed.

use potluck_soup::adapter::draw;
use tch::{Device, Kind, Tensor};

use crate::stream::Stream;

use super::architecture::{Architecture, Family};
use super::decoder::Decoder;
use super::plan::{Linear, Plan};
use super::wide::Wide;

/// What is trained beside a model.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraSettings {
    /// Rank of each change.
    pub rank: i64,
    /// α.
    pub alpha: f64,
    /// Whether the change is divided by √r instead of r.
    pub is_rank_stabilised: bool,
    /// The share of inputs that are left out in training, 0 to below 1.
    pub dropout: f64,
    /// The modules, by the ends of their names; `all-linear` is every matrix but the last. Empty is
    /// PEFT's choice for the family.
    pub targets: Vec<String>,
    /// Modules of which the whole weight is trained, too.
    pub saved: Vec<String>,
    /// The seed of an A that is not trained.
    pub shared_a: Option<u64>,
}

/// A module that nothing in the model is called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoraError {
    /// None of the matrices.
    #[error("no matrix of the model ends in `{0}`; its modules are called {1}")]
    Target(String, String),
    /// None of the weights.
    #[error("no weight of the model belongs to `{0}`")]
    Saved(String),
}

/// The pairs of a decoder.
#[derive(Debug)]
pub struct Lora {
    settings: LoraSettings,
    /// By the weight beside which they stand, ascending.
    pairs: Vec<Pair>,
    /// Weights that are trained whole.
    whole: Vec<usize>,
}

/// One product of low rank.
#[derive(Debug)]
pub(super) struct Pair {
    /// The weight's number in the plan.
    weight: usize,
    /// The module's name.
    module: String,
    /// `[rank, inputs]`.
    a: Tensor,
    /// `[outputs, rank]`.
    b: Tensor,
    scale: f64,
    /// 0 where nothing is trained.
    dropout: f64,
    is_transposed: bool,
}

impl LoraSettings {
    /// By what B·A is multiplied.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.is_rank_stabilised { rank.sqrt() } else { rank }
    }

    /// The targets, with the family's own in place of none.
    pub fn targets_for(&self, model: &Architecture) -> Vec<String> {
        let own: &[&str] = match model.family {
            Family::Gpt2 => &["c_attn"],
            Family::GptNeoX => &["query_key_value"],
            _ => &["q_proj", "v_proj"],
        };
        match self.targets.is_empty() {
            true => own.iter().map(|name| (*name).to_owned()).collect(),
            false => self.targets.clone(),
        }
    }
}

impl Lora {
    /// Fresh pairs beside the matrices of a model; equal seeds give equal ones.
    ///
    /// # Errors
    /// [`LoraError`], which names the module.
    pub(super) fn new(
        model: &Architecture,
        plan: &Plan,
        settings: &LoraSettings,
        seed: u64,
    ) -> Result<Self, LoraError> {
        let targets = settings.targets_for(model);
        let linears: Vec<_> = plan.linears().collect();
        for target in &targets {
            if !linears.iter().any(|linear| plan.is_called(linear, target)) {
                let called = linears.iter().filter_map(|it| plan.module(it).rsplit('.').next());
                let mut called: Vec<_> = called.collect();
                called.sort_unstable();
                called.dedup();
                return Err(LoraError::Target(target.clone(), called.join(", ")));
            }
        }
        let chosen = linears
            .into_iter()
            .filter(|linear| targets.iter().any(|target| plan.is_called(linear, target)));
        let mut pairs: Vec<Pair> =
            chosen.map(|linear| Pair::new(plan, linear, settings, seed)).collect();
        pairs.sort_by_key(|pair| pair.weight);
        let mut whole = Vec::new();
        for saved in &settings.saved {
            let before = whole.len();
            let belongs = |name: &str| {
                let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
                // As PEFT has it: `norm` is `input_layernorm`, too.
                module.ends_with(saved.as_str())
            };
            whole.extend((0..plan.tensors().len()).filter(|&at| belongs(&plan.tensors()[at].name)));
            if whole.len() == before {
                return Err(LoraError::Saved(saved.clone()));
            }
        }
        whole.sort_unstable();
        whole.dedup();
        Ok(Self { settings: settings.clone(), pairs, whole })
    }

    /// The settings.
    pub fn settings(&self) -> &LoraSettings {
        &self.settings
    }

    pub(super) fn at(&self, weight: usize) -> Option<&Pair> {
        let found = self.pairs.binary_search_by_key(&weight, |pair| pair.weight);
        found.ok().map(|at| &self.pairs[at])
    }

    pub(super) fn whole(&self) -> &[usize] {
        &self.whole
    }

    /// The tensors that are trained, by the names that PEFT gives them.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let shared = self.settings.shared_a.is_some();
        self.pairs.iter().flat_map(move |pair| {
            let a = (!shared).then(|| (pair.name("A"), &pair.a));
            a.into_iter().chain([(pair.name("B"), &pair.b)])
        })
    }

    /// Every factor, by the names that PEFT gives them.
    pub(super) fn factors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.pairs.iter().flat_map(|pair| [(pair.name("A"), &pair.a), (pair.name("B"), &pair.b)])
    }

    /// The modules.
    pub(super) fn modules(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|pair| pair.module.as_str())
    }

    /// Lets gradients reach what is trained.
    pub(super) fn make_trainable(&mut self) {
        let trains_a = self.settings.shared_a.is_none();
        for pair in &mut self.pairs {
            pair.dropout = self.settings.dropout;
            pair.a = pair.a.set_requires_grad(trains_a);
            pair.b = pair.b.set_requires_grad(true);
        }
    }
}

impl Pair {
    fn new(plan: &Plan, linear: &Linear, settings: &LoraSettings, seed: u64) -> Self {
        let module = plan.module(linear).to_owned();
        let [outputs, inputs] = plan.sides(linear);
        let mut values = vec![0f32; (settings.rank * inputs) as usize];
        // A model has sides above zero.
        draw(settings.shared_a.unwrap_or(seed), &module, inputs as u64, 0, &mut values);
        Self {
            weight: linear.weight,
            module,
            a: Tensor::from_slice(&values).view([settings.rank, inputs]),
            b: Tensor::zeros([outputs, settings.rank], (Kind::Float, Device::Cpu)),
            scale: settings.scale(),
            dropout: 0.0,
            is_transposed: linear.is_transposed,
        }
    }

    fn name(&self, factor: &str) -> String {
        format!("base_model.model.{}.lora_{factor}.weight", self.module)
    }

    /// What it adds to the output of its matrix.
    pub(super) fn of(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        let x = if self.dropout > 0.0 { x.dropout(self.dropout, true) } else { x.shallow_clone() };
        let narrow = x.linear(&self.a.to_kind(kind), None::<&Tensor>);
        narrow.linear(&self.b.to_kind(kind), None::<&Tensor>) * self.scale
    }

    /// What it adds to its matrix, as that lies.
    pub(super) fn change(&self) -> Tensor {
        let change = self.b.matmul(&self.a) * self.scale;
        if self.is_transposed { change.transpose(0, 1) } else { change }
    }
}

impl Decoder {
    /// Puts fresh pairs beside the matrices; the weights themselves stay as they are from now on, but
    /// for those of modules that are saved whole.
    ///
    /// # Errors
    /// [`LoraError`], which names the module.
    pub fn add_lora(&mut self, settings: &LoraSettings, seed: u64) -> Result<(), LoraError> {
        let mut lora = Lora::new(&self.architecture, &self.plan, settings, seed)?;
        let device = self.device();
        for pair in &mut lora.pairs {
            pair.a = pair.a.to_device(device);
            pair.b = pair.b.to_device(device);
        }
        // A copy: the base keeps what is trained whole here.
        for &at in lora.whole() {
            self.weights[at] = self.weights[at].copy();
        }
        self.lora = Some(lora);
        Ok(())
    }

    /// What stands beside its matrices.
    pub fn lora(&self) -> Option<&Lora> {
        self.lora.as_ref()
    }

    /// Lets gradients reach what is trained: the pairs and the modules saved whole, or all weights.
    pub fn make_trainable(&mut self) {
        match &mut self.lora {
            Some(lora) => {
                for &at in lora.whole() {
                    self.weights[at] = self.weights[at].set_requires_grad(true);
                }
                lora.make_trainable();
            }
            None => {
                for weight in &mut self.weights {
                    *weight = weight.set_requires_grad(true);
                }
            }
        }
    }

    /// What is trained, with its names; always in the same order.
    pub fn trained(&self) -> Vec<(String, &Tensor)> {
        let named = |at: usize| (self.plan.tensors[at].name.clone(), &self.weights[at]);
        match &self.lora {
            Some(lora) => lora.tensors().chain(lora.whole().iter().map(|&at| named(at))).collect(),
            None => (0..self.weights.len()).map(named).collect(),
        }
    }

    /// Replaces what is trained by tensors of the same shapes, in the order of [`Self::trained`].
    pub fn put_trained(&mut self, tensors: impl IntoIterator<Item = Tensor>) {
        let mut tensors = tensors.into_iter();
        let mut next = |old: &mut Tensor| {
            if let Some(tensor) = tensors.next() {
                assert_eq!(tensor.size(), old.size(), "shapes are checked where a state is read");
                *old = tensor;
            }
        };
        match &mut self.lora {
            Some(lora) => {
                let trains_a = lora.settings.shared_a.is_none();
                for pair in &mut lora.pairs {
                    if trains_a {
                        next(&mut pair.a);
                    }
                    next(&mut pair.b);
                }
                let whole = lora.whole.clone();
                whole.into_iter().for_each(|at| next(&mut self.weights[at]));
            }
            None => self.weights.iter_mut().for_each(next),
        }
    }

    /// Lets dropout, where there is one, follow from the step alone, as all else that is random does.
    pub fn fix_dropout(&self, step: u64) {
        if self.lora.as_ref().is_some_and(|lora| lora.settings.dropout > 0.0) {
            tch::manual_seed(Stream::of("dropout", &[step]).bits() as i64);
        }
    }

    /// Its weights in the order of the plan, with what stands beside them added.
    pub fn merged_weights(&self) -> Vec<Tensor> {
        let _guard = tch::no_grad_guard();
        let merged =
            |(at, weight): (usize, &Tensor)| match self.lora.as_ref().and_then(|it| it.at(at)) {
                Some(pair) => weight.detach() + pair.change(),
                None => weight.detach(),
            };
        self.weights.iter().enumerate().map(merged).collect()
    }

    /// Moves its weights to a device.
    pub fn move_to(&mut self, device: Device) {
        for weight in self.weights.iter_mut().chain(&mut self.frequencies) {
            *weight = weight.to_device(device);
        }
    }

    /// A copy whose weights have their own memory.
    pub fn duplicate(&self) -> Self {
        let _guard = tch::no_grad_guard();
        Self {
            architecture: self.architecture.clone(),
            plan: self.plan.clone(),
            weights: self.weights.iter().map(|weight| weight.detach().copy()).collect(),
            frequencies: self.frequencies.as_ref().map(Tensor::shallow_clone),
            compute: self.compute,
            lora: None,
            wide: Wide::default(),
        }
    }
}
