//! The readers of a checkpoint's files.

mod header;
mod index;
mod adapter_config;
#[path = "../presentable.rs"]
mod presentable;

pub use adapter_config::adapter_config;
pub use header::header;
pub use index::index;
use presentable::is_presentable;
