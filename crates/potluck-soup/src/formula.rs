//! What a soup of any method is made of, as one text: the method, the base, the experts, the parameters.
//!
//! The digest of this text stands in the header of a soup's files, so that one can say from the file by which
//! formula it came about. For `linear/1` without parameters the text is that of a federation's recipe
//! ([`potluck_core::Recipe`]), byte for byte. `docs/formats.md` specifies it, section "Formula".
//!
//! It holds no floating-point number: those have many spellings, and a formula has one. It does not judge whether
//! a method takes such parameters: the method has parsed them before.

use std::collections::BTreeMap;

use potluck_core::{Blake3, PartyId};
use serde::Serialize;

/// One expert's part in a soup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Portion {
    /// Whose expert it is.
    pub party: PartyId,
    /// The digest of its manifest.
    pub manifest: Blake3,
    /// Its weight in parts per million; what it means, and whether it may be negative, is the method's.
    pub ppm: i64,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Parameter {
    /// A whole number; shares are in parts per million.
    Integer(i64),
    /// A word.
    Text(String),
    /// Several values whose order matters.
    List(Vec<Parameter>),
    /// Several values by name, in byte order of the names.
    Object(BTreeMap<String, Parameter>),
}

impl From<i64> for Parameter {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The canonical description of a soup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Formula {
    #[serde(rename = "arithmetic")]
    method: &'static str,
    base: Blake3,
    experts: Vec<Portion>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<String, Parameter>,
}

impl Formula {
    /// The formula of `method`, a name like `linear/1`, over experts of which no party has two.
    ///
    /// The experts are put in ascending order of party. Who takes no part in the method is left out by the caller.
    pub fn new(
        method: &'static str,
        base: Blake3,
        mut experts: Vec<Portion>,
        parameters: BTreeMap<String, Parameter>,
    ) -> Self {
        experts.sort_by(|a, b| a.party.cmp(&b.party));
        Self { method, base, experts, parameters }
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The digest of the base's manifest.
    pub fn base(&self) -> Blake3 {
        self.base
    }

    /// The experts in ascending order of party.
    pub fn experts(&self) -> &[Portion] {
        &self.experts
    }

    /// The method's parameters by name.
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// The formula's one text: compact JSON.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, integers and lists always have a JSON form")
    }

    /// BLAKE3 of [`Self::canonical`]: the soup's name before its bytes exist.
    pub fn digest(&self) -> Blake3 {
        Blake3::of(&self.canonical())
    }
}

#[cfg(test)]
mod tests {
    use potluck_core::recipe::Arithmetic;
    use potluck_core::{Lambda, Recipe};

    use super::*;

    fn portion(party: &str, ppm: i64) -> Portion {
        Portion { party: party.parse().unwrap(), manifest: Blake3::of(party.as_bytes()), ppm }
    }

    #[test]
    fn plain_linear_is_the_recipe_of_a_federation() {
        let lambda: Lambda = "b=0.3,a=0.7".parse().unwrap();
        let manifest = |party: &PartyId| Some(Blake3::of(party.as_str().as_bytes()));
        let recipe =
            Recipe::new(Arithmetic::Linear1, Blake3::of(b"base"), &lambda, manifest).unwrap();
        let experts = vec![portion("b", 300_000), portion("a", 700_000)];
        let formula = Formula::new("linear/1", Blake3::of(b"base"), experts, BTreeMap::new());
        assert_eq!(formula.canonical(), recipe.canonical());
        assert_eq!(formula.digest(), recipe.digest());
    }

    #[test]
    fn parameters_have_one_text() {
        let group = BTreeMap::from([
            ("tensors".to_owned(), Parameter::from("model.layers.*")),
            ("ppm".to_owned(), Parameter::List(vec![1_500_000i64.into(), (-500_000i64).into()])),
        ]);
        let parameters = BTreeMap::from([
            ("groups".to_owned(), Parameter::List(vec![Parameter::Object(group)])),
            ("dtype".to_owned(), "BF16".into()),
        ]);
        let (base, a) = (Blake3::of(b"base"), Blake3::of(b"a"));
        let formula = Formula::new("layerwise/1", base, vec![portion("a", -1)], parameters);
        let text = format!(
            r#"{{"arithmetic":"layerwise/1","base":"{base}","experts":[{{"party":"a","manifest":"{a}","ppm":-1}}],"parameters":{{"dtype":"BF16","groups":[{{"ppm":[1500000,-500000],"tensors":"model.layers.*"}}]}}}}"#
        );
        assert_eq!(String::from_utf8(formula.canonical()).unwrap(), text);
    }
}
