//! Data sets: JSON lines, of the types that users of TRL know, to what a step of training takes.
//!
//! ```text
//! file -> records (one line in memory at a time) -> Kind, by the keys -> Prompt | Example | Pair
//! Items: shuffled by seed and epoch, so that number n of a run is known without any state
//! ```
//!
//! | keys of a line | kind |
//! |---|---|
//! | `prompt` | prompts |
//! | `prompt`, `completion` | prompts with answers |
//! | `messages` | conversations |
//! | `text` | plain text |
//! | `chosen`, `rejected`, with or without `prompt` | preference pairs |
//!
//! A prompt, completion or answer is a text, or a list of messages. All lines of a file are of one
//! kind and one form. What cannot be used is refused by file and line; nothing is dropped unsaid.

mod records;
mod kind;
mod order;
mod items;
mod prompts;
mod examples;
mod pairs;

pub use examples::{Example, Examples};
pub use items::{DataSettings, Items, Learned, TooLong};
pub use kind::{Form, Kind};
pub use order::Order;
pub use pairs::{Pair, Pairs};
pub use prompts::{Prompt, Prompts};
