//! What a reward model begins as: a scorer that goes on, or a base that gets a new head.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::folder::{CONFIG, OpenError, read_text, refusal};
use super::super::settings::{self, ConfigError, Settings};
use super::Scorer;
use super::reader::padding;
use super::setup::class;

impl Scorer {
    /// Opens the folder at `path` to be trained to one score. A scorer with one label goes on as
    /// it is; a decoder that writes, or an encoder without a head for labels, gets a head drawn
    /// from `seed`, and a configuration that says so.
    ///
    /// # Errors
    /// [`OpenError`], as of [`Self::open`]; a scorer with several labels is refused by
    /// `id2label`.
    pub fn begin(path: &Path, seed: u64) -> Result<Self, OpenError> {
        let config = read_text(&path.join(CONFIG))?;
        let refused = refusal(path, CONFIG);
        let mut object = settings::parse(&config).map_err(&refused)?;
        if is_scorer(&object) {
            let scorer = Self::assemble(path, config, None)?;
            return match scorer.labels.len() {
                1 => Ok(scorer),
                _ => Err(refused(Settings::new(&object).refused("id2label", "one label"))),
            };
        }
        let pad = padding(path)?;
        rewrite(&mut object, pad).map_err(&refused)?;
        let config = Value::Object(object).to_string().into_bytes();
        Self::assemble(path, config, Some(seed))
    }
}

fn is_scorer(object: &Map<String, Value>) -> bool {
    let classes = object.get("architectures").and_then(Value::as_array);
    let mut classes = classes.into_iter().flatten().filter_map(Value::as_str);
    classes.any(|class| class.ends_with("ForSequenceClassification"))
}

/// The configuration of a base becomes that of a scorer with one label, whose padding is that of
/// the tokenizer, if it has one.
fn rewrite(object: &mut Map<String, Value>, pad: Option<i64>) -> Result<(), ConfigError> {
    let settings = Settings::new(object);
    let name = settings.word("model_type")?.ok_or_else(|| settings.missing("model_type"))?;
    let class = class(name).ok_or_else(|| ConfigError::Family(settings::excerpt(name)))?;
    // Any other class than the usual ones of a base has arithmetic of its own.
    let known = ["ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForPreTraining", "Model"];
    let classes = settings.value("architectures").and_then(Value::as_array).into_iter().flatten();
    if classes.filter_map(Value::as_str).any(|it| !known.iter().any(|known| it.ends_with(known))) {
        return Err(settings.refused("architectures", "a base or a scorer"));
    }
    // Without one, `transformers` reads no two texts at once. As TRL does: at last, the end.
    let end = match settings.value("eos_token_id") {
        Some(Value::Array(ends)) => ends.first().cloned(),
        end => end.cloned(),
    };
    let pad = pad.map(Value::from).or(settings.value("pad_token_id").cloned()).or(end);
    object.insert("architectures".to_owned(), json!([class]));
    object.insert("id2label".to_owned(), json!({"0": "LABEL_0"}));
    object.insert("label2id".to_owned(), json!({"LABEL_0": 0}));
    object.remove("num_labels");
    object.remove("problem_type");
    if let Some(pad) = pad {
        object.insert("pad_token_id".to_owned(), pad);
    }
    Ok(())
}
