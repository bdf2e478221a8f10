//! Stop strings: a completion ends where the first of them does, however tokens cut it.
//!
//! A stop string may begin in one token and end in another, and a token may hold half a letter. So
//! what is searched is decoded text, as it grows: each new token adds the letters that are certain,
//! and half a letter waits for its other half. "First" is the one that is complete first; where two
//! are complete at the same letter, the longer one. The text then ends before it.

use super::tokenizer::{Shown, TextError, TextTokenizer};

/// How many tokens are decoded together at most before the older are dropped.
const WINDOW: usize = 16;

/// The texts that end a completion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopStrings(Vec<Pattern>);

/// One stop string and its failure function (Knuth, Morris, Pratt).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    bytes: Vec<u8>,
    /// For a prefix of each length, the longest shorter prefix that ends it.
    falls: Vec<usize>,
}

/// One completion that is watched.
#[derive(Debug, Clone)]
pub struct StopWatch<'a> {
    stops: &'a StopStrings,
    tokens: Vec<i64>,
    /// The bytes of the tokens' text that were searched already.
    searched: usize,
    /// The bytes of the whole completion that were.
    total: usize,
    /// How much of each pattern the text ends with.
    matched: Vec<usize>,
}

impl StopStrings {
    /// The given texts; empty ones are left out, as they would end every text at once.
    pub fn new<S: AsRef<str>>(stops: &[S]) -> Self {
        let texts = stops.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty());
        Self(texts.map(|text| Pattern::new(text.as_bytes())).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins to watch a completion.
    pub fn watch(&self) -> StopWatch<'_> {
        StopWatch {
            stops: self,
            tokens: Vec::new(),
            searched: 0,
            total: 0,
            matched: vec![0; self.0.len()],
        }
    }

    /// Where `text` ends by the same rule: the bytes before the first stop string.
    pub fn end_in(&self, text: &str) -> Option<usize> {
        self.watch().search(text)
    }
}

impl Pattern {
    fn new(bytes: &[u8]) -> Self {
        let mut falls = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes[at] != bytes[length] {
                length = falls[length - 1];
            }
            length += usize::from(bytes[at] == bytes[length]);
            falls[at] = length;
        }
        Self { bytes: bytes.to_vec(), falls }
    }

    /// The part that is matched after `byte`, from the part before; the whole is left by the caller.
    fn step(&self, mut matched: usize, byte: u8) -> usize {
        while matched > 0 && self.bytes[matched] != byte {
            matched = self.falls[matched - 1];
        }
        matched + usize::from(self.bytes[matched] == byte)
    }
}

impl StopWatch<'_> {
    /// Adds the next token. `Some(n)` if the completion ends with it: its text (special tokens left
    /// out) is the first `n` bytes. Not to be called again after that.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn push(
        &mut self,
        tokenizer: &TextTokenizer,
        token: i64,
    ) -> Result<Option<usize>, TextError> {
        if self.stops.is_empty() {
            return Ok(None);
        }
        self.tokens.push(token);
        let text = tokenizer.decode(&self.tokens, Shown::Skipped)?;
        let certain = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        // A decoder that rewrites what it said (none known does) would only delay the search.
        let new = certain.get(self.searched..).unwrap_or_default();
        if let Some(end) = self.search(new) {
            return Ok(Some(end));
        }
        self.searched = self.searched.max(certain.len());
        if self.tokens.len() >= WINDOW && certain.len() == text.len() {
            self.shorten(tokenizer)?;
        }
        Ok(None)
    }

    /// Keeps the last half of the window, if it is whole letters: some decoders treat the first
    /// token of a text in a way of its own, so the next is never decoded alone.
    fn shorten(&mut self, tokenizer: &TextTokenizer) -> Result<(), TextError> {
        let kept = &self.tokens[self.tokens.len() - WINDOW / 2..];
        let text = tokenizer.decode(kept, Shown::Skipped)?;
        if !text.contains(char::REPLACEMENT_CHARACTER) {
            self.searched = text.len();
            self.tokens = kept.to_vec();
        }
        Ok(())
    }

    fn search(&mut self, new: &str) -> Option<usize> {
        for byte in new.bytes() {
            self.total += 1;
            let mut found = None;
            for (pattern, matched) in self.stops.0.iter().zip(&mut self.matched) {
                *matched = pattern.step(*matched, byte);
                if *matched == pattern.bytes.len() {
                    found = found.max(Some(*matched));
                }
            }
            if let Some(length) = found {
                return Some(self.total - length);
            }
        }
        None
    }
}
