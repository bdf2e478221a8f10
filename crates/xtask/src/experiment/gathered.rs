//! `docs/results/README.md`: all studies in one table, from the results that lie beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The shapes that the table shows.
const KEYS: [&str; 9] = ["A", "B", "B share", "C", "D", "D equal", "E", "F", "G"];

/// Between these lines stands what is written here; all else on the page is left alone.
const MARKS: [&str; 2] = ["<!-- studies -->", "<!-- end of studies -->"];

/// Writes the table of every `*/result.json` in `folder` into its `README.md`.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn write(folder: &Path) -> Result<()> {
    let mut results = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path().join("result.json");
        if path.is_file() {
            let text = fs::read(&path)?;
            let result: Value = serde_json::from_slice(&text)
                .with_context(|| format!("{} is malformed", path.display()))?;
            results.push(result);
        }
    }
    results.sort_by_key(|result| result["study"].as_str().unwrap_or_default().to_owned());
    let path = folder.join("README.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, placed(&old, &table(&results)))?;
    Ok(())
}

/// The old page with the new table in its place; a page without one gets it at its end.
fn placed(old: &str, table: &str) -> String {
    let [begin, end] = MARKS;
    let whole = format!("{begin}\n{table}{end}");
    match (old.find(begin), old.find(end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{whole}{}", &old[..from], &old[to + end.len()..])
        }
        _ if old.is_empty() => format!("# Results\n\n{whole}\n"),
        _ => format!("{}\n\n{whole}\n", old.trim_end()),
    }
}

fn table(results: &[Value]) -> String {
    let mut text = format!(
        "\n| study | seeds | prompts or episodes | {} |\n|---|---|---|{}\n",
        KEYS.join(" | "),
        "---|".repeat(KEYS.len())
    );
    for result in results {
        let cells: Vec<String> = KEYS.iter().map(|key| cell(&result["shapes"][key])).collect();
        text += &format!(
            "| {} | {} | {} | {} |\n",
            link(result),
            result["seeds"].as_array().map_or(0, Vec::len),
            result["prompts"],
            cells.join(" | "),
        );
    }
    text += "\n";
    for key in KEYS {
        let says = results.iter().find_map(|result| result["shapes"][key]["says"].as_str());
        text += &says.map(|says| format!("- **{key}**: {says}\n")).unwrap_or_default();
    }
    text += "\n| study | here | the paper | its figures |\n|---|---|---|---|\n";
    for result in results {
        let of = |key: &str| result["about"][key].as_str().unwrap_or_default();
        text += &format!(
            "| {} | {} | {} | {} |\n",
            link(result),
            size(result),
            of("paper"),
            of("figures")
        );
    }
    text + "\n"
}

fn link(result: &Value) -> String {
    let name = result["study"].as_str().unwrap_or_default();
    format!("[{}]({name}/README.md)", result["about"]["title"].as_str().unwrap_or(name))
}

/// How large the model is, and how much of what was trained on.
fn size(result: &Value) -> String {
    let facts = &result["facts"][0];
    match (facts["parameters"].as_u64(), facts["steps"][1].as_u64()) {
        (Some(parameters), _) => {
            format!("a decoder of {parameters} weights, made and trained here")
        }
        (_, Some(steps)) => format!("two layers of 64, {steps} steps of an expert"),
        _ => String::new(),
    }
}

fn cell(shape: &Value) -> String {
    let sign = match shape["holds"].as_bool() {
        Some(true) => " ✓",
        Some(false) => " ✗",
        None => "",
    };
    shape["figure"]
        .as_f64()
        .map_or_else(|| format!("–{sign}"), |figure| format!("{figure:+.2}{sign}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_its_place_and_leaves_the_rest_alone() {
        let old = placed("# Mine\n\nwords\n", "| a |\n");
        assert!(old.starts_with("# Mine\n\nwords\n\n<!-- studies -->\n| a |\n"), "{old}");
        let new = placed(&format!("{old}more\n"), "| b |\n");
        assert!(
            new.contains("| b |") && !new.contains("| a |") && new.ends_with("more\n"),
            "{new}"
        );
        assert!(placed("", "| c |\n").starts_with("# Results"));
    }
}
