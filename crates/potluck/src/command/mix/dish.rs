//! What is cooked: opened experts, a method, perhaps a base; and from weights a plan of files.

use std::collections::BTreeMap;
use std::path::Path;

use potluck_core::{Blake3, PartyId};
use potluck_soup::adapter::{self, Adapter, AdapterError};
use potluck_soup::blend::{Shape, Soup, Wanted};
use potluck_soup::checkpoint::Kind;
use potluck_soup::method::{Method, Weights};
use potluck_soup::{Checkpoint, Dtype, Formula, Parameter, Portion};

use super::experts::{Expert, open, refuse_quantised};
use super::failure::{adapter_failure, blend_failure};
use super::lineage::Lineage;
use super::named::Named;
use crate::failure::{Failure, in_full};

/// What becomes of adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Adapters {
    /// One adapter whose change is the sum of theirs, without loss: the ranks add up
    Linear,
    /// A and B averaged separately, as the code of Rewarded Soups does: approximate, of the same rank
    Factors,
}

/// What the experts are, and so what the soup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Models make a model.
    Model,
    /// Adapters make an adapter.
    Adapter(Adapters),
    /// Adapters and their base make a model.
    Merged,
}

/// Experts that go together, and how.
#[derive(Debug)]
pub(crate) struct Dish {
    /// Who may take part, in ascending order of party.
    pub(crate) experts: Vec<Expert>,
    /// The base's weights, where they take part.
    pub(crate) base: Option<Checkpoint>,
    /// The method with its parameters.
    pub(crate) method: Method,
    /// What comes out.
    pub(crate) course: Course,
    /// The format that was asked for.
    pub(crate) dtype: Option<Dtype>,
    /// Whose words are taken where the inputs differ.
    pub(crate) prefer: Option<String>,
    adapters: Vec<Adapter>,
}

/// How the files are to be laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Files {
    /// All in one.
    One,
    /// As those of the first input.
    AsInputs,
    /// In shards of at most so many bytes.
    Shards(u64),
}

/// A soup whose headers are known.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Its files.
    pub(crate) soup: Soup,
    /// The `adapter_config.json` of an adapter.
    pub(crate) adapter_config: Option<Vec<u8>>,
}

