//! What is said of soups once they are there.

use std::path::Path;

use potluck_core::{Blake3, Sha256};
use potluck_soup::blend::Made;
use potluck_soup::method::Weights;
use serde_json::{Value, json};

use super::card::Listed;
use super::make::Cooked;
use super::order::shown;
use crate::output::{Output, bytes};

/// A soup that was made.
#[derive(Debug)]
pub(crate) struct Soup {
    /// Its weights, zeros included.
    pub(crate) weights: Weights,
    /// By what method.
    pub(crate) arithmetic: &'static str,
    /// The digest of its recipe, where the inputs were hashed.
    pub(crate) recipe: Option<Blake3>,
    /// The bytes of tensors that were read for it.
    pub(crate) read: u64,
    /// Its files of weights.
    pub(crate) cooked: Cooked,
    /// The files beside them.
    pub(crate) others: Vec<Listed>,
}

/// Says what became of one soup.
pub(crate) fn one(soup: &Soup, out: Option<&Path>, output: &Output) {
    let what = out.map_or("Not written".into(), |out| out.display().to_string());
    output.line(format!("{what}: the soup of {} by {}.", shown(&soup.weights), soup.arithmetic));
    for (name, made) in &soup.cooked.files {
        soup.print_file(name, made, output);
    }
    soup.print_rate(output);
    let mut json = soup.as_json();
    json["out"] = json!(out);
    output.result(&json);
}

/// Says what became of many.
pub(crate) fn many(soups: &[Soup], out: Option<&Path>, output: &Output) {
    for soup in soups {
        let digest = match &*soup.cooked.files {
            [(_, only)] => only.blake3.map_or(String::new(), |it| format!("  BLAKE3 {it}")),
            _ => String::new(),
        };
        output.line(format!("{}{digest}", shown(&soup.weights)));
    }
    let size: u64 = soups.iter().map(|soup| soup.cooked.size()).sum();
    let seconds: f64 = soups.iter().map(|soup| soup.cooked.time.as_secs_f64()).sum();
    let where_to = out.map_or("not written".into(), |out| out.display().to_string());
    output.line(format!("{} soups, {} in {seconds:.2} s: {where_to}", soups.len(), bytes(size)));
    let soups: Vec<_> = soups.iter().map(Soup::as_json).collect();
    output.result(&json!({"out": out, "size": size, "seconds": seconds, "soups": soups}));
}

impl Soup {
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

    fn print_rate(&self, output: &Output) {
        output.line(format!(
            "{} in {:.2} s, {:.1} GB/s read and written",
            bytes(self.cooked.size()),
            self.cooked.time.as_secs_f64(),
            self.rate() / 1e9
        ));
    }

    /// Bytes of tensors read and of files made, each second.
    fn rate(&self) -> f64 {
        (self.read + self.cooked.size()) as f64 / self.cooked.time.as_secs_f64().max(1e-9)
    }

    fn as_json(&self) -> Value {
        let file = |path: &str, size: u64, blake3: Option<Blake3>, sha256: Option<Sha256>| json!({"path": path, "size": size, "blake3": blake3, "sha256": sha256});
        let weights = self.cooked.files.iter();
        let weights = weights.map(|(name, it)| file(name, it.size, it.blake3, it.sha256));
        let others = self.others.iter().map(|it| file(&it.path, it.size, it.blake3, it.sha256));
        // The digests of the whole are those of its only file.
        let (blake3, sha256) = match &*self.cooked.files {
            [(_, only)] => (only.blake3, only.sha256),
            _ => (None, None),
        };
        json!({
            "lambda_ppm": self.weights.ppm(), "method": self.arithmetic, "recipe": self.recipe,
            "blake3": blake3, "sha256": sha256, "size": self.cooked.size(),
            "files": weights.collect::<Vec<_>>(), "others": others.collect::<Vec<_>>(),
            "seconds": self.cooked.time.as_secs_f64(), "bytes_per_second": self.rate(),
        })
    }
}
