//! What is to be mixed and how, whether flags say it or a configuration of mergekit.

use std::path::{Path, PathBuf};

use potluck_core::{Lambda, PartyId};
use potluck_soup::Dtype;
use potluck_soup::method::{
    Consensus, Density, Extrapolation, Group, Method, Pattern, Strength, Weights,
};
use serde::Deserialize;

use super::mergekit;
use super::named::Named;
use crate::failure::Failure;
use crate::output::one_line;

/// The flags that say what is mixed and how.
#[derive(Debug, clap::Args)]
pub(crate) struct OrderArgs {
    /// An expert: its name in λ; and a safetensors file, a Hugging Face folder, or a PEFT adapter's folder
    #[arg(long = "expert", value_name = "NAME=PATH")]
    experts: Vec<String>,
    /// The weights, as NAME=WEIGHT,… or PATH=WEIGHT,… in decimals or parts per million
    ///
    /// They sum to one, but for task-arithmetic, ties and dare-ties. A path without a name is called by its last
    /// part where that is a name, otherwise p1, p2, … by its place.
    #[arg(long, value_name = "LAMBDA", allow_hyphen_values = true)]
    lambda: Option<String>,
    /// The base that the experts have in common
    ///
    /// Where the method needs none it is named in the recipe only, and implies --lineage.
    #[arg(long, value_name = "FOLDER|FILE")]
    pub(crate) base: Option<PathBuf>,

    /// How the experts are mixed
    #[arg(long, value_enum, default_value_t = Way::Linear, help_heading = "Method")]
    method: Way,
    /// Let weights of task-arithmetic lie outside of 0 to 1
    #[arg(long, help_heading = "Method")]
    extrapolate: bool,
    /// ties, dare-ties: the part of each expert's change that is kept, above 0, at most 1
    #[arg(long, value_name = "PART", help_heading = "Method")]
    density: Option<Density>,
    /// ties, dare-ties: what the merged change is multiplied by [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = "Method")]
    strength: Option<Strength>,
    /// ties, dare-ties: the mean of the changes that agree in sign, or their sum [default: mean]
    #[arg(long, value_enum, help_heading = "Method")]
    consensus: Option<Agreement>,
    /// dare-ties: decides which elements are dropped [default: 0]
    #[arg(long, value_name = "N", help_heading = "Method")]
    seed: Option<u32>,
    /// layerwise: a TOML file of `[[group]]` with tensors = "model.layers.0.*" and lambda = "a=0.3,b=0.7"
    ///
    /// The first group that fits a tensor's name counts; --lambda is for those that none fits.
    #[arg(long, value_name = "FILE", help_heading = "Method")]
    layers: Option<PathBuf>,
    /// A configuration of mergekit, instead of --expert, --lambda, --base and --method
    ///
    /// linear, task_arithmetic, slerp, ties, dare_ties and model_stock of local models with one number for each
    /// parameter; whatever else a configuration says is refused by name.
    #[arg(
        long, value_name = "FILE", help_heading = "Method",
        conflicts_with_all = ["experts", "lambda", "base", "method", "extrapolate", "density", "strength", "consensus", "layers", "dtype", "grid"]
    )]
    mergekit: Option<PathBuf>,
}

/// A method by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// Σ λᵢ·xᵢ (linear/1)
    Linear,
    /// base + Σ λᵢ·(xᵢ − base)
    TaskArithmetic,
    /// Along the arc between two experts
    Slerp,
    /// Changes trimmed to their largest, those that agree in sign averaged
    Ties,
    /// Changes dropped at random and rescaled, then as ties
    DareTies,
    /// Between the base and the experts' mean, by how much they agree
    ModelStock,
    /// linear with a λ for each group of tensors
    Layerwise,
}

/// What the changes that agree in sign come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Agreement {
    /// Their mean by weight.
    Mean,
    /// Their sum.
    Sum,
}

/// What is to be mixed and how.
#[derive(Debug)]
pub(crate) struct Order {
    /// Every expert that was named.
    pub(crate) named: Named,
    /// Their weights.
    pub(crate) weights: Weights,
    /// The method with its parameters.
    pub(crate) method: Method,
    /// The base, where there is one.
    pub(crate) base: Option<PathBuf>,
    /// The format of the soup's elements, where a configuration says one.
    pub(crate) dtype: Option<Dtype>,
    /// What was made of the order on the way, for whoever gave it.
    pub(crate) notes: Vec<String>,
}

impl OrderArgs {
    /// Reads flags and files.
    pub(crate) fn order(&self) -> Result<Order, Failure> {
        if let Some(file) = &self.mergekit {
            return mergekit::read(file, self.seed.unwrap_or(0));
        }
        let mut named = Named::parse(&self.experts)?;
        let text = self.lambda.as_deref().map(|lambda| named.take_paths(lambda)).transpose()?;
        let method = self.method()?;
        let weights = self.weights(text.as_deref(), &named)?;
        let names = method.active(&weights);
        let all: Vec<_> = weights.ppm().keys().chain(&names).collect();
        named.check(all.into_iter())?;
        Ok(Order {
            named,
            weights,
            method,
            base: self.base.clone(),
            dtype: None,
            notes: Vec::new(),
        })
    }

    /// The order of whoever goes through many λ: all experts, for the methods that mix by λ alone.
    pub(crate) fn of_all(&self) -> Result<Order, Failure> {
        if !matches!(self.method, Way::Linear | Way::Slerp) {
            return Err(Failure::input("--grid goes with --method linear and slerp"));
        }
        let named = Named::parse(&self.experts)?;
        if named.parties().next().is_none() {
            return Err(Failure::input("--grid needs each expert as --expert NAME=PATH"));
        }
        let weights = Weights::ones(named.parties()).map_err(Failure::input)?;
        let (method, base) = (self.method()?, self.base.clone());
        Ok(Order { named, weights, method, base, dtype: None, notes: Vec::new() })
    }

