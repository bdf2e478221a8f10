//! Configurations of mergekit that are exactly one of the named methods; everything else is refused by its name.
//!
//! | `merge_method` | here | parameters |
//! |---|---|---|
//! | `linear` | `linear/1` | `weight`; `normalize`: weights are divided by their sum unless it is false, and then sum to one |
//! | `task_arithmetic` | `task_arithmetic/1` | `weight`; `lambda: 1`, `normalize: false` |
//! | `slerp` | `slerp/1` | `t`: 0 is the base_model, 1 the other |
//! | `ties` | `ties/1` | `weight`, `density`, `lambda`; `normalize`: the mean unless it is false, and then the sum |
//! | `dare_ties` | `dare_ties/1` | as `ties`, but the sum unless `normalize` is true; `rescale: true` |
//! | `model_stock` | `model_stock/1` | `filter_wise: false` |
//!
//! What mergekit computes in `dtype`, rounding on the way, is computed exactly here and rounded once, to `out_dtype`
//! or else `dtype`; and what it draws at random is drawn otherwise. No key is passed over: a soup of half a
//! configuration would be another soup. It makes no use of the Hub: models are local paths.

mod number;
mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::PartyId;
use potluck_soup::Dtype;
use potluck_soup::method::{Consensus, Density, Extrapolation, Method, Strength, Weights};

use self::number::{Decimal, shares};
use self::yaml::Yaml;
use super::named::Named;
use super::order::Order;
use crate::failure::Failure;

/// The longest configuration, in bytes.
const MAX_BYTES: u64 = 256 << 10;

/// Reads a configuration; `seed` is for methods that draw.
pub(crate) fn read(file: &Path, seed: u32) -> Result<Order, Failure> {
    let failed = |what: String| Failure::input(format!("{}: {what}", file.display()));
    let mut text = String::new();
    File::open(file)
        .and_then(|it| it.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed("it is longer than configurations are".to_owned()));
    }
    Yaml::parse(&text).and_then(|it| Configuration::of(it)?.order(seed)).map_err(failed)
}

/// A configuration's keys, each of a known meaning.
#[derive(Debug, Default)]
struct Configuration {
    method: String,
    models: Vec<Model>,
    base: Option<String>,
    parameters: Parameters,
    dtype: Option<Dtype>,
    out_dtype: Option<Dtype>,
}

#[derive(Debug)]
struct Model {
    path: String,
    parameters: Parameters,
}

/// Parameters by name, as text.
#[derive(Debug, Default)]
struct Parameters(BTreeMap<String, String>);

impl Configuration {
    fn of(yaml: Yaml) -> Result<Self, String> {
        let mut it = Self::default();
        for (key, value) in mapping(yaml, "the configuration")? {
            match key.as_str() {
                "merge_method" => it.method = word(value, &key)?,
                "models" => {
                    it.models =
                        list(value, &key)?.into_iter().map(Model::of).collect::<Result<_, _>>()?
                }
                "base_model" => it.base = Some(model(value)?),
                "parameters" => it.parameters = Parameters::of(value)?,
                "dtype" => it.dtype = Some(super::dtype(&word(value, &key)?)?),
                "out_dtype" => it.out_dtype = Some(super::dtype(&word(value, &key)?)?),
                "slices" => {
                    return Err(
                        "slices of layers are not supported: list whole models under 'models'"
                            .to_owned(),
                    );
                }
                "tokenizer_source" | "tokenizer" | "chat_template" => {
                    return Err(format!(
                        "{key} is not supported: tokenizers are carried over as they are"
                    ));
                }
                _ => return Err(format!("the key '{key}' is not supported")),
            }
        }
        if it.models.is_empty() {
            return Err("there are no models".to_owned());
        }
        Ok(it)
    }

    fn order(mut self, seed: u32) -> Result<Order, String> {
        let mut notes = Vec::new();
        let method = self.method.clone();
        let (method, weights) = match method.as_str() {
            "linear" => self.linear(&mut notes)?,
            "slerp" => self.slerp()?,
            "task_arithmetic" => self.task_arithmetic()?,
            "ties" => self.ties(None)?,
            "dare_ties" => self.ties(Some(seed))?,
            "model_stock" => self.model_stock()?,
            "" => return Err("merge_method is missing".to_owned()),
            other => return Err(format!("merge_method '{other}' is not supported")),
        };
        if self.parameters.take_flag("int8_mask", false)? {
            notes.push(
                "int8_mask only saves memory in mergekit, and changes nothing here".to_owned(),
            );
        }
        self.parameters.finish("the parameters")?;
        let mut paths = Vec::new();
        for model in self.models {
            model.parameters.finish(&format!("the parameters of {}", model.path))?;
            paths.push(PathBuf::from(model.path));
        }
        let named = Named::of(paths);
        let ppm: BTreeMap<PartyId, i64> = named.parties().cloned().zip(weights).collect();
        let weights =
            Weights::new(ppm, Extrapolation::Allowed).map_err(|error| error.to_string())?;
        let base = self.base.filter(|_| method.needs_base()).map(PathBuf::from);
        Ok(Order { named, weights, method, base, dtype: self.out_dtype.or(self.dtype), notes })
    }

