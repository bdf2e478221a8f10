//! `--report`: the measures of the house style. They inform; none of them fails the check.

use super::scan;
use super::sources::Source;

/// What begins a public item, field or method.
const PUBLIC: &str = "pub ";

/// Prints one line a measure, each with its aim.
pub(super) fn print(sources: &[Source]) {
    println!("{}", Measures::take(sources).shown());
}

/// The sums over all sources.
#[derive(Default)]
struct Measures {
    /// Lengths of functions outside tests, in lines.
    functions: Vec<usize>,
    /// Lengths of files before their tests, in lines.
    files: Vec<usize>,
    /// Public items, and how many of them carry a doc comment.
    public: usize,
    documented: usize,
    /// Calls of `unwrap` and `expect` outside tests.
    unwraps: usize,
    /// Lines that are not empty, outside and inside tests.
    code_lines: usize,
    test_lines: usize,
}

impl Measures {
    fn take(sources: &[Source]) -> Self {
        let mut sum = Self::default();
        for source in sources {
            sum.add(source);
        }
        sum.functions.sort_unstable();
        sum.files.sort_unstable();
        sum
    }

    fn add(&mut self, source: &Source) {
        let border = if source.is_test() { 0 } else { scan::lines_before_tests(&source.code) };
        let full = |lines: &[&str]| lines.iter().filter(|line| !line.trim().is_empty()).count();
        let text: Vec<&str> = source.text.lines().collect();
        let code: Vec<&str> = source.code.lines().take(border).collect();
        self.code_lines += full(&text[..border]);
        self.test_lines += full(&text[border..]);
        if border == 0 {
            return;
        }
        self.files.push(border);
        let measured = scan::functions(&source.code).into_iter();
        self.functions.extend(measured.filter(|it| it.first_line < border).map(|it| it.lines));
        let calls =
            |line: &&str| line.matches(".unwrap()").count() + line.matches(".expect(").count();
        self.unwraps += code.iter().map(calls).sum::<usize>();
        for (at, _) in code.iter().enumerate().filter(|(_, line)| is_public_item(line)) {
            self.public += 1;
            self.documented += usize::from(has_docs(&text[..at]));
        }
    }

    fn shown(&self) -> String {
        let per_thousand = 1000.0 * ratio(self.unwraps, self.code_lines);
        [
            format!(
                "function length, p95      {:>6} lines  (aim: at most 45)",
                p95(&self.functions)
            ),
            format!("file length, p95          {:>6} lines  (aim: at most 450)", p95(&self.files)),
            format!(
                "public items documented   {:>6.1} %      (aim: at least 95)",
                100.0 * ratio(self.documented, self.public)
            ),
            format!("unwrap, expect per 1000   {per_thousand:>6.2}        (aim: at most 3)"),
            format!(
                "test lines to code lines  {:>6.2}        (aim: about 1; {} to {})",
                ratio(self.test_lines, self.code_lines),
                self.test_lines,
                self.code_lines
            ),
        ]
        .join("\n")
    }
}

/// Whether a line declares something public; a re-export has its docs elsewhere.
fn is_public_item(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(PUBLIC) && !line.starts_with("pub use ") && !line.starts_with("pub mod ")
}

/// Whether a doc comment ends just above, attributes aside.
fn has_docs(above: &[&str]) -> bool {
    let mut lines = above.iter().rev().map(|line| line.trim());
    while let Some(line) = lines.next() {
        let ends_attribute = line.starts_with("#[") || line.ends_with(")]");
        if !ends_attribute {
            return line.starts_with("///");
        }
        if !line.starts_with("#[") {
            // An attribute over several lines.
            lines.by_ref().find(|line| line.starts_with("#["));
        }
    }
    false
}

/// The value that 95 in 100 do not exceed; 0 when there is none. Wants sorted values.
fn p95(sorted: &[usize]) -> usize {
    sorted.get((sorted.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0)
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_split_code_from_tests() {
        let text = "//! For a.\n\n/// One.\n#[derive(A)]\npub struct A {\n    pub b: u8,\n}\n\n\
                    fn f() {\n    g().unwrap();\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let whole = "//! Tests.\nfn t() {}\n";
        let sources = [("a.rs", text), ("tests/it/b.rs", whole)]
            .map(|(path, text)| Source::new(path.into(), text.into()));
        let sum = Measures::take(&sources);
        assert_eq!((sum.public, sum.documented, sum.unwraps), (2, 1, 1));
        assert_eq!((sum.functions, sum.files), (vec![3], vec![12]));
        assert_eq!((sum.code_lines, sum.test_lines), (9, 6));
    }

    #[test]
    fn attributes_may_stand_between_docs_and_item() {
        assert!(has_docs(&["/// A.", "#[derive(B)]", "#[arg(", "    long,", ")]"]));
        assert!(!has_docs(&["/// A.", "pub a: u8,"]));
        assert!(!has_docs(&["#[derive(B)]"]));
    }

    #[test]
    fn the_percentile_counts_from_below() {
        assert_eq!(p95(&[]), 0);
        assert_eq!(p95(&[7]), 7);
        assert_eq!(p95(&(1..=100).collect::<Vec<_>>()), 95);
    }
}
