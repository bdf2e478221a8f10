//! A text as tokens, as `transformers`' fast tokenizers make them of `tokenizer.json`.
//!
//! The file's post-processor puts special tokens around one text and between two. Texts are cut to
//! what the model can read as `truncation=True` does (`longest_first`): tokens go from the longer
//! of the two, from its end, or from its beginning where `tokenizer_config.json` has
//! `truncation_side` `left`. A text that a chat template printed has its special tokens already, and gets no others.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::{
    Encoding, PostProcessor as _, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy, truncate_encodings,
};

use super::super::folder::{OpenError, read_text};
use super::super::settings;
use super::ScoreError;
use super::setup::Setup;
use crate::files::read_up_to;
use crate::text::{Around, MAX_TOKENIZER};

/// Text to tokens.
#[derive(Debug)]
pub(super) struct Reader {
    /// Without truncation of its own: it stops reading where enough tokens are there, and then does not
    /// know which of two texts is the longer one.
    tokenizer: Tokenizer,
    truncation: TruncationParams,
    /// The special token that is put before a text, to a decoder; encoders' texts come from no template.
    front: Option<u32>,
    is_decoder: bool,
    vocabulary: i64,
    /// How many segments are told apart; none where they are not looked at.
    segments: Option<i64>,
    /// Of the files that say how.
    digest: blake3::Hash,
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

    #[cfg(test)]
    pub(super) fn of_length(length: usize) -> Self {
        Self { tokens: vec![1; length], segments: vec![0; length] }
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
        let mut digest = blake3::Hasher::new();
        let mut tokenizer = read_tokenizer(&path, &mut digest)?;
        let habits = Habits::read(folder, &mut digest)?;
        let refused = |reason: String| OpenError::Tokenizer { path: path.clone(), reason };
        let direction = habits.direction.unwrap_or_else(|| {
            tokenizer.get_truncation().map_or(TruncationDirection::Right, |it| it.direction)
        });
        let longest = setup.longest().min(habits.longest.unwrap_or(i64::MAX));
        let max_length = usize::try_from(longest).unwrap_or(usize::MAX);
        let added = tokenizer
            .get_post_processor()
            .map_or(0, |it| it.added_tokens(true).max(it.added_tokens(false)));
        if max_length <= added {
            return Err(refused(format!(
                "it adds {added} tokens to two texts, and the model reads {longest}"
            )));
        }
        let strategy = TruncationStrategy::LongestFirst;
        let truncation = TruncationParams { direction, max_length, strategy, stride: 0 };
        tokenizer.with_truncation(None).map_err(|it| refused(it.to_string()))?;
        tokenizer.with_padding(None);
        let is_decoder = setup.is_decoder();
        let front = match is_decoder {
            true => front(&tokenizer).map_err(|it| refused(it.to_string()))?,
            false => None,
        };
        let segments = setup.segments().filter(|_| habits.has_segments);
        let (vocabulary, digest) = (setup.vocabulary(), digest.finalize());
        Ok(Self { tokenizer, truncation, front, is_decoder, vocabulary, segments, digest })
    }

    /// What the tokenizer writes for a token.
    pub(super) fn token(&self, id: i64) -> Option<String> {
        u32::try_from(id).ok().and_then(|id| self.tokenizer.id_to_token(id))
    }

    pub(super) fn digest(&self) -> &blake3::Hash {
        &self.digest
    }