impl Dish {
    /// Opens the parties' experts, and the base where its weights take part.
    pub(crate) fn open<'a>(
        parties: impl IntoIterator<Item = &'a PartyId>,
        named: &Named,
        method: Method,
        base: Option<&Path>,
        wish: Wish,
    ) -> Result<Self, Failure> {
        let experts = open(parties, named)?;
        let is_adapter = experts.first().is_some_and(|it| it.checkpoint.kind() == Kind::Adapter);
        let course = course(is_adapter, &method, &wish)?;
        let needs_base = course == Course::Merged || course == Course::Model && method.needs_base();
        let base = match (needs_base, base) {
            (false, _) => None,
            (true, None) => {
                return Err(Failure::input(
                    "this needs --base, which the experts were trained from",
                ));
            }
            (true, Some(path)) => Some(open_base(path)?),
        };
        let adapters = experts.iter().filter(|_| course != Course::Model).map(|it| {
            Adapter::open(&it.party, &it.checkpoint).map_err(|error| adapter_failure(&error))
        });
        let adapters = adapters.collect::<Result<_, _>>()?;
        let Wish { dtype, prefer, .. } = wish;
        Ok(Self { experts, base, method, course, dtype, prefer, adapters })
    }

    /// The name of the method, as formulas have it.
    pub(crate) fn arithmetic(&self) -> &'static str {
        match self.course {
            Course::Model => self.method.name(),
            Course::Adapter(Adapters::Linear) => "adapter_linear/1",
            Course::Adapter(Adapters::Factors) => "adapter_factors/1",
            Course::Merged => "adapter_merge/1",
        }
    }

    /// What a soup by these weights is made of.
    pub(crate) fn formula(&self, weights: &Weights, lineage: &Lineage) -> Result<Formula, Failure> {
        let base = lineage.base.unwrap_or(Blake3::from_bytes([0; 32]));
        let manifest = |party: &PartyId| lineage.manifest(party);
        if self.course == Course::Model {
            let formula = self.method.formula(base, manifest, weights, self.dtype);
            return formula.map_err(|error| blend_failure(&error));
        }
        let portion = |(party, ppm): (&PartyId, i64)| {
            let manifest = manifest(party);
            let unknown = || Failure::input(format!("the expert of {party} was not hashed"));
            Ok(Portion { party: party.clone(), manifest: manifest.ok_or_else(unknown)?, ppm })
        };
        let portions = weights.active().map(portion).collect::<Result<_, Failure>>()?;
        let dtype = self.dtype.map(|dtype| ("dtype".to_owned(), Parameter::from(dtype.name())));
        let parameters: BTreeMap<_, _> = dtype.into_iter().collect();
        Ok(Formula::new(self.arithmetic(), base, portions, parameters))
    }

    /// Plans the soup by these weights; `recipe` is its formula's digest, where it is known.
    pub(crate) fn plan(
        &self,
        weights: &Weights,
        files: Files,
        recipe: Option<Blake3>,
    ) -> Result<Planned, Failure> {
        match self.course {
            Course::Model => self.plan_model(weights, files, recipe),
            Course::Adapter(_) | Course::Merged => {
                self.plan_adapters(weights, files, recipe).map_err(|error| adapter_failure(&error))
            }
        }
    }

    fn plan_model(
        &self,
        weights: &Weights,
        files: Files,
        recipe: Option<Blake3>,
    ) -> Result<Planned, Failure> {
        let active = self.method.active(weights);
        let experts = self.experts.iter().filter(|it| active.contains(&it.party));
        let experts: Vec<_> = experts.map(|it| (it.party.clone(), &it.checkpoint)).collect();
        let like = experts.first().map(|(_, it)| *it).or(self.base.as_ref());
        let wanted = Wanted { shape: shape(files, like), dtype: self.dtype, recipe };
        let soup = self.method.plan(&experts, self.base.as_ref(), weights, &wanted);
        let soup = soup.map_err(|error| blend_failure(&error))?;
        Ok(Planned { soup, adapter_config: None })
    }

    fn plan_adapters(
        &self,
        weights: &Weights,
        files: Files,
        recipe: Option<Blake3>,
    ) -> Result<Planned, AdapterError> {
        let share = |(party, ppm)| {
            let adapter = self.adapters.iter().find(|it| it.party() == party);
            (ppm, adapter.expect("every party with a weight was opened"))
        };
        let shares: Vec<_> = weights.active().map(share).collect();
        let prefer = self.prefer.as_deref().and_then(|prefer| prefer.parse().ok());
        let wanted = adapter::Wanted { dtype: self.dtype, recipe, prefer: prefer.as_ref() };
        if let (Course::Merged, Some(base)) = (self.course, &self.base) {
            let soup = adapter::merge(base, &shares, shape(files, Some(base)), &wanted)?;
            return Ok(Planned { soup, adapter_config: None });
        }
        let made = match self.course {
            Course::Adapter(Adapters::Factors) => adapter::factors(&shares, &wanted)?,
            _ => adapter::linear(&shares, &wanted)?,
        };
        Ok(Planned { soup: made.soup, adapter_config: Some(made.config.canonical()) })
    }

    /// The models that the soup comes from, as the Hub calls them, where the inputs say so.
    pub(crate) fn hub_base(&self) -> Option<&str> {
        let mut names = self.adapters.iter().map(|it| it.config().base_model());
        let first = names.next()??;
        let is_hub = first.split('/').count() == 2 && !Path::new(first).exists();
        (is_hub && !first.starts_with(['.', '/', '~']) && names.all(|it| it == Some(first)))
            .then_some(first)
    }

    /// The bytes of the inputs' tensors that a soup by these weights reads.
    pub(crate) fn input_bytes(&self, weights: &Weights) -> u64 {
        let active = self.method.active(weights);
        let experts = self.experts.iter().filter(|it| active.contains(&it.party));
        let experts: u64 = experts.map(|it| it.checkpoint.data_bytes()).sum();
        experts + self.base.as_ref().map_or(0, Checkpoint::data_bytes)
    }

    /// The format of most of the soup's elements: what was asked for, or what the first input has most of.
    pub(crate) fn main_dtype(&self) -> Option<Dtype> {
        let first = self.base.as_ref().or(self.experts.first().map(|it| &it.checkpoint))?;
        let mut bytes = BTreeMap::new();
        for tensor in first.tensors().filter(|tensor| tensor.dtype.is_float()) {
            *bytes.entry(tensor.dtype.name()).or_insert(0) += tensor.bytes();
        }
        let most = bytes.into_iter().max_by_key(|(_, bytes)| *bytes);
        self.dtype.or_else(|| most.and_then(|(name, _)| Dtype::named(name)))
    }
}

/// What is asked beside method and experts.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// The format of the soup's elements.
    pub(crate) dtype: Option<Dtype>,
    /// Whose words are taken where the inputs differ.
    pub(crate) prefer: Option<String>,
    /// What becomes of adapters; only allowed with them.
    pub(crate) adapters: Option<Adapters>,
    /// Whether adapters are merged into their base.
    pub(crate) is_merged: bool,
}

fn course(is_adapter: bool, method: &Method, wish: &Wish) -> Result<Course, Failure> {
    match (is_adapter, wish.is_merged, wish.adapters) {
        (false, true, _) => {
            Err(Failure::input("--merge-into-base is for adapters; these are models"))
        }
        (false, _, Some(_)) => Err(Failure::input("--adapter is for adapters; these are models")),
        (false, false, None) => Ok(Course::Model),
        // For the change that adapters make, task arithmetic is the sum without the condition on λ.
        (true, ..) if !matches!(method, Method::Linear | Method::TaskArithmetic) => {
            Err(Failure::input(format!("{} mixes models, and these are adapters", method.name()))
                .hint("adapters are mixed by --method linear or task-arithmetic"))
        }
        (true, true, _) => Ok(Course::Merged),
        (true, false, way) => Ok(Course::Adapter(way.unwrap_or(Adapters::Linear))),
    }
}

fn open_base(path: &Path) -> Result<Checkpoint, Failure> {
    let base = Checkpoint::open(path)
        .map_err(|error| Failure::input(in_full(&error)).about("the base cannot be used"))?;
    refuse_quantised(&base)?;
    Ok(base)
}

fn shape(files: Files, like: Option<&Checkpoint>) -> Shape<'_> {
    match (files, like) {
        (Files::Shards(bytes), _) => Shape::AtMost(bytes),
        (Files::AsInputs, Some(like)) if like.kind() != Kind::File => Shape::Like(like),
        _ => Shape::One,
    }
}
