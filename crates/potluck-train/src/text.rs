//! Words: from a Hugging Face folder's own files to tokens and back, as `transformers` does it.
//!
//! ```text
//! tokenizer.json, tokenizer_config.json, ... -> TextTokenizer
//! chat_template.jinja + Conversation -> Rendered (text, what of it the assistant said) -> tokens
//! tokens of a completion -> StopStrings -> where the text ends
//! ```
//!
//! Nothing here computes with a model or draws a number, and rendering reads no clock: what a run
//! feeds its model is a function of folder, data and recipe. `tests/text` holds tokens, templates
//! and masks against those of `transformers` itself (tests/vectors/text/make.py).

mod folder;
mod specials;
mod tokenizer;
mod conversation;
mod template;
mod answers;
mod stops;

pub use answers::{Answers, Marked};
pub use conversation::{Conversation, Tools};
pub(crate) use folder::MAX_TOKENIZER;
pub use specials::Specials;
pub use stops::{StopStrings, StopWatch};
pub(crate) use template::TEMPLATES;
pub use template::{ChatTemplate, Date, Opening, Rendered, TemplateError};
pub use tokenizer::{Around, Places, Shown, TextError, TextTokenizer};