    pub(super) fn read(
        &self,
        row: usize,
        first: &str,
        second: Option<&str>,
        around: Around,
    ) -> Result<Reading, ScoreError> {
        let encoding = self
            .encode(first, second, around)
            .map_err(|reason| ScoreError::Tokenizer { row, reason: reason.to_string() })?;
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

impl Reader {
    /// Whether a text has in front what the tokenizer would put there.
    fn has_its_specials(&self, text: &Encoding) -> bool {
        let (own, front) = (text.get_ids().first(), self.front);
        front.is_some() && own.copied() == front
    }

    /// With the special tokens that the tokenizer puts around one text and between two. Without them what a decoder reads that
    /// a chat template printed, with whatever special tokens its model was tuned on: as `apply_chat_template(tokenize=True)` and
    /// TRL's trainers read it, with `add_special_tokens=False`. Whoever does not say so (`around`) is asked by the text: one
    /// that begins with the first of these tokens was printed.
    fn encode(
        &self,
        first: &str,
        second: Option<&str>,
        around: Around,
    ) -> Result<Encoding, tokenizers::Error> {
        let plain = |text| self.tokenizer.encode_fast(text, false);
        let (first, mut second) = (plain(first)?, second.map(plain).transpose()?);
        if let Some(second) = &mut second {
            second.set_type_ids(vec![1; second.len()]);
        }
        let added = |it: &tokenizers::PostProcessorWrapper| it.added_tokens(second.is_some());
        let added = self.tokenizer.get_post_processor().map_or(0, added);
        // Opening saw to it that there is room.
        let max_length = self.truncation.max_length - added;
        let params = TruncationParams { max_length, ..self.truncation };
        let is_printed = self.is_decoder && around == Around::Nothing;
        if second.is_none() && (is_printed || self.has_its_specials(&first)) {
            return Ok(truncate_encodings(first, None, &self.truncation)?.0);
        }
        let (first, second) = truncate_encodings(first, second, &params)?;
        self.tokenizer.post_process(first, second, true)
    }
}

/// The special token that a tokenizer puts before a text, if it does.
fn front(tokenizer: &Tokenizer) -> Result<Option<u32>, tokenizers::Error> {
    let encoding = tokenizer.encode_fast("a", true)?;
    let is_added = encoding.get_special_tokens_mask().first() == Some(&1);
    Ok(encoding.get_ids().first().copied().filter(|_| is_added))
}

/// The token that the tokenizer of a folder pads with, if it names one.
pub(super) fn padding(folder: &Path) -> Result<Option<i64>, OpenError> {
    let mut digest = blake3::Hasher::new();
    let tokenizer = read_tokenizer(&folder.join("tokenizer.json"), &mut digest)?;
    let pad = Habits::read(folder, &mut digest)?.pad;
    Ok(pad.and_then(|pad| tokenizer.token_to_id(&pad)).map(i64::from))
}

fn read_tokenizer(path: &Path, digest: &mut blake3::Hasher) -> Result<Tokenizer, OpenError> {
    let unread = |source| OpenError::Read { path: path.to_owned(), source };
    let refused = |reason: String| OpenError::Tokenizer { path: path.to_owned(), reason };
    let bytes = read_up_to(path, MAX_TOKENIZER).map_err(unread)?;
    if bytes.len() as u64 > MAX_TOKENIZER {
        return Err(refused(format!("it has more than {MAX_TOKENIZER} bytes")));
    }
    digest.update(&bytes);
    Tokenizer::from_bytes(bytes).map_err(|error| refused(error.to_string()))
}

/// What `tokenizer_config.json` says of reading, where it is there.
#[derive(Debug)]
struct Habits {
    longest: Option<i64>,
    direction: Option<TruncationDirection>,
    has_segments: bool,
    pad: Option<String>,
}

impl Habits {
    fn read(folder: &Path, digest: &mut blake3::Hasher) -> Result<Self, OpenError> {
        let path: PathBuf = folder.join("tokenizer_config.json");
        let mut object = Map::new();
        if path.exists() {
            let refused = |source| OpenError::Config { path: path.clone(), source };
            let bytes = read_text(&path)?;
            digest.update(&bytes);
            object = settings::parse(&bytes).map_err(refused)?;
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
        // Written as itself, or as an object that says how it is found in a text.
        let pad = object.get("pad_token");
        let pad = pad.and_then(|pad| pad.get("content").unwrap_or(pad).as_str()).map(str::to_owned);
        Ok(Self { longest, direction, has_segments, pad })
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
