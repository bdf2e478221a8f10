//! Keys and values of a text so far, in pages of some tokens.
//!
//! ```text
//! page: for each layer, for each head of keys
//!     keys    head_width × 16   one number of sixteen tokens beside the other
//!     values  16 × head_width   filled up with zeros to whole vectors
//! ```
//! A page begins as zeros, so that what no token has filled adds nothing. Pages of a prompt are shared by
//! all texts that continue it.

use std::sync::Arc;

/// Tokens of a page.
pub(super) const TOKENS: usize = 16;

/// What pages look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
}

impl Format {
    /// The width of a row of values.
    pub(super) fn row(self) -> usize {
        self.width.next_multiple_of(TOKENS)
    }

    /// Numbers of one head of keys and values.
    pub(super) fn head(self) -> usize {
        TOKENS * (self.width + self.row())
    }

    fn page(self) -> usize {
        self.layers * self.heads * self.head()
    }

    /// Where a head of a layer begins.
    pub(super) fn at(self, layer: usize, head: usize) -> usize {
        (layer * self.heads + head) * self.head()
    }
}

/// Pages, and how many tokens there is room for in use.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: Vec<Box<[f32]>>,
    length: usize,
}

/// A text: what it shares with others, and its own.
#[derive(Debug)]
pub(super) struct Cache {
    before: Arc<Pages>,
    own: Pages,
}

impl Cache {
    /// Of a text that begins as `before`.
    pub(super) fn after(before: Arc<Pages>) -> Self {
        Self { before, own: Pages::default() }
    }

    /// How many tokens it has.
    pub(super) fn length(&self) -> usize {
        self.before.length + self.own.length
    }

    /// Makes room for tokens, which count from now on.
    pub(super) fn grow(&mut self, tokens: usize, format: Format) {
        self.own.length += tokens;
        let pages = self.own.length.div_ceil(TOKENS);
        self.own.pages.resize_with(pages, || vec![0.0; format.page()].into_boxed_slice());
    }

    /// What is its own, for others to share. Nothing was shared with it.
    pub(super) fn into_own(self) -> Pages {
        debug_assert_eq!(self.before.length, 0);
        self.own
    }

    /// Writes the keys and values of a head of the token at `position`, which is its own.
    pub(super) fn write(
        &mut self,
        position: usize,
        (layer, head): (usize, usize),
        [key, value]: [&[f32]; 2],
        format: Format,
    ) {
        let place = position - self.before.length;
        let page = &mut self.own.pages[place / TOKENS][format.at(layer, head)..][..format.head()];
        let (keys, values) = page.split_at_mut(TOKENS * format.width);
        let place = place % TOKENS;
        for (keys, number) in keys.chunks_exact_mut(TOKENS).zip(key) {
            keys[place] = *number;
        }
        values[place * format.row()..][..value.len()].copy_from_slice(value);
    }

    /// Pages, the position of each one's first token, and how many tokens it has, in order.
    #[inline(always)]
    pub(super) fn pages(&self) -> impl Iterator<Item = (&[f32], usize, usize)> {
        let of = |pages: &'_ Pages, from: usize| {
            let length = pages.length;
            let each = move |(number, page)| -> (&[f32], usize, usize) {
                let first = number * TOKENS;
                (page, from + first, TOKENS.min(length - first))
            };
            (each, length)
        };
        let (before, length) = of(&self.before, 0);
        let (own, _) = of(&self.own, length);
        let shared = self.before.pages.iter().map(|page| &**page).enumerate().map(before);
        shared.chain(self.own.pages.iter().map(|page| &**page).enumerate().map(own))
    }
}
