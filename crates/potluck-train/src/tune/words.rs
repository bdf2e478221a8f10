//! The words of a model folder: its tokenizer, and a recipe's stop strings.

use crate::hf::Folder;
use crate::text::{Shown, StopStrings, TextTokenizer};

use super::rollout::{Watch, Words};

/// A folder's tokenizer with stop strings.
#[derive(Debug)]
pub struct FolderWords {
    tokenizer: TextTokenizer,
    ends: Vec<i64>,
    stops: StopStrings,
}

impl FolderWords {
    /// Ends texts as `folder` says, and at `stops`.
    pub fn new(tokenizer: TextTokenizer, folder: &Folder, stops: &[String]) -> Self {
        let mut ends = folder.ends().to_vec();
        ends.extend(tokenizer.ends());
        ends.sort_unstable();
        ends.dedup();
        Self { tokenizer, ends, stops: StopStrings::new(stops) }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }
}

impl Words for FolderWords {
    fn text(&self, tokens: &[i64]) -> String {
        let body = match tokens.split_last() {
            Some((last, body)) if self.ends.contains(last) => body,
            _ => tokens,
        };
        // What cannot be decoded is scored as nothing written.
        let mut text = self.tokenizer.decode(body, Shown::Skipped).unwrap_or_default();
        if let Some(end) = self.stops.end_in(&text) {
            text.truncate(end);
        }
        text
    }

    fn ends(&self) -> &[i64] {
        &self.ends
    }

    fn watch(&self) -> Option<Watch<'_>> {
        if self.stops.is_empty() {
            return None;
        }
        let mut watch = self.stops.watch();
        Some(Box::new(move |token| {
            watch.push(&self.tokenizer, token).is_ok_and(|end| end.is_some())
        }))
    }
}