    fn linear(&mut self, notes: &mut Vec<String>) -> Result<(Method, Vec<i64>), String> {
        let is_model = |base: &String| self.models.iter().any(|model| model.path == *base);
        if self.base.as_ref().is_some_and(|base| !is_model(base)) {
            return Err("base_model is none of the models, and linear has no use for it".to_owned());
        }
        let weights = self.weights()?;
        let is_normalized = self.parameters.take_flag("normalize", true)?;
        let (shares, is_rounded) = shares(&weights)
            .ok_or("the weights of linear must not be negative, and not all be zero")?;
        let is_one =
            weights.iter().zip(&shares).all(|(it, share)| it.ppm() == Some((*share).into()));
        if !is_normalized && !is_one {
            return Err(
                "normalize is false, and the weights of linear do not sum to one".to_owned()
            );
        }
        if is_rounded {
            notes.push(
                "the normalised weights were rounded to millionths by the largest remainder"
                    .to_owned(),
            );
        }
        Ok((Method::Linear, shares.into_iter().map(i64::from).collect()))
    }

    fn slerp(&mut self) -> Result<(Method, Vec<i64>), String> {
        let base =
            self.base.clone().ok_or("slerp needs a base_model, which is one of the two models")?;
        let is_base = |model: &Model| model.path == base;
        if self.models.len() != 2 || self.models.iter().filter(|it| is_base(it)).count() != 1 {
            return Err("slerp takes two models, one of which is the base_model".to_owned());
        }
        let t = self.parameters.take("t")?.ok_or("slerp needs the parameter t")?;
        let rest = t.rest().ok_or("t must lie between 0 and 1 and have at most 6 decimals")?;
        let weight = |model: &Model| if is_base(model) { rest } else { 1_000_000 - rest };
        Ok((Method::Slerp, self.models.iter().map(weight).collect()))
    }

    fn task_arithmetic(&mut self) -> Result<(Method, Vec<i64>), String> {
        self.leave_base_out()?;
        self.refuse_flag("normalize", false)?;
        self.refuse_flag("rescale", false)?;
        if self.parameters.take("lambda")?.is_some_and(|it| it.ppm() != Some(1_000_000)) {
            return Err(
                "task_arithmetic with another lambda than 1: multiply the weights by it".to_owned()
            );
        }
        Ok((Method::TaskArithmetic, self.whole_weights()?))
    }

    /// `ties`, or with a seed `dare_ties`.
    fn ties(&mut self, seed: Option<u32>) -> Result<(Method, Vec<i64>), String> {
        self.leave_base_out()?;
        let is_mean = self.parameters.take_flag("normalize", seed.is_none())?;
        self.refuse_flag("rescale", seed.is_some())?;
        let consensus = if is_mean { Consensus::Mean } else { Consensus::Sum };
        let one = Decimal::parse("1").expect("a decimal");
        let of = |it: Decimal, key| it.ppm().ok_or(format!("{key} has more than 6 decimals"));
        let strength = of(self.parameters.take("lambda")?.unwrap_or(one), "lambda")?;
        let strength = Strength::new(strength).map_err(|error| error.to_string())?;
        let densities = self.each("density")?;
        let density = densities[0].unwrap_or(one);
        if densities.iter().any(|it| it.unwrap_or(one) != density) {
            return Err(format!(
                "density differs between models, and {} has one for all",
                self.method
            ));
        }
        let density = Density::new(of(density, "density")?).map_err(|error| error.to_string())?;
        let weights = self.whole_weights()?;
        let method = match seed {
            None => Method::Ties { density, consensus, strength },
            Some(seed) => Method::DareTies { density, seed, consensus, strength },
        };
        Ok((method, weights))
    }

    fn model_stock(&mut self) -> Result<(Method, Vec<i64>), String> {
        self.leave_base_out()?;
        self.refuse_flag("filter_wise", false)?;
        Ok((Method::ModelStock, vec![1_000_000; self.models.len()]))
    }

