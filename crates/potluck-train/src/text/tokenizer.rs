//! Text to tokens and back, by whatever tokenizer lies in a Hugging Face folder.
//!
//! The `tokenizers` crate computes; what is done here is what `transformers` does around it when it
//! opens a folder: special tokens that only the older files name are added, and any truncation or
//! padding that was saved with it is switched off. What stands around a text is the word of
//! `tokenizer.json` alone: as in `transformers` 5, `add_bos_token` and `add_eos_token` of the older
//! files are not heard beside it.

use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken, Tokenizer};

use crate::bad_input::BadInput;

use super::conversation::{Conversation, Tools};
use super::folder::{self, MAX_TOKENIZER};
use super::specials::Specials;
use super::template::{ChatTemplate, Date, Opening, TemplateError};

/// A text could not become tokens, or tokens no text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The `tokenizers` crate failed.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(#[from] tokenizers::Error),
    /// The conversation could not be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The folder has no chat template.
    #[error(
        "the folder has no chat template, so conversations cannot be rendered: add chat_template.jinja, or give plain text"
    )]
    NoTemplate,
    /// The model has no weights for a token.
    #[error("the token {token} is beyond the model's vocabulary of {vocabulary}")]
    Beyond {
        /// Which.
        token: i64,
        /// The number of tokens that the model knows.
        vocabulary: i64,
    },
}

/// For each token, the bytes of the text that it is from.
pub type Places = Vec<(usize, usize)>;

/// A folder's tokenizer, its special tokens and its chat template.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    inner: Tokenizer,
    specials: Specials,
    template: Option<ChatTemplate>,
    pad: i64,
    ends: Vec<i64>,
    /// What the model's configuration says, where there is one.
    vocabulary: i64,
    /// Whether spaces before punctuation are taken out again, as BERT's tokenizers want it.
    cleans_spaces: bool,
}

impl TextTokenizer {
    /// Opens the tokenizer of the folder at `path`.
    ///
    /// # Errors
    /// [`BadInput`], which names the file.
    pub fn open(path: &Path) -> Result<Self, BadInput> {
        Self::open_with(path, None, None)
    }

    /// The same with the chat template called `template`, where one is named; `today` is the date that it may ask for.
    ///
    /// # Errors
    /// [`BadInput`], which names the file.
    pub fn open_with(
        path: &Path,
        template: Option<&str>,
        today: Option<Date>,
    ) -> Result<Self, BadInput> {
        let file = path.join("tokenizer.json");
        let missing = || {
            BadInput::file(&file, &"there is no such file; other tokenizer formats are not read")
        };
        let bytes = folder::read(&file, MAX_TOKENIZER)?.ok_or_else(missing)?;
        let mut inner =
            Tokenizer::from_bytes(bytes).map_err(|error| BadInput::file(&file, &error))?;
        let config = folder::object(&path.join("tokenizer_config.json"))?;
        let map = folder::object(&path.join("special_tokens_map.json"))?;
        let specials = Specials::of(&config, &map);
        prepare(&mut inner, &config, &specials).map_err(|error| BadInput::file(&file, &error))?;

        let model = folder::object(&path.join("config.json"))?;
        let generation = folder::object(&path.join("generation_config.json"))?;
        let vocabulary = model.get("vocab_size").and_then(Value::as_i64);
        let own = |name| specials.text(name).and_then(|it| inner.token_to_id(it)).map(i64::from);
        let mut ends = ids(&generation, "eos_token_id");
        if ends.is_empty() {
            ends = ids(&model, "eos_token_id");
        }
        // A tuned model ends its turns with its tokenizer's token, also where the configuration still
        // names that of the base it was tuned from.
        ends.extend(own("eos_token").filter(|end| !ends.contains(end)));
        let pad = own("pad_token")
            .or_else(|| ids(&model, "pad_token_id").first().copied())
            .or_else(|| ends.first().copied())
            .unwrap_or(0);
        let is_bpe = matches!(inner.get_model(), ModelWrapper::BPE(_));
        let cleans = config.get("clean_up_tokenization_spaces").and_then(Value::as_bool);
        let tokenizer = Self {
            template: ChatTemplate::find(path, template, &specials, today)?,
            vocabulary: vocabulary.unwrap_or_else(|| inner.get_vocab_size(true) as i64),
            cleans_spaces: cleans.unwrap_or(false) && !is_bpe,
            inner,
            specials,
            pad,
            ends,
        };
        let named = [tokenizer.pad].into_iter().chain(tokenizer.ends.iter().copied());
        for token in named {
            tokenizer.check(token).map_err(|error| BadInput::file(path, &error))?;
        }
        Ok(tokenizer)
    }

    /// The tokens of `text`: with the special tokens that the folder puts around a text
    /// (`Around::Specials`), or without.
    ///
    /// Special tokens that stand in the text become themselves either way, as in `transformers`.
    ///
    /// # Errors
    /// [`TextError`], also for a token that the model has no weights for.
    pub fn encode(&self, text: &str, around: Around) -> Result<Vec<i64>, TextError> {
        let encoding = self.inner.encode_fast(text, around == Around::Specials)?;
        self.checked(encoding.get_ids())
    }

