//! What is said of a soup once it is there.

use std::path::Path;

use potluck_core::{Blake3, Lambda, Sha256};
use potluck_soup::blend::Made;
use serde_json::{Value, json};

use super::experts::Experts;
use super::make::Cooked;
use crate::output::{Output, bytes};

/// A soup that was made.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Where it is; nowhere where only digests were asked for.
    pub(crate) out: Option<&'a Path>,
    /// λ, zeros included.
    pub(crate) lambda: &'a Lambda,
    /// Who takes part.
    pub(crate) experts: &'a Experts,
    /// The digest of its recipe, where the inputs were hashed.
    pub(crate) recipe: Option<Blake3>,
    /// Its files.
    pub(crate) cooked: &'a Cooked,
}

impl Report<'_> {
    /// Lines for people, one object for scripts.
    pub(crate) fn print(&self, output: &Output) {
        let what = self.out.map_or("Not written".into(), |out| out.display().to_string());
        output.line(format!("{what}: the soup of {}.", self.lambda));
        for (name, made) in &self.cooked.files {
            self.print_file(name, made, output);
        }
        let seconds = self.cooked.time.as_secs_f64();
        output.line(format!(
            "{} in {seconds:.2} s, {:.1} GB/s read and written",
            bytes(self.cooked.size()),
            self.rate() / 1e9
        ));
        output.result(&self.as_json());
    }

    fn print_file(&self, name: &str, made: &Made, output: &Output) {
        if self.cooked.files.len() > 1 {
            output.line(format!("{name}, {}", bytes(made.size)));
        }
        if let Some(blake3) = made.blake3 {
            output.line(format!("BLAKE3  {blake3}"));
        }
        if let Some(sha256) = made.sha256 {
            output.line(format!("SHA-256 {sha256}"));
        }
    }

    /// Bytes of tensors read and of files written, or made, each second.
    fn rate(&self) -> f64 {
        let moved = self.experts.bytes() + self.cooked.size();
        moved as f64 / self.cooked.time.as_secs_f64().max(1e-9)
    }

    fn as_json(&self) -> Value {
        let file = |(name, made): &(String, Made)| json!({"path": name, "size": made.size, "blake3": made.blake3, "sha256": made.sha256});
        let files: Vec<_> = self.cooked.files.iter().map(file).collect();
        // The digests of the whole are those of its only file.
        let (blake3, sha256): (Option<Blake3>, Option<Sha256>) = match &*self.cooked.files {
            [(_, only)] => (only.blake3, only.sha256),
            _ => (None, None),
        };
        json!({
            "out": self.out, "lambda_ppm": self.lambda, "recipe": self.recipe,
            "blake3": blake3, "sha256": sha256, "size": self.cooked.size(), "files": files,
            "seconds": self.cooked.time.as_secs_f64(), "bytes_per_second": self.rate(),
        })
    }
}