    /// mergekit lets the base stand among the models, where it does nothing.
    fn leave_base_out(&mut self) -> Result<(), String> {
        let base = self.base.clone().ok_or(format!("{} needs a base_model", self.method))?;
        let models = std::mem::take(&mut self.models).into_iter();
        let (same, others): (Vec<_>, Vec<_>) = models.partition(|it| it.path == base);
        self.models = others;
        for model in same {
            model
                .parameters
                .finish("the base_model takes no part by itself, so the parameters of it")?;
        }
        if self.models.is_empty() {
            Err("there is no model beside the base_model".to_owned())
        } else {
            Ok(())
        }
    }

    /// A parameter of each model: its own, or else that of all.
    fn each(&mut self, key: &str) -> Result<Vec<Option<Decimal>>, String> {
        let common = self.parameters.take(key)?;
        let own = self.models.iter_mut().map(|model| Ok(model.parameters.take(key)?.or(common)));
        own.collect()
    }

    fn weights(&mut self) -> Result<Vec<Decimal>, String> {
        let weights = self.each("weight")?;
        let weight = |(weight, model): (Option<Decimal>, &Model)| {
            weight.ok_or(format!("the model {} has no weight", model.path))
        };
        weights.into_iter().zip(&self.models).map(weight).collect()
    }

    fn whole_weights(&mut self) -> Result<Vec<i64>, String> {
        let whole =
            |weight: Decimal| weight.ppm().ok_or("a weight has more than 6 decimals".to_owned());
        self.weights()?.into_iter().map(whole).collect()
    }

    /// A flag that has to be what it is without being named.
    fn refuse_flag(&mut self, key: &str, usual: bool) -> Result<(), String> {
        if self.parameters.take_flag(key, usual)? == usual {
            return Ok(());
        }
        Err(format!("{} with {key}: {} is not supported", self.method, !usual))
    }
}

impl Model {
    fn of(yaml: Yaml) -> Result<Self, String> {
        let (mut path, mut parameters) = (None, Parameters::default());
        for (key, value) in mapping(yaml, "an entry of models")? {
            match key.as_str() {
                "model" => path = Some(model(value)?),
                "parameters" => parameters = Parameters::of(value)?,
                _ => return Err(format!("the key '{key}' of a model is not supported")),
            }
        }
        Ok(Self { path: path.ok_or("an entry of models names no model")?, parameters })
    }
}

impl Parameters {
    fn of(yaml: Yaml) -> Result<Self, String> {
        let mut it = Self::default();
        for (key, value) in mapping(yaml, "parameters")? {
            let value = match value {
                Yaml::Scalar(text, _) => text,
                Yaml::List(_) => {
                    return Err(format!(
                        "{key} is a gradient or has filters, which are not supported: give one number"
                    ));
                }
                Yaml::Mapping(_) => {
                    return Err(format!(
                        "{key} has filters, which are not supported: give one number"
                    ));
                }
            };
            it.0.insert(key, value);
        }
        Ok(it)
    }

    fn take(&mut self, key: &str) -> Result<Option<Decimal>, String> {
        let number = |text: String| {
            Decimal::parse(&text).ok_or(format!("{key} is '{text}': a decimal number is expected"))
        };
        self.0.remove(key).map(number).transpose()
    }

    fn take_flag(&mut self, key: &str, usual: bool) -> Result<bool, String> {
        match self.0.remove(key).as_deref() {
            None => Ok(usual),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            Some(other) => Err(format!("{key} is '{other}': true or false is expected")),
        }
    }

    /// Everything was of use.
    fn finish(self, whose: &str) -> Result<(), String> {
        match self.0.into_keys().next() {
            Some(key) => Err(format!("{whose} hold '{key}', which is not supported there")),
            None => Ok(()),
        }
    }
}

/// A model as a local path.
fn model(yaml: Yaml) -> Result<String, String> {
    let Yaml::Scalar(path, _) = yaml else {
        return Err(
            "a model that is described by several keys is not supported: write its path".to_owned()
        );
    };
    if Path::new(&path).exists() {
        return Ok(path);
    }
    if path.contains('+') {
        return Err(format!(
            "{path}: a model with an adapter is not supported: merge it with --merge-into-base first"
        ));
    }
    Err(format!("{path} is no local path: models are not fetched, download it first"))
}

fn mapping(yaml: Yaml, what: &str) -> Result<Vec<(String, Yaml)>, String> {
    match yaml {
        Yaml::Mapping(members) => Ok(members),
        _ => Err(format!("{what} must be a mapping")),
    }
}

fn list(yaml: Yaml, what: &str) -> Result<Vec<Yaml>, String> {
    match yaml {
        Yaml::List(items) => Ok(items),
        _ => Err(format!("{what} must be a list")),
    }
}

fn word(yaml: Yaml, key: &str) -> Result<String, String> {
    match yaml {
        Yaml::Scalar(text, _) => Ok(text),
        _ => Err(format!("{key} must be one word")),
    }
}

#[cfg(test)]
mod tests;
