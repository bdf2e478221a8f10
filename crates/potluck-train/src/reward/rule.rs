//! Rules: rewards that are a function of one sample, computed here.

mod regex;
mod length;
mod lexicon;
mod json;
mod matching;
mod overlap;
mod bleu;
mod chrf;
mod rouge;
mod repetition;
mod finished;
mod facts;

use crate::bad_input::BadInput;

use super::error::Unscored;
use super::inputs::Files;
use super::keys::Keys;
use super::sample::Sample;

/// A reward that looks at one sample at a time.
pub(super) trait Rule: Send + std::fmt::Debug {
    /// The sample's score.
    fn score(&self, sample: &Sample) -> Result<f64, Unscored>;
}

/// Every kind of rule, by the name that a recipe has for it.
pub(super) const KINDS: [&str; 16] = [
    "regex",
    "length",
    "overlong",
    "lexicon",
    "json",
    "json-schema",
    "exact",
    "numeric",
    "bleu",
    "chrf",
    "rouge-l",
    "repetition",
    "finished",
    "completeness",
    "brevity",
    "faithfulness",
];

/// The rule of `kind` with the keys of its table; `None` where the kind is no rule.
pub(super) fn parse(
    kind: &str,
    keys: &mut Keys,
    files: &mut Files,
) -> Result<Option<Box<dyn Rule>>, BadInput> {
    Ok(Some(match kind {
        "regex" => Box::new(regex::Pattern::parse(keys)?),
        "length" => Box::new(length::Length::parse(keys)?),
        "overlong" => Box::new(length::Overlong::parse(keys)?),
        "lexicon" => Box::new(lexicon::Lexicon::parse(keys, files)?),
        "json" => Box::new(json::Json::parse(keys)?),
        "json-schema" => Box::new(json::Schema::parse(keys, files)?),
        "exact" => Box::new(matching::Exact::parse(keys)?),
        "numeric" => Box::new(matching::Numeric::parse(keys)?),
        "bleu" => Box::new(overlap::Overlap::parse(keys, bleu::Bleu)?),
        "chrf" => {
            let chrf = chrf::Chrf::parse(keys)?;
            Box::new(overlap::Overlap::parse(keys, chrf)?)
        }
        "rouge-l" => Box::new(overlap::Overlap::parse(keys, rouge::RougeL)?),
        "repetition" => Box::new(repetition::Repetition::parse(keys)?),
        "finished" => Box::new(finished::Finished),
        "completeness" | "brevity" | "faithfulness" => Box::new(facts::Facts::parse(kind, keys)?),
        _ => return Ok(None),
    }))
}
