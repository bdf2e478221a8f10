//! How one charter differs from another: every key, and what it means in words.

use std::collections::BTreeMap;

use potluck_core::Charter;
use serde_json::Value;

use super::check::meaning;
use crate::failure::Failure;

/// Line by line; nothing where they are the same.
///
/// Each key is listed, so that no change hides behind words that happen to stay the same.
pub(super) fn difference(old: &Charter, new: &Charter) -> Result<Vec<String>, Failure> {
    let (before, after) = (keys(old)?, keys(new)?);
    let mut lines = Vec::new();
    for (key, value) in &after {
        match before.get(key) {
            None => lines.push(format!("  {key} = {value} (new)")),
            Some(was) if was != value => lines.push(format!("  {key} = {value} (was {was})")),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    lines.extend(gone.map(|(key, was)| format!("  {key} is left out (was {was})")));
    let (old_words, new_words) = (meaning(old), meaning(new));
    lines.extend(old_words.iter().filter(|it| !new_words.contains(it)).map(|it| minus(it)));
    lines.extend(new_words.iter().filter(|it| !old_words.contains(it)).map(|it| plus(it)));
    Ok(lines)
}

fn minus(line: &str) -> String {
    format!("- {}", line.trim_start())
}

fn plus(line: &str) -> String {
    format!("+ {}", line.trim_start())
}

/// Every value by its path.
fn keys(charter: &Charter) -> Result<BTreeMap<String, Value>, Failure> {
    let mut found = BTreeMap::new();
    let value = serde_json::to_value(charter).map_err(Failure::system)?;
    flatten("", value, &mut found);
    Ok(found)
}

fn flatten(path: &str, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, value, found);
            }
        }
        value => {
            found.insert(path.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_what_it_means() {
        let charter = |text: &str| Charter::from_toml(text).unwrap();
        let old = charter(
            "name = 'news'\nrule = 'mean'\n[parties.a]\nweight = 1\n[parties.b]\nweight = 1\n",
        );
        let new = charter(
            "name = 'news'\nrule = 'ladder'\n[parties.a]\nweight = 2\n[parties.c]\nweight = 1\n[bargain]\n",
        );
        let lines = difference(&old, &new).unwrap();
        for line in [
            "  parties.a.weight = 2 (was 1)",
            "  parties.c.weight = 1 (new)",
            "  parties.b.weight is left out (was 1)",
            "  rule = \"ladder\" (was \"mean\")",
            "- a: weight 1 of 2, 50 %",
            "+ a: weight 2 of 3, 66.6666 %",
        ] {
            assert!(lines.iter().any(|it| it == line), "{line} is not in {lines:#?}");
        }
        assert!(lines.iter().any(|it| it.starts_with("  bargain.rule = \"nash\"")));
        assert!(difference(&old, &old).unwrap().is_empty());
    }
}
