//! An adapter's folder, opened: its tensors paired into factors, and held against its configuration.
//!
//! What leaves here is consistent: each A has its B, their shapes fit one another, and the rank that the tensors
//! have is the one that the configuration says. A rank that disagrees would mean another scale, silently.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use potluck_core::PartyId;

use super::config::{AdapterConfig, MAX_ADAPTER_CONFIG, MAX_RANK};
use super::drawn::SharedA;
use super::names::{Kind, Role, role};
use super::packed::{packed_config, shared_in};
use super::scale::Fold;
use super::text_file::read_up_to;
use super::{AdapterError, excerpt};
use crate::blend::{Input, SHARED_A_KEY};
use crate::checkpoint::{ADAPTER_CONFIG, Checkpoint, Kind as Found};

/// The factors of one module.
#[derive(Debug, Clone)]
pub(super) struct Factors {
    pub(super) kind: Kind,
    /// (r, in…): `rank` rows of `wide` elements.
    pub(super) a: Input,
    /// (out, r, 1…): `tall` rows of `rank` elements.
    pub(super) b: Input,
    pub(super) rank: u32,
    pub(super) tall: u64,
    pub(super) wide: u64,
}

impl Factors {
    /// The shape of the weight that they change, and whether their product lies transposed in it; `transposed` says whether
    /// the weights of adapted layers do.
    pub(super) fn target(&self, transposed: bool) -> (Vec<u64>, bool) {
        // A convolution's weight never lies transposed.
        let is_matrix = self.a.tensor().shape.len() == 2;
        let is_transposed = is_matrix && (self.kind == Kind::Embedding || transposed);
        let mut shape = vec![self.tall];
        shape.extend_from_slice(&self.a.tensor().shape[1..]);
        if is_transposed {
            shape.reverse();
        }
        (shape, is_transposed)
    }
}

/// An opened adapter of one party.
#[derive(Debug, Clone)]
pub struct Adapter {
    party: PartyId,
    checkpoint: Checkpoint,
    config: AdapterConfig,
    /// By the module's name in the base model.
    modules: BTreeMap<String, Factors>,
    /// What its file says of factors A that are drawn.
    shared: Option<SharedA>,
    /// Tensors of the base that were retrained whole, by their name there as PEFT has it.
    whole: BTreeMap<String, Input>,
}

impl Adapter {
    /// Reads the configuration of an opened adapter, and pairs its tensors. A file by itself is one where its header holds
    /// the configuration ([`super::packed()`]).
    ///
    /// # Errors
    /// [`AdapterError`], of an expert's kind.
    pub fn open(party: &PartyId, checkpoint: &Checkpoint) -> Result<Self, AdapterError> {
        let text = match (checkpoint.kind(), packed_config(checkpoint)) {
            (Found::Adapter, _) => {
                let path = checkpoint.path().join(ADAPTER_CONFIG);
                let failed =
                    |path, source| AdapterError::Read { party: party.clone(), path, source };
                let read = read_up_to(&path, MAX_ADAPTER_CONFIG);
                Cow::from(read.map_err(|source| failed(path, source))?)
            }
            (Found::File, Some(config)) => Cow::from(config.as_bytes()),
            _ => {
                let path = checkpoint.path().to_owned();
                return Err(AdapterError::NoAdapter { party: party.clone(), path });
            }
        };
        let config = AdapterConfig::parse(&text)
            .map_err(|source| AdapterError::Config { party: party.clone(), source })?;
        let said = shared_in(checkpoint).filter(|_| checkpoint.kind() == Found::File);
        let shared = said.map(|text| {
            SharedA::parse(text).ok_or_else(|| AdapterError::Tensor {
                party: party.clone(),
                tensor: SHARED_A_KEY.to_owned(),
                what: "its header does not say as it should how factors A are drawn",
            })
        });
        let shared = shared.transpose()?;
        let (modules, whole) = paired(party, checkpoint, &config, shared.as_ref())?;
        let (party, checkpoint) = (party.clone(), checkpoint.clone());
        Ok(Self { party, checkpoint, config, modules, shared, whole })
    }

    /// Whose it is.
    pub fn party(&self) -> &PartyId {
        &self.party
    }

    /// What its configuration says.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// The modules that it changes, as the base model names them, in byte order, with their ranks.
    pub fn modules(&self) -> impl ExactSizeIterator<Item = (&str, u32)> {
        self.modules.iter().map(|(module, factors)| (module.as_str(), factors.rank))
    }

    pub(super) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The seed of its factors A, where its file holds none.
    pub fn shared_a(&self) -> Option<u64> {
        self.shared.as_ref().map(|shared| shared.seed)
    }

    pub(super) fn shared(&self) -> Option<&SharedA> {
        self.shared.as_ref()
    }

    /// Every tensor of it, in byte order of names, those that are drawn among them.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let factors = self.modules.values().flat_map(|it| [it.a.clone(), it.b.clone()]);
        let mut all: Vec<_> = factors.chain(self.whole.values().cloned()).collect();
        all.sort_by(|a, b| a.tensor().name.cmp(&b.tensor().name));
        all
    }

    pub(super) fn factors(&self) -> &BTreeMap<String, Factors> {
        &self.modules
    }

    pub(super) fn whole(&self) -> &BTreeMap<String, Input> {
        &self.whole
    }

    /// What becomes of this adapter's B of a module in a soup in which it has this share.
    pub(super) fn fold(&self, module: &str, rank: u32, ppm: i64) -> Fold {
        Fold::new(ppm, self.config.alpha_of(module), rank, self.config.scaling())
    }
}

