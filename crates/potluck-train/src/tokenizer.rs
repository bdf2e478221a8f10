//! Text to tokens and back: byte-level BPE, learned from the news, kept as `tokenizer.json`.
//!
//! A prompt is `<|bos|> article <|summary|>`, and a summary ends with `<|eos|>`. Which tokens are
//! the special ones is part of the file. The tokenizer does not depend on a run's seed, so that
//! bases of different seeds have one shape.

use std::path::Path;

use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::{AddedToken, Tokenizer as Bpe, TokenizerBuilder};

use crate::bad_input::BadInput;
use crate::recipe::{News, TokenizerRecipe};
use crate::task::{NewsDesk, Split};

const SPECIAL: [&str; 4] = ["<|pad|>", "<|bos|>", "<|summary|>", "<|eos|>"];

/// The desk whose news the tokenizer is learned from; no other seed reaches it.
const LEARNING_SEED: u64 = 0x746f_6b65_6e73;

/// A tokenizer and its special tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    bpe: Bpe,
    special: SpecialTokens,
}

/// The tokens that no text contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills a row of a batch.
    pub pad: i64,
    /// Begins a document.
    pub bos: i64,
    /// Stands between article and summary.
    pub summary: i64,
    /// Ends a summary.
    pub eos: i64,
}

/// The tokenizer could not be learned, saved or applied.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer failed: {0}")]
pub struct TokenizerError(#[from] tokenizers::Error);

impl Tokenizer {
    /// Learns merges from the news until the vocabulary is full or every word is one token.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn learn(recipe: &TokenizerRecipe, news: &News) -> Result<Self, TokenizerError> {
        let desk = NewsDesk::news(LEARNING_SEED, news.disputed);
        let texts = (0..recipe.items).flat_map(|index| {
            let item = desk.item(Split::Train, index);
            [item.article().to_owned(), desk.reference(Split::Train, index, &item, 0, 0.0)]
        });
        Self::learn_from(recipe.vocabulary, texts)
    }

    /// Learns merges from any texts until there are `vocabulary` tokens or every word is one.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn learn_from(
        vocabulary: usize,
        texts: impl Iterator<Item = String> + Send,
    ) -> Result<Self, TokenizerError> {
        let byte_level = ByteLevel::new(true, false, true);
        let mut trainer = BpeTrainerBuilder::new()
            .vocab_size(vocabulary)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(SPECIAL.iter().map(|token| AddedToken::from(*token, true)).collect())
            .show_progress(false)
            .build();
        let mut learned = TokenizerBuilder::<
            BPE,
            tokenizers::NormalizerWrapper,
            ByteLevel,
            ByteLevel,
            ByteLevel,
        >::new()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(byte_level))
        .with_decoder(Some(byte_level))
        .build()?;
        learned.train(&mut trainer, texts)?;
        Self::parse(learned.to_string(true)?.as_bytes())
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`BadInput`] where the file is missing, malformed, or lacks one of our special tokens.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let bytes = std::fs::read(path).map_err(|error| BadInput::file(path, &error))?;
        Self::parse(&bytes).map_err(|error| BadInput::file(path, &error))
    }

    fn parse(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let bpe = Bpe::from_bytes(bytes)?;
        let id = |token: &str| {
            let id = bpe.token_to_id(token);
            id.map(i64::from)
                .ok_or_else(|| TokenizerError(format!("it lacks the token {token}").into()))
        };
        let [pad, bos, summary, eos] = SPECIAL;
        let special =
            SpecialTokens { pad: id(pad)?, bos: id(bos)?, summary: id(summary)?, eos: id(eos)? };
        Ok(Self { bpe, special })
    }

    /// The bytes of `tokenizer.json`.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        Ok(self.bpe.to_string(true)?)
    }

    /// The number of tokens, special ones included.
    pub fn vocabulary(&self) -> usize {
        self.bpe.get_vocab_size(true)
    }

    /// The special tokens.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// The tokens of `text`, no special one among them.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TokenizerError> {
        let encoding = self.bpe.encode_fast(text, false)?;
        Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
    }

    /// `<|bos|> article <|summary|>`.
    ///
    /// # Errors
    /// Where the `tokenizers` crate fails.
    pub fn prompt(&self, article: &str) -> Result<Vec<i64>, TokenizerError> {
        let mut tokens = vec![self.special.bos];
        tokens.extend(self.encode(article)?);
        tokens.push(self.special.summary);
        Ok(tokens)
    }

    /// The text of a completion that ended; `None` where it did not, or where a special token or
    /// broken UTF-8 stands in it.
    pub fn finished_text(&self, completion: &[i64]) -> Option<String> {
        let (&last, body) = completion.split_last()?;
        let SpecialTokens { pad, bos, summary, eos } = self.special;
        if last != eos || body.iter().any(|token| [pad, bos, summary, eos].contains(token)) {
            return None;
        }
        let text = self.text(body);
        (!text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
    }

    /// The text of any tokens, special ones left out; bytes that are no UTF-8 are replaced.
    pub fn text(&self, tokens: &[i64]) -> String {
        let ids: Vec<u32> = tokens.iter().filter_map(|&token| u32::try_from(token).ok()).collect();
        self.bpe.decode(&ids, true).unwrap_or_default().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn names_become_few_tokens_and_text_round_trips() {
        let recipe = Recipe::quick();
        let tokenizer = Tokenizer::learn(&recipe.tokenizer, &recipe.news).unwrap();
        for (word, most) in [(" Lima", 1), (" Bell", 1), (" floods", 1), (" May 12", 2)] {
            assert!(tokenizer.encode(word).unwrap().len() <= most, "{word}");
        }
        let text = "Bell met Kim in Lima on May 12.";
        let mut tokens = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.finished_text(&tokens), None, "it has no end");
        tokens.push(tokenizer.special().eos);
        assert_eq!(tokenizer.finished_text(&tokens).as_deref(), Some(text));
        assert_eq!(tokenizer.text(&tokenizer.encode("Žižek 漢").unwrap()), "Žižek 漢");
    }

    #[test]
    fn learning_twice_gives_one_tokenizer() {
        let recipe = Recipe::quick();
        let learn =
            || Tokenizer::learn(&recipe.tokenizer, &recipe.news).unwrap().to_json().unwrap();
        assert_eq!(learn(), learn());
    }
}