    /// The method with its parameters; each parameter that was given is one of the method's.
    fn method(&self) -> Result<Method, Failure> {
        self.refuse_unused()?;
        let strength = self.strength.unwrap_or(Strength::ONE);
        let consensus = match self.consensus {
            None | Some(Agreement::Mean) => Consensus::Mean,
            Some(Agreement::Sum) => Consensus::Sum,
        };
        let density = || {
            self.density.ok_or_else(|| Failure::input("--method ties and dare-ties need --density"))
        };
        Ok(match self.method {
            Way::Linear => Method::Linear,
            Way::TaskArithmetic => Method::TaskArithmetic,
            Way::Slerp => Method::Slerp,
            Way::Ties => Method::Ties { density: density()?, consensus, strength },
            Way::DareTies => {
                let seed = self.seed.unwrap_or(0);
                Method::DareTies { density: density()?, seed, consensus, strength }
            }
            Way::ModelStock => Method::ModelStock,
            Way::Layerwise => match &self.layers {
                Some(file) => Method::Layerwise { groups: groups(file)? },
                None => return Err(Failure::input("--method layerwise needs --layers")),
            },
        })
    }

    fn refuse_unused(&self) -> Result<(), Failure> {
        let is_trimming = matches!(self.method, Way::Ties | Way::DareTies);
        let flags = [
            ("--extrapolate", self.extrapolate, self.method == Way::TaskArithmetic),
            ("--density", self.density.is_some(), is_trimming),
            ("--strength", self.strength.is_some(), is_trimming),
            ("--consensus", self.consensus.is_some(), is_trimming),
            ("--seed", self.seed.is_some(), self.method == Way::DareTies),
            ("--layers", self.layers.is_some(), self.method == Way::Layerwise),
        ];
        match flags.into_iter().find(|(_, is_given, is_used)| *is_given && !is_used) {
            Some((flag, ..)) => Err(Failure::input(format!("this --method has no use for {flag}"))),
            None => Ok(()),
        }
    }

    /// λ; where a method does without, everybody has the same.
    fn weights(&self, lambda: Option<&str>, named: &Named) -> Result<Weights, Failure> {
        let extrapolation =
            if self.extrapolate { Extrapolation::Allowed } else { Extrapolation::Refused };
        match (lambda, self.method) {
            (Some(text), Way::Linear | Way::Slerp | Way::Layerwise) => {
                let lambda: Lambda = text.parse().map_err(Failure::input)?;
                Ok(Weights::from(&lambda))
            }
            (Some(text), _) => Weights::parse(text, extrapolation).map_err(Failure::input),
            (None, Way::Ties | Way::DareTies | Way::ModelStock) => {
                Weights::ones(named.parties()).map_err(Failure::input)
            }
            (None, Way::Layerwise) => {
                Weights::new([].into(), extrapolation).map_err(Failure::input)
            }
            (None, _) => Err(Failure::input("--lambda says how much of each expert goes in")),
        }
    }
}

/// A file of groups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsText {
    group: Vec<GroupText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupText {
    tensors: String,
    lambda: String,
}

fn groups(file: &Path) -> Result<Vec<Group>, Failure> {
    let failed = |what: String| Failure::input(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let groups: GroupsText =
        toml::from_str(&text).map_err(|error| failed(one_line(&error.to_string())))?;
    let group = |(number, group): (usize, GroupText)| {
        let failed = |what: String| failed(format!("group {number}: {what}"));
        let tensors: Pattern = group.tensors.parse().map_err(|error| failed(format!("{error}")))?;
        let lambda: Lambda = group.lambda.parse().map_err(|error| failed(format!("{error}")))?;
        Ok(Group { tensors, lambda })
    };
    (1..).zip(groups.group).map(group).collect()
}

/// Weights as they are written in λ: `a=0.3,b=-0.7`.
pub(crate) fn shown(weights: &Weights) -> String {
    let item = |(party, ppm): (&PartyId, &i64)| format!("{party}={}", decimal(*ppm));
    weights.ppm().iter().map(item).collect::<Vec<_>>().join(",")
}

/// Parts per million as the shortest decimal.
pub(crate) fn decimal(ppm: i64) -> String {
    let sign = if ppm < 0 { "-" } else { "" };
    let (whole, rest) = (ppm.unsigned_abs() / 1_000_000, ppm.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shown_as_they_are_read() {
        for text in ["a=0.3,b=-0.7", "a=1,b=2.5,c=0.000001", "a=0"] {
            let weights = Weights::parse(text, Extrapolation::Allowed).unwrap();
            assert_eq!(shown(&weights), text);
        }
    }

    #[test]
    fn groups_are_read_strictly() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("layers.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            groups(&file)
        };
        let found =
            read("[[group]]\ntensors = 'model.layers.0.*'\nlambda = 'a=0.3,b=0.7'\n").unwrap();
        assert_eq!(found[0].tensors.as_str(), "model.layers.0.*");
        assert_eq!(found[0].lambda.to_string(), "a=0.3,b=0.7");
        for bad in [
            "[[group]]\ntensors = 'x'\n",
            "[[group]]\ntensors = 'x'\nlambda = 'a=0.3'\n",
            "[[group]]\ntensors = 'x y'\nlambda = 'a=1'\n",
            "[[group]]\ntensors = 'x'\nlambda = 'a=1'\nother = 1\n",
        ] {
            assert!(read(bad).unwrap_err().message().contains("layers.toml"), "{bad}");
        }
    }
}
