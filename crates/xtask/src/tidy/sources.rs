//! Rules for single source files: no `mod.rs`, a header in each, nothing left undone.
//!
//! [`load`] reads each of our Rust files once; the list goes on to [`breaches`] and, for the
//! measures, to [`super::report`].

use std::fs;

use anyhow::{Context, Result};

use super::places::repository_files;
use super::scan;
use crate::toolchain::root;

/// Macros that stand for missing work.
const UNDONE: [&str; 2] = ["todo!", "unimplemented!"];

/// One Rust file.
pub(super) struct Source {
    /// From the repository's root.
    pub(super) path: String,
    /// As it is on disk.
    pub(super) text: String,
    /// The same length and lines, with comments and literals blanked out.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let code = scan::blank_out(&text);
        Self { path, text, code }
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        let in_tests = |part: &str| part == "tests" || part == "tests.rs" || part == "benches";
        self.path.split('/').any(in_tests)
    }
}

/// Reads every Rust file that git tracks or would add.
///
/// # Errors
/// When git cannot be asked, or a file cannot be read.
pub(super) fn load() -> Result<Vec<Source>> {
    let paths = repository_files()?.into_iter().filter(|path| path.ends_with(".rs"));
    let mut sources = Vec::new();
    // A file that is deleted but still in git's index is gone for us.
    for path in paths.filter(|path| root().join(path).exists()) {
        let text = fs::read_to_string(root().join(&path)).with_context(|| path.clone())?;
        sources.push(Source::new(path, text));
    }
    Ok(sources)
}

/// One line for each broken rule.
pub(super) fn breaches(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(breaches_in).collect()
}

fn breaches_in(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut breaches = Vec::new();
    if path.rsplit('/').next() == Some("mod.rs") {
        breaches.push(format!("{path}: write foo.rs beside foo/, not foo/mod.rs"));
    }
    // `foo/tests.rs` is the last page of `foo.rs`, whose header speaks for it.
    let is_last_page = path.ends_with("/tests.rs");
    if !is_last_page && !source.text.trim_start().starts_with("//!") {
        breaches.push(format!("{path}: begins without a //! header"));
    }
    for (number, line) in source.code.lines().enumerate() {
        let undone = UNDONE.iter().filter(|it| line.contains(*it));
        breaches.extend(undone.map(|it| format!("{path}:{}: {it} is left", number + 1)));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches_of(path: &str, text: &str) -> Vec<String> {
        breaches(&[Source::new(path.into(), text.into())])
    }

    #[test]
    fn each_rule_names_file_and_line() {
        assert_eq!(breaches_of("a.rs", "//! For a.\nfn a() {}\n"), Vec::<String>::new());
        assert_eq!(
            breaches_of("a/mod.rs", "//! For a.\n"),
            ["a/mod.rs: write foo.rs beside foo/, not foo/mod.rs"]
        );
        assert_eq!(breaches_of("a.rs", "fn a() {}\n"), ["a.rs: begins without a //! header"]);
        assert_eq!(breaches_of("a/tests.rs", "use super::*;\n"), Vec::<String>::new());
        let undone = "//! For a.\nfn a() {\n    todo!()\n}\n";
        assert_eq!(breaches_of("a.rs", undone), ["a.rs:3: todo! is left"]);
    }

    #[test]
    fn words_in_comments_and_strings_are_no_breach() {
        let text = "//! No todo!() here.\nconst A: &str = \"unimplemented!\";\n";
        assert_eq!(breaches_of("a.rs", text), Vec::<String>::new());
    }
}
