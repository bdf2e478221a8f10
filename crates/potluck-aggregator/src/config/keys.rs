//! The settings' file key by key, to tell in which of them two readings of it differ.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// What stands under each key, such as `http.burst`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keys(BTreeMap<String, Value>);

impl Keys {
    /// Of a text that was read as settings before: another has none.
    pub(super) fn of(text: &str) -> Self {
        let mut keys = BTreeMap::new();
        for (name, value) in text.parse::<Table>().unwrap_or_default() {
            match value {
                Value::Table(table) => {
                    let inner = table.into_iter();
                    keys.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
                }
                value => drop(keys.insert(name, value)),
            }
        }
        Self(keys)
    }

    /// The keys under which `other` has something else, or which only one of them has.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let all = self.0.keys().chain(other.0.keys().filter(|key| !self.0.contains_key(*key)));
        let mut changed: Vec<_> =
            all.filter(|key| self.0.get(*key) != other.0.get(*key)).cloned().collect();
        changed.sort();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_by_table_and_key() {
        let before = Keys::of("threads = 1\n[http]\nburst = 1\ncors = ['a']\n");
        let after =
            Keys::of("threads = 1\n[http]\nburst = 2\ncors = ['a']\n[hub]\ncache_bytes = 3\n");
        assert_eq!(before.changed(&after), ["http.burst", "hub.cache_bytes"]);
        assert_eq!(after.changed(&before), before.changed(&after));
        assert!(before.changed(&before.clone()).is_empty());
    }
}
