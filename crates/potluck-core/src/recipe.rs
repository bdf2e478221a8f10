//! The canonical description of a soup: from a recipe and the experts it names, anyone makes the same bytes.

use serde::{Deserialize, Serialize};

use crate::ids::{Blake3, PartyId};
use crate::lambda::Lambda;

/// By what rule the weights are mixed. A published name never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arithmetic {
    /// Σ ppmᵢ·xᵢ / 1 000 000 in binary64, rounded once to the output type; `docs/formats.md` has the rules.
    #[serde(rename = "linear/1")]
    Linear1,
    /// Experts are adapters: Δ = Σ ppmᵢ·sᵢ·BᵢAᵢ / 1 000 000, as one adapter whose factors are those of all beside one another.
    #[serde(rename = "adapter_linear/2")]
    AdapterLinear2,
    /// Experts are adapters that share a frozen factor A: B = Σ ppmᵢ·Bᵢ / 1 000 000, as `linear/1` has it.
    #[serde(rename = "adapter_shared_a/1")]
    AdapterSharedA1,
}

impl Arithmetic {
    /// Its name in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear1 => "linear/1",
            Self::AdapterLinear2 => "adapter_linear/2",
            Self::AdapterSharedA1 => "adapter_shared_a/1",
        }
    }
}

/// One expert of a soup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredient {
    /// Whose expert it is.
    pub party: PartyId,
    /// The digest of its manifest.
    pub manifest: Blake3,
    /// Its share in parts per million, above zero.
    pub ppm: u32,
}

/// Why a recipe was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// λ gives weight to a party for which no expert was named.
    #[error("λ gives weight to {0}, but no expert of it is known")]
    NoExpert(PartyId),
    /// The ingredients' shares are no λ, or they do not stand in ascending order of party.
    #[error(
        "the ingredients of the recipe are not in order, have a share of zero, or do not sum to one"
    )]
    Ingredients,
}

/// What a soup is made of: the base for reference, the experts in ascending order of party, their shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RecipeText", into = "RecipeText")]
pub struct Recipe {
    arithmetic: Arithmetic,
    base: Blake3,
    experts: Vec<Ingredient>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeText {
    arithmetic: Arithmetic,
    base: Blake3,
    experts: Vec<Ingredient>,
}

impl Recipe {
    /// The recipe of λ over experts of one base; `manifest` gives the digest of each party's expert.
    ///
    /// Parties with λ = 0 do not appear, so that one soup has one recipe.
    ///
    /// # Errors
    /// [`RecipeError::NoExpert`] where `manifest` does not know a party that λ gives weight to.
    pub fn new(
        arithmetic: Arithmetic,
        base: Blake3,
        lambda: &Lambda,
        manifest: impl Fn(&PartyId) -> Option<Blake3>,
    ) -> Result<Self, RecipeError> {
        let experts = lambda
            .active()
            .map(|(party, ppm)| {
                let manifest =
                    manifest(party).ok_or_else(|| RecipeError::NoExpert(party.clone()))?;
                Ok(Ingredient { party: party.clone(), manifest, ppm })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { arithmetic, base, experts })
    }

    /// How the experts are mixed.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The digest of the base's manifest.
    pub fn base(&self) -> Blake3 {
        self.base
    }

    /// The experts in ascending order of party.
    pub fn experts(&self) -> &[Ingredient] {
        &self.experts
    }

    /// The recipe's one text: compact JSON, fields in the order of their definition here.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, integers and lists always have a JSON form")
    }

    /// BLAKE3 of [`Self::canonical`]: the soup's name before its bytes exist.
    pub fn digest(&self) -> Blake3 {
        Blake3::of(&self.canonical())
    }
}

impl TryFrom<RecipeText> for Recipe {
    type Error = RecipeError;
    fn try_from(text: RecipeText) -> Result<Self, RecipeError> {
        let ascending = text.experts.windows(2).all(|pair| pair[0].party < pair[1].party);
        let shares = text.experts.iter().map(|expert| (expert.party.clone(), expert.ppm)).collect();
        let positive = text.experts.iter().all(|expert| expert.ppm > 0);
        if !ascending || !positive || Lambda::new(shares).is_err() {
            return Err(RecipeError::Ingredients);
        }
        Ok(Self { arithmetic: text.arithmetic, base: text.base, experts: text.experts })
    }
}

impl From<Recipe> for RecipeText {
    fn from(recipe: Recipe) -> Self {
        Self { arithmetic: recipe.arithmetic, base: recipe.base, experts: recipe.experts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(lambda: &str) -> Recipe {
        Recipe::new(Arithmetic::Linear1, Blake3::of(b"base"), &lambda.parse().unwrap(), |party| {
            Some(Blake3::of(party.as_str().as_bytes()))
        })
        .unwrap()
    }

    #[test]
    fn one_soup_has_one_recipe() {
        assert_eq!(recipe("b=0.5,a=0.5").digest(), recipe("a=500000,b=500000,c=0").digest());
        assert_ne!(recipe("a=0.5,b=0.5").digest(), recipe("a=0.500001,b=0.499999").digest());
    }

    #[test]
    fn the_text_is_the_documented_one() {
        let (base, a) = (Blake3::of(b"base"), Blake3::of(b"a"));
        let text = format!(
            r#"{{"arithmetic":"linear/1","base":"{base}","experts":[{{"party":"a","manifest":"{a}","ppm":1000000}}]}}"#
        );
        assert_eq!(recipe("a=1").canonical(), text.as_bytes());
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe("a=1"));
        for arithmetic in [Arithmetic::AdapterLinear2, Arithmetic::AdapterSharedA1] {
            let adapters = text.replacen("linear/1", arithmetic.as_str(), 1);
            let read = serde_json::from_str::<Recipe>(&adapters).unwrap();
            assert_eq!(read.arithmetic(), arithmetic);
            assert_eq!(read.canonical(), adapters.as_bytes());
        }
    }

    #[test]
    fn texts_that_another_spelling_would_share_are_refused() {
        let text = String::from_utf8(recipe("a=0.5,b=0.5").canonical()).unwrap();
        for (from, to) in
            [("500000", "499999"), (r#""party":"a""#, r#""party":"c""#), ("linear/1", "linear/2")]
        {
            assert!(serde_json::from_str::<Recipe>(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_party_without_an_expert_is_named() {
        let error =
            Recipe::new(Arithmetic::Linear1, Blake3::of(b"base"), &"a=1".parse().unwrap(), |_| {
                None
            })
            .unwrap_err();
        assert_eq!(error, RecipeError::NoExpert("a".parse().unwrap()));
    }
}
