//! Soups of experts, mixed in memory: the very weights that the federation would publish.
//!
//! All arithmetic is `potluck-soup`'s. Shares between 0 and 1 are `linear/1`; shares outside are the base plus weighted
//! changes, `task_arithmetic/1`, which for shares that sum to one is the same line, continued.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use potluck_core::PartyId;
use potluck_soup::blend::{Shape, Wanted};
use potluck_soup::method::Extrapolation;
use potluck_soup::{Checkpoint, Method, Weights};

use crate::folder::{from_bytes, weights_of};
use crate::policy::Policy;

/// One, in parts per million.
const MILLION: i64 = 1_000_000;

/// Experts by name, and their base.
#[derive(Debug)]
pub struct Kitchen {
    base: Checkpoint,
    experts: BTreeMap<PartyId, Checkpoint>,
}

/// Shares by name that sum to one; those outside 0 to 1 only if that was asked for.
#[derive(Debug, Clone)]
pub struct Shares {
    text: String,
    weights: Weights,
    is_outside: bool,
}

impl Shares {
    /// Reads `risky=0.3,cautious=0.7`.
    ///
    /// # Errors
    /// Where a name, a number or the sum is wrong, or a share lies outside 0 to 1 and `extrapolate` is false.
    pub fn parse(text: &str, extrapolate: bool) -> Result<Self> {
        let weights = Weights::parse(text, Extrapolation::Allowed)?;
        let sum: i64 = weights.ppm().values().sum();
        ensure!(sum == MILLION, "the shares of {text} sum to {sum} millionths, not to one");
        let is_outside = weights.ppm().values().any(|ppm| !(0..=MILLION).contains(ppm));
        ensure!(
            extrapolate || !is_outside,
            "a share of {text} is not between 0 and 1; say --extrapolate if that is meant"
        );
        Ok(Self { text: text.to_owned(), weights, is_outside })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Each name with a share other than zero.
    pub fn active(&self) -> impl Iterator<Item = (&PartyId, f64)> {
        self.weights.active().map(|(party, ppm)| (party, ppm as f64 / MILLION as f64))
    }

    /// The same in parts per million, as a ledger has it.
    pub fn ppm(&self) -> &BTreeMap<PartyId, i64> {
        self.weights.ppm()
    }
}

impl Kitchen {
    /// Opens the base and experts, folders or files.
    ///
    /// # Errors
    /// Where one cannot be read, or a name is given twice.
    pub fn open(base: &Path, experts: &[(PartyId, PathBuf)]) -> Result<Self> {
        let open = |path: &Path| {
            let file = weights_of(path);
            Checkpoint::open(&file).with_context(|| format!("cannot use {}", file.display()))
        };
        let mut opened = BTreeMap::new();
        for (party, path) in experts {
            if opened.insert(party.clone(), open(path)?).is_some() {
                bail!("--expert {party} is given twice; name each expert once");
            }
        }
        Ok(Self { base: open(base)?, experts: opened })
    }

    /// The soup's file of weights.
    ///
    /// # Errors
    /// Where an expert is unknown, or they cannot be mixed: those of another base have other statistics of observations.
    pub fn bytes(&self, shares: &Shares) -> Result<Vec<u8>> {
        let expert = |(party, _): (&PartyId, i64)| {
            let found = self.experts.get(party);
            let found = found.with_context(|| {
                format!("--lambda {}: no expert {party}; add --expert {party}=PATH", shares.text)
            })?;
            Ok((party.clone(), found))
        };
        let active = shares.weights.active().map(expert).collect::<Result<Vec<_>>>()?;
        let method = if shares.is_outside { Method::TaskArithmetic } else { Method::Linear };
        let wanted = Wanted { shape: Shape::One, dtype: None, recipe: None };
        let failed = || format!("--lambda {}", shares.text);
        let soup = method
            .plan(&active, Some(&self.base), &shares.weights, &wanted)
            .with_context(failed)?;
        let mut bytes = Vec::new();
        soup.files()[0].reader().read_to_end(&mut bytes).with_context(failed)?;
        Ok(bytes)
    }

    /// The soup as a policy.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn soup(&self, shares: &Shares) -> Result<Policy> {
        from_bytes(&self.bytes(shares)?).with_context(|| format!("--lambda {}", shares.text))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use potluck_soup::Mixture;

    use super::*;
    use crate::folder::{WEIGHTS, tests::sample, to_bytes};

    fn kitchen(home: &Path) -> Kitchen {
        let put = |name: &str, seed| {
            let folder = home.join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(WEIGHTS), to_bytes(&sample(seed))).unwrap();
            folder
        };
        let base = put("base", 1);
        let experts =
            [("a", 2), ("b", 3)].map(|(name, seed)| (name.parse().unwrap(), put(name, seed)));
        Kitchen::open(&base, &experts).unwrap()
    }

    fn shares(text: &str) -> Shares {
        Shares::parse(text, true).unwrap()
    }

    #[test]
    fn a_soup_is_the_federations_in_every_bit() {
        let home = tempfile::tempdir().unwrap();
        let kitchen = kitchen(home.path());
        let file = |name: &str| (name.parse().unwrap(), home.path().join(name).join(WEIGHTS));
        let mixture = Mixture::open(&[file("a"), file("b")]).unwrap();
        for text in ["a=0.3,b=0.7", "a=0.123456,b=0.876544", "a=1,b=0"] {
            let ours = kitchen.soup(&shares(text)).unwrap();
            let (bytes, again) = (to_bytes(&ours), kitchen.bytes(&shares(text)).unwrap());
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let published = safetensors::SafeTensors::deserialize(&again).unwrap();
            for tensor in mixture.tensors(&text.parse().unwrap()).unwrap() {
                let tensor = tensor.unwrap();
                assert_eq!(file.tensor(&tensor.name).unwrap().data(), tensor.bytes, "{text}");
                assert_eq!(published.tensor(&tensor.name).unwrap().data(), tensor.bytes);
            }
            assert_eq!(ours.normaliser, sample(1).normaliser, "constants are taken over");
        }
        assert_eq!(to_bytes(&kitchen.soup(&shares("a=1,b=0")).unwrap()), to_bytes(&sample(2)));
    }

    #[test]
    fn outside_the_line_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let kitchen = kitchen(home.path());
        let first = |policy: &Policy| policy.net.0[0].double_value(&[0, 0]);
        let (a, b) = (first(&sample(2)), first(&sample(3)));
        let beyond = first(&kitchen.soup(&shares("a=-0.5,b=1.5")).unwrap());
        assert!((beyond - (1.5 * b - 0.5 * a)).abs() < 1e-6, "{beyond}");
        assert!(Shares::parse("a=-0.5,b=1.5", false).is_err());
        assert!(Shares::parse("a=0.5,b=0.6", true).is_err());
    }

    #[test]
    fn experts_of_two_worlds_have_no_soup() {
        let home = tempfile::tempdir().unwrap();
        drop(kitchen(home.path()));
        let mut other = sample(4);
        other.normaliser = crate::normaliser::Normaliser::identity(3);
        fs::write(home.path().join("b").join(WEIGHTS), to_bytes(&other)).unwrap();
        let of = |name: &str| (name.parse().unwrap(), home.path().join(name));
        let kitchen = Kitchen::open(&home.path().join("base"), &[of("a"), of("b")]).unwrap();
        let error = format!("{:#}", kitchen.bytes(&shares("a=0.5,b=0.5")).unwrap_err());
        assert!(error.contains("observation.deviation"), "{error}");
    }
}
