//! A text as tokens, as `transformers`' fast tokenizers make them of `tokenizer.json`.
//!
//! The file's post-processor puts special tokens around one text and between two. Texts are cut to
//! what the model can read as `truncation=True` does (`longest_first`): tokens go from the longer
//! of the two, from its end, or from its beginning where `tokenizer_config.json` has
//! `truncation_side` `left`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::{
    EncodeInput, PostProcessor as _, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

use super::super::folder::{OpenError, read_text};
use super::super::settings;
use super::ScoreError;
use super::setup::Setup;

/// The longest tokenizer.json that is read, in bytes; those of 256 000 tokens have some 35 million.
const MAX_TOKENIZER: u64 = 128 << 20;

/// Text to tokens.
#[derive(Debug)]
pub(super) struct Reader {
    tokenizer: Tokenizer,
    vocabulary: i64,
    /// How many segments are told apart; none where they are not looked at.
    segments: Option<i64>,
}

/// A text, or two, as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    tokens: Vec<i64>,
    segments: Vec<i64>,
}

impl Reading {
    /// Its tokens, of which there is one at least.
    pub fn tokens(&self) -> &[i64] {
        &self.tokens
    }

    /// For each token, to which of the texts it belongs.
    pub fn segments(&self) -> &[i64] {
        &self.segments
    }

    /// Up to the last token that is none of padding: where `transformers` reads the score, also
    /// where a text itself ends with that token. Of padding alone, the first.
    pub(super) fn before_padding(&self, pad: Option<i64>) -> &[i64] {
        let last = self.tokens.iter().rposition(|token| Some(*token) != pad).unwrap_or_default();
        &self.tokens[..=last]
    }
}

impl Reader {
    pub(super) fn open(folder: &Path, setup: &Setup) -> Result<Self, OpenError> {
        let path = folder.join("tokenizer.json");
        let mut tokenizer = read_tokenizer(&path)?;
        let habits = Habits::read(folder)?;
        let refused = |reason: String| OpenError::Tokenizer { path: path.clone(), reason };
        let direction = habits.direction.unwrap_or_else(|| {
            tokenizer.get_truncation().map_or(TruncationDirection::Right, |it| it.direction)
        });
        let longest = setup.longest().min(habits.longest.unwrap_or(i64::MAX));
        let max_length = usize::try_from(longest).unwrap_or(usize::MAX);
        let added = tokenizer.get_post_processor().map_or(0, |it| it.added_tokens(true));
        if max_length <= added {
            return Err(refused(format!(
                "it adds {added} tokens to two texts, and the model reads {longest}"
            )));
        }
        let strategy = TruncationStrategy::LongestFirst;
        let truncation = TruncationParams { direction, max_length, strategy, stride: 0 };
        tokenizer.with_truncation(Some(truncation)).map_err(|it| refused(it.to_string()))?;
        tokenizer.with_padding(None);
        let segments = setup.segments().filter(|_| habits.has_segments);
        Ok(Self { tokenizer, vocabulary: setup.vocabulary(), segments })
    }

    pub(super) fn read(
        &self,
        row: usize,
        first: &str,
        second: Option<&str>,
    ) -> Result<Reading, ScoreError> {
        let input: EncodeInput = match second {
            None => first.into(),
            Some(second) => (first, second).into(),
        };
        let failed =
            |reason: tokenizers::Error| ScoreError::Tokenizer { row, reason: reason.to_string() };
        let encoding = self.tokenizer.encode_fast(input, true).map_err(failed)?;
        let wide = |ids: &[u32]| ids.iter().map(|&id| i64::from(id)).collect::<Vec<_>>();
        let tokens = wide(encoding.get_ids());
        let vocabulary = self.vocabulary;
        if tokens.is_empty() {
            return Err(ScoreError::Empty(row));
        }
        if let Some(&token) = tokens.iter().find(|token| **token >= vocabulary) {
            return Err(ScoreError::Token { row, token, vocabulary });
        }
        let Some(segments) = self.segments else {
            return Ok(Reading { segments: vec![0; tokens.len()], tokens });
        };
        let found = wide(encoding.get_type_ids());
        match found.iter().find(|segment| **segment >= segments) {
            Some(&segment) => Err(ScoreError::Segment { row, segment, segments }),
            None => Ok(Reading { tokens, segments: found }),
        }
    }
}

fn read_tokenizer(path: &Path) -> Result<Tokenizer, OpenError> {
    let unread = |source| OpenError::Read { path: path.to_owned(), source };
    let refused = |reason: String| OpenError::Tokenizer { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(MAX_TOKENIZER + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > MAX_TOKENIZER {
        return Err(refused(format!("it has more than {MAX_TOKENIZER} bytes")));
    }
    Tokenizer::from_bytes(bytes).map_err(|error| refused(error.to_string()))
}

/// What `tokenizer_config.json` says of reading, where it is there.
#[derive(Debug)]
struct Habits {
    longest: Option<i64>,
    direction: Option<TruncationDirection>,
    has_segments: bool,
}

impl Habits {
    fn read(folder: &Path) -> Result<Self, OpenError> {
        let path: PathBuf = folder.join("tokenizer_config.json");
        let mut object = Map::new();
        if path.exists() {
            let refused = |source| OpenError::Config { path: path.clone(), source };
            object = settings::parse(&read_text(&path)?).map_err(refused)?;
        }
        // Silence is written as 10^30.
        let longest = object.get("model_max_length").and_then(Value::as_f64);
        let longest = longest.filter(|it| (1.0..1e15).contains(it)).map(|it| it as i64);
        let direction = match object.get("truncation_side").and_then(Value::as_str) {
            Some("left") => Some(TruncationDirection::Left),
            Some("right") => Some(TruncationDirection::Right),
            _ => None,
        };
        let class = object.get("tokenizer_class").and_then(Value::as_str);
        let has_segments = match object.get("model_input_names").and_then(Value::as_array) {
            Some(names) => names.iter().any(|name| name.as_str() == Some("token_type_ids")),
            // Where nothing is said, the classes of BERT and DeBERTa give them, as every class did
            // in transformers 4; the one without a family in transformers 5 does not.
            None => class != Some("TokenizersBackend"),
        };
        Ok(Self { longest, direction, has_segments })
    }
}

#[cfg(test)]
mod tests {
    use super::Reading;

    #[test]
    fn the_score_is_read_before_padding() {
        let of =
            |tokens: &[i64]| Reading { tokens: tokens.to_vec(), segments: vec![0; tokens.len()] };
        assert_eq!(of(&[5, 0, 6, 0, 0]).before_padding(Some(0)), [5, 0, 6]);
        assert_eq!(of(&[5, 0]).before_padding(None), [5, 0]);
        assert_eq!(of(&[0, 0]).before_padding(Some(0)), [0]);
    }
}