type Paired = (BTreeMap<String, Factors>, BTreeMap<String, Input>);

fn paired(
    party: &PartyId,
    checkpoint: &Checkpoint,
    config: &AdapterConfig,
    shared: Option<&SharedA>,
) -> Result<Paired, AdapterError> {
    let fault = |tensor: &str, what| AdapterError::Tensor {
        party: party.clone(),
        tensor: excerpt(tensor),
        what,
    };
    let (mut halves, mut whole) = (BTreeMap::<_, [Option<Input>; 2]>::new(), BTreeMap::new());
    for tensor in checkpoint.tensors() {
        let input = checkpoint.input(&tensor.name).expect("it stands in the checkpoint's list");
        let role = role(&tensor.name);
        match role.ok_or_else(|| fault(&tensor.name, "its name is no part of a plain LoRA"))? {
            Role::A(kind, module) => halves.entry((module, kind)).or_default()[0] = Some(input),
            Role::B(kind, module) => halves.entry((module, kind)).or_default()[1] = Some(input),
            Role::Whole(name) => drop(whole.insert(name.to_owned(), input)),
        }
    }
    let mut modules = BTreeMap::new();
    for ((module, kind), halves) in halves {
        let halves = match (shared, halves) {
            (Some(shared), [None, Some(b)]) => [drawn(shared, kind, module, &b), Some(b)],
            (Some(_), [Some(a), _]) => {
                let what = "its file says that factors A are drawn, and holds one";
                return Err(fault(&a.tensor().name, what));
            }
            (_, halves) => halves,
        };
        let factors = match halves {
            [Some(a), Some(b)] => factors(kind, a, b),
            [Some(a), None] => Err((a, "it has no factor B beside it")),
            [None, Some(b)] => Err((b, "it has no factor A beside it")),
            [None, None] => unreachable!("an entry is made for a half"),
        };
        let factors = factors.map_err(|(input, what)| fault(&input.tensor().name, what))?;
        if factors.rank != config.rank_of(module) {
            let (tensors, config) = (factors.rank, config.rank_of(module));
            let (party, module) = (party.clone(), module.to_owned());
            return Err(AdapterError::Rank { party, module, tensors, config });
        }
        if whole.contains_key(&format!("{module}.weight")) {
            return Err(fault(
                &format!("{module}.weight"),
                "it is both adapted and retrained whole",
            ));
        }
        if modules.insert(module.to_owned(), factors).is_some() {
            return Err(fault(module, "it is adapted both as a layer and as an embedding"));
        }
    }
    if let Some(module) =
        shared.and_then(|it| it.inputs.keys().find(|module| !modules.contains_key(*module)))
    {
        return Err(fault(module, "its header speaks of a factor A, but there is no factor B"));
    }
    if modules.is_empty() {
        return Err(AdapterError::Empty { party: party.clone() });
    }
    Ok((modules, whole))
}

/// The factor A that belongs to a B of a linear layer, where the header speaks of it.
fn drawn(shared: &SharedA, kind: Kind, module: &str, b: &Input) -> Option<Input> {
    let inputs = *shared.inputs.get(module)?;
    match b.tensor().shape.as_slice() {
        [_, rank] if kind == Kind::Weight && *rank <= u64::from(MAX_RANK) => {
            let source = Arc::clone(b.source());
            Some(Input::drawn(source, (shared.seed, module), kind.a(module), [*rank, inputs]))
        }
        _ => None,
    }
}

/// The factors, where their shapes are those of a plain LoRA.
fn factors(kind: Kind, a: Input, b: Input) -> Result<Factors, (Input, &'static str)> {
    if !a.dtype().is_float() {
        return Err((a, "a factor must be of floating-point numbers"));
    }
    if !b.dtype().is_float() {
        return Err((b, "a factor must be of floating-point numbers"));
    }
    let (rows, inputs) = match a.tensor().shape.split_first() {
        Some((rows, inputs)) if !inputs.is_empty() => (*rows, inputs),
        _ => return Err((a, "a factor A has two or more dimensions")),
    };
    let rank = match u32::try_from(rows) {
        Ok(rank) if (1..=MAX_RANK).contains(&rank) => rank,
        _ => return Err((a, "its rank is none that is mixed")),
    };
    // Does not overflow: there is a row, and all rows lie in a file.
    let wide = inputs.iter().product();
    let (tall, columns) = match b.tensor().shape.as_slice() {
        [tall, columns, kernel @ ..] if kernel.iter().all(|side| *side == 1) => (*tall, *columns),
        _ => return Err((b, "a factor B has two dimensions, and further ones of 1 alone")),
    };
    if kind == Kind::Embedding && (inputs.len() != 1 || b.tensor().shape.len() != 2) {
        return Err((a, "the factors of an embedding have two dimensions"));
    }
    if columns != rows {
        return Err((b, "it has not as many columns as the factor A has rows"));
    }
    if wide == 0 || tall == 0 {
        return Err((a, "it adapts a tensor without elements"));
    }
    Ok(Factors { kind, a, b, rank, tall, wide })
}
