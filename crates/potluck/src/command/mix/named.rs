//! The names of experts: declared, or taken from the paths that stand in λ.
//!
//! Names matter twice: λ speaks of them, and inputs are added up in their order. A path without a declared name gets
//! one of its own: that of its last part where it is one and nobody else has it, otherwise `p` and its place in λ.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use potluck_core::PartyId;
use potluck_soup::checkpoint::{ADAPTER_WEIGHTS, WEIGHTS};

use crate::failure::Failure;

/// Names with the paths that they stand for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Named(Vec<(PartyId, PathBuf)>);

impl Named {
    /// Reads `NAME=PATH` of each `--expert`.
    pub(crate) fn parse(flags: &[String]) -> Result<Self, Failure> {
        let mut named = Self::default();
        for flag in flags {
            let (name, path) = flag
                .split_once('=')
                .ok_or_else(|| Failure::input(format!("--expert '{flag}': write NAME=PATH")))?;
            let party: PartyId =
                name.parse().map_err(|error| Failure::input(format!("--expert: {error}")))?;
            if named.path(&party).is_some() {
                return Err(Failure::input(format!("--expert names {party} twice")));
            }
            named.0.push((party, PathBuf::from(path)));
        }
        Ok(named)
    }

    /// The path of that name.
    pub(crate) fn path(&self, party: &PartyId) -> Option<&Path> {
        self.0.iter().find(|(it, _)| it == party).map(|(_, path)| path.as_path())
    }

    /// The names in order of their declaration.
    pub(crate) fn parties(&self) -> impl Iterator<Item = &PartyId> {
        self.0.iter().map(|(party, _)| party)
    }

    /// Names for these paths, in order.
    pub(crate) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<_> = paths.into_iter().map(Some).collect();
        let names = Self::default().names_for(&paths);
        Self(names.into_iter().flatten().zip(paths.into_iter().flatten()).collect())
    }

    /// Gives names to the paths that stand in λ where nobody declared a name, and returns λ with those names.
    ///
    /// # Errors
    /// Where a key can only be a path, and nothing stands there.
    pub(crate) fn take_paths(&mut self, lambda: &str) -> Result<String, Failure> {
        let items: Vec<_> = lambda.split(',').map(|item| item.trim().rsplit_once('=')).collect();
        let paths: Vec<_> =
            items.iter().map(|item| item.and_then(|(key, _)| self.undeclared(key))).collect();
        let names = self.names_for(&paths);
        let mut text = Vec::new();
        for ((item, name), path) in lambda.split(',').zip(names).zip(paths) {
            match (name, path, item.rsplit_once('=')) {
                (Some(name), Some(path), Some((_, weight))) => {
                    text.push(format!("{name}={weight}"));
                    self.0.push((name, path));
                }
                (_, _, Some((key, _))) if key.contains(['/', '.']) => {
                    let key = key.trim();
                    return Err(Failure::input(format!(
                        "λ names {key}, where no file or folder is"
                    )));
                }
                _ => text.push(item.to_owned()),
            }
        }
        Ok(text.join(","))
    }

    /// Declared names and λ's are the same.
    pub(crate) fn check<'a>(
        &self,
        parties: impl Iterator<Item = &'a PartyId> + Clone,
    ) -> Result<(), Failure> {
        if let Some(unknown) = parties.clone().find(|party| self.path(party).is_none()) {
            return Err(Failure::input(format!("λ names {unknown}, which no --expert gives")));
        }
        match self.parties().find(|party| parties.clone().all(|it| it != *party)) {
            Some(unused) => {
                Err(Failure::input(format!("λ does not name {unused}; give it 0 to leave it out")))
            }
            None => Ok(()),
        }
    }

    /// The key as a path: where no expert has that name, and something stands there.
    fn undeclared(&self, key: &str) -> Option<PathBuf> {
        let is_declared = self.0.iter().any(|(party, _)| party.as_str() == key);
        (!is_declared && Path::new(key).exists()).then(|| PathBuf::from(key))
    }

    /// A name for each path, no two equal, none that an `--expert` has.
    fn names_for(&self, paths: &[Option<PathBuf>]) -> Vec<Option<PartyId>> {
        let own: Vec<_> = paths.iter().map(|path| path.as_deref().and_then(own_name)).collect();
        let is_unique = |name: &PartyId| {
            self.path(name).is_none() && own.iter().flatten().filter(|it| *it == name).count() == 1
        };
        let mut taken: BTreeSet<_> =
            own.iter().flatten().filter(|it| is_unique(it)).cloned().collect();
        let numbered = |place: usize, taken: &mut BTreeSet<PartyId>| {
            let mut names = (place..).filter_map(|number| format!("p{number}").parse().ok());
            let name = names.find(|it| self.path(it).is_none() && taken.insert(it.clone()));
            name.expect("there are more numbers than names")
        };
        let name = |(place, (path, own)): (usize, (&Option<PathBuf>, &Option<PartyId>))| {
            path.as_ref().map(|_| match own {
                Some(own) if is_unique(own) => own.clone(),
                _ => numbered(place + 1, &mut taken),
            })
        };
        paths.iter().zip(&own).enumerate().map(name).collect()
    }
}

/// What a path calls itself: its folder, or its file without the ending.
fn own_name(path: &Path) -> Option<PartyId> {
    let is_plain = |name: &str| name == WEIGHTS || name == ADAPTER_WEIGHTS;
    let path = match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if is_plain(name) => path.parent()?,
        _ => path,
    };
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".safetensors").unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(flags: &[&str]) -> Result<Named, Failure> {
        Named::parse(&flags.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn experts_and_lambda_name_the_same() {
        let parties: Vec<PartyId> = ["a", "b"].map(|it| it.parse().unwrap()).to_vec();
        let check = |flags: &[&str]| named(flags).and_then(|it| it.check(parties.iter()));
        assert_eq!(check(&["a=x", "b=y"]), Ok(()));
        let message = |flags: &[&str]| check(flags).unwrap_err().message().to_owned();
        assert_eq!(message(&["a=x"]), "λ names b, which no --expert gives");
        assert!(message(&["a=x", "b=y", "c=z"]).contains("λ does not name c"));
        assert!(message(&["a=x", "a=y"]).contains("twice"));
        assert!(message(&["a"]).contains("write NAME=PATH"));
    }

    #[test]
    fn paths_in_lambda_get_names() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path.display().to_string()
        };
        let (first, second) = (path("first/model.safetensors"), path("second.safetensors"));
        let mut found = Named::default();
        let text = found.take_paths(&format!("{first}=0.3, {second}=0.7")).unwrap();
        assert_eq!(text, "first=0.3,second=0.7");
        assert_eq!(found.path(&"second".parse().unwrap()), Some(Path::new(&second)));
        // Alike, or no name: numbered by place, past names that are taken.
        let (x, y, no_name) = (path("x/same"), path("y/same"), path("No Name"));
        let text = format!("p3=0.1,{x}=0.2,{y}=0.3,{no_name}=0.4");
        let text = named(&["p3=z"]).unwrap().take_paths(&text).unwrap();
        assert_eq!(text, "p3=0.1,p2=0.2,p4=0.3,p5=0.4");
        // What is neither stays as it is, for the reader of λ to refuse.
        assert_eq!(found.take_paths("No=0.5,x").unwrap(), "No=0.5,x");
        let failure = found.take_paths("nowhere/=0.5,x").unwrap_err();
        assert_eq!(failure.message(), "λ names nowhere/, where no file or folder is");
    }
}