    /// The tokens of a text that goes on: as [`Self::encode`] with special tokens, without one that
    /// the folder would put behind it to end it.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_beginning(&self, text: &str) -> Result<Vec<i64>, TextError> {
        let mut tokens = self.encode(text, Around::Specials)?;
        if tokens.last().is_some_and(|last| self.ends.contains(last)) {
            let own = self.encode(text, Around::Nothing)?;
            // One that stands in the text itself stays.
            if own.last() != tokens.last() {
                tokens.pop();
            }
        }
        Ok(tokens)
    }

    /// The tokens of `text` without any around it, and the bytes of the text that each is from.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with_places(&self, text: &str) -> Result<(Vec<i64>, Places), TextError> {
        let encoding = self.inner.encode(text, false)?;
        Ok((self.checked(encoding.get_ids())?, encoding.get_offsets().to_vec()))
    }

    /// The tokens of a conversation by the folder's chat template.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn encode_chat(
        &self,
        conversation: &Conversation,
        tools: Option<&Tools>,
        opening: Opening,
    ) -> Result<Vec<i64>, TextError> {
        let text = self.needed_template()?.render(conversation, tools, opening)?.text;
        self.encode(&text, Around::Nothing)
    }

    /// The text of `tokens`; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn decode(&self, tokens: &[i64], specials: Shown) -> Result<String, TextError> {
        let ids: Vec<u32> = tokens.iter().filter_map(|&token| u32::try_from(token).ok()).collect();
        let text = self.inner.decode(&ids, specials == Shown::Skipped)?;
        Ok(if self.cleans_spaces { clean(&text) } else { text })
    }

    /// What fills a row of a batch: the padding token, else one that ends a text. It stands behind a
    /// mask and is never learned from.
    pub fn pad(&self) -> i64 {
        self.pad
    }

    /// The tokens that end a text: those of `generation_config.json`, else of `config.json`, and the
    /// tokenizer's own. May be none.
    pub fn ends(&self) -> &[i64] {
        &self.ends
    }

    /// The special tokens that the folder names.
    pub fn specials(&self) -> &Specials {
        &self.specials
    }

    /// The id of a special token that the folder names, such as `bos_token`.
    pub fn special(&self, name: &str) -> Option<i64> {
        self.specials.text(name).and_then(|text| self.inner.token_to_id(text)).map(i64::from)
    }

    /// The number of tokens that the model knows: `vocab_size` of its configuration, or else the
    /// tokenizer's own count.
    pub fn vocabulary(&self) -> i64 {
        self.vocabulary
    }

    /// The folder's chat template, if it has one.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// The folder's chat template.
    ///
    /// # Errors
    /// [`TextError::NoTemplate`].
    pub fn needed_template(&self) -> Result<&ChatTemplate, TextError> {
        self.template.as_ref().ok_or(TextError::NoTemplate)
    }

    fn checked(&self, ids: &[u32]) -> Result<Vec<i64>, TextError> {
        let ids = ids.iter().map(|&id| i64::from(id));
        ids.map(|id| self.check(id).map(|()| id)).collect()
    }

    fn check(&self, token: i64) -> Result<(), TextError> {
        let vocabulary = self.vocabulary;
        match (0..vocabulary).contains(&token) {
            true => Ok(()),
            false => Err(TextError::Beyond { token, vocabulary }),
        }
    }
}

/// What stands around an encoded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// The special tokens that the folder puts there.
    Specials,
    /// Nothing: the text is a part of one, or has its special tokens already.
    Nothing,
}

/// Whether a decoded text shows its special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// They stand in it.
    Kept,
    /// They are left out.
    Skipped,
}

/// `inner` as `transformers` has it after opening a folder.
fn prepare(
    inner: &mut Tokenizer,
    config: &Map<String, Value>,
    specials: &Specials,
) -> Result<(), tokenizers::Error> {
    inner.with_truncation(None)?;
    inner.with_padding(None);
    let known: Vec<String> =
        inner.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    let unknown = |text: &str| !known.iter().any(|it| it == text);
    for token in listed(config).into_iter().filter(|token| unknown(&token.content)) {
        match token.special {
            true => inner.add_special_tokens([token])?,
            false => inner.add_tokens([token])?,
        };
    }
    let named =
        specials.iter().map(|(_, text)| text).chain(specials.others.iter().map(String::as_str));
    for text in named.filter(|text| unknown(text)) {
        inner.add_special_tokens([AddedToken::from(text, true)])?;
    }
    Ok(())
}

/// The tokens of `added_tokens_decoder`, in order of their ids.
fn listed(config: &Map<String, Value>) -> Vec<AddedToken> {
    let Some(Value::Object(list)) = config.get("added_tokens_decoder") else { return Vec::new() };
    let mut tokens: Vec<(u64, AddedToken)> = Vec::new();
    for (id, token) in list {
        let (Ok(id), Some(content)) = (id.parse(), token["content"].as_str()) else { continue };
        let flag = |key: &str| token[key].as_bool().unwrap_or(false);
        let special = flag("special");
        let made = AddedToken::from(content, special)
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .single_word(flag("single_word"))
            .normalized(token["normalized"].as_bool().unwrap_or(!special));
        tokens.push((id, made));
    }
    tokens.sort_by_key(|(id, _)| *id);
    tokens.into_iter().map(|(_, token)| token).collect()
}

/// A whole number or a list of them.
fn ids(object: &Map<String, Value>, key: &str) -> Vec<i64> {
    match object.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_i64).collect(),
        Some(other) => other.as_i64().into_iter().collect(),
        None => Vec::new(),
    }
}

/// `clean_up_tokenization` of `transformers`.
fn clean(text: &str) -> String {
    const PAIRS: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    PAIRS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
