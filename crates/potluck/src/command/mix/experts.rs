//! Who takes part in a soup: experts by name or by path, each with its share, opened.
//!
//! Names matter twice: λ speaks of them, and inputs are added up in their order. A path in λ gets a name of its
//! own: that of its last part where it is one and nobody else has it, otherwise `p` and its place in λ.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use potluck_core::{Lambda, PartyId};
use potluck_soup::checkpoint::{ADAPTER_WEIGHTS, WEIGHTS};
use potluck_soup::{BlendError, Checkpoint};

use super::failure::blend_failure;
use crate::failure::Failure;

/// An expert that takes part.
#[derive(Debug)]
pub(crate) struct Expert {
    /// Its name in λ.
    pub(crate) party: PartyId,
    /// Its weights, their headers read.
    pub(crate) checkpoint: Checkpoint,
    /// Its share in parts per million, above zero.
    pub(crate) ppm: u32,
}

/// λ and the experts that it gives weight to, in ascending order of party.
#[derive(Debug)]
pub(crate) struct Experts {
    /// As it was agreed, zeros included.
    pub(crate) lambda: Lambda,
    /// Who takes part.
    pub(crate) active: Vec<Expert>,
}

impl Experts {
    /// Opens the experts that λ gives weight to.
    pub(crate) fn open(flags: &[String], lambda: &str) -> Result<Self, Failure> {
        let (lambda, named) = Named::parse(flags)?.with(lambda)?;
        let mut active = Vec::new();
        for (party, ppm) in lambda.active() {
            let Some(path) = named.path(party) else {
                return Err(Failure::input(format!("λ names {party}, which no --expert gives")));
            };
            let failed = |source| BlendError::Checkpoint { party: party.clone(), source };
            let checkpoint =
                Checkpoint::open(path).map_err(|error| blend_failure(&failed(error)))?;
            active.push(Expert { party: party.clone(), checkpoint, ppm });
        }
        Ok(Self { lambda, active })
    }

    /// As plans of soups ask for them.
    pub(crate) fn shares(&self) -> Vec<(PartyId, u32, &Checkpoint)> {
        self.active.iter().map(|it| (it.party.clone(), it.ppm, &it.checkpoint)).collect()
    }

    /// The bytes of all their tensors.
    pub(crate) fn bytes(&self) -> u64 {
        self.active.iter().map(|it| it.checkpoint.data_bytes()).sum()
    }
}

/// Names with the paths that they stand for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named(Vec<(PartyId, PathBuf)>);

impl Named {
    /// Reads `NAME=PATH` of each `--expert`.
    fn parse(flags: &[String]) -> Result<Self, Failure> {
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

    fn path(&self, party: &PartyId) -> Option<&Path> {
        self.0.iter().find(|(it, _)| it == party).map(|(_, path)| path.as_path())
    }

    /// Reads λ, in which paths may stand where nobody declared a name, and adds those with names of their own.
    fn with(mut self, lambda: &str) -> Result<(Lambda, Self), Failure> {
        let items: Vec<_> = lambda.split(',').map(|item| item.trim().rsplit_once('=')).collect();
        let paths: Vec<_> =
            items.iter().map(|item| item.and_then(|it| self.undeclared(it.0))).collect();
        let names = self.names_for(&paths);
        let mut text = Vec::new();
        for ((item, name), path) in lambda.split(',').zip(names).zip(paths) {
            match (name, path, item.rsplit_once('=')) {
                (Some(name), Some(path), Some((_, weight))) => {
                    text.push(format!("{name}={weight}"));
                    self.0.push((name, path));
                }
                _ => text.push(item.to_owned()),
            }
        }
        let lambda: Lambda = text.join(",").parse().map_err(Failure::input)?;
        if let Some(unknown) = lambda.ppm().keys().find(|party| self.path(party).is_none()) {
            return Err(Failure::input(format!("λ names {unknown}, which no --expert gives")));
        }
        if let Some((unused, _)) = self.0.iter().find(|(it, _)| !lambda.ppm().contains_key(it)) {
            return Err(Failure::input(format!(
                "λ does not name {unused}; give it 0 to leave it out"
            )));
        }
        Ok((lambda, self))
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

    fn parsed(flags: &[&str], lambda: &str) -> Result<(Lambda, Named), Failure> {
        let flags: Vec<_> = flags.iter().map(|it| (*it).to_owned()).collect();
        Named::parse(&flags)?.with(lambda)
    }

    #[test]
    fn experts_and_lambda_name_the_same() {
        let (lambda, named) = parsed(&["a=x", "b=y"], "a=1,b=0").unwrap();
        assert_eq!(lambda.to_string(), "a=1,b=0");
        assert_eq!(named.path(&"a".parse().unwrap()), Some(Path::new("x")));
        let message =
            |flags: &[&str], lambda: &str| parsed(flags, lambda).unwrap_err().message().to_owned();
        assert_eq!(message(&["a=x"], "a=1,b=0"), "λ names b, which no --expert gives");
        assert!(message(&["a=x", "b=y", "c=z"], "a=1,b=0").contains("λ does not name c"));
        assert!(message(&["a=x", "a=y"], "a=1").contains("twice"));
        assert!(message(&["a"], "a=1").contains("write NAME=PATH"));
        assert!(message(&["a=x"], "a=0.5").contains("sums to"));
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
        let (lambda, named) = parsed(&[], &format!("{first}=0.3, {second}=0.7")).unwrap();
        assert_eq!(lambda.to_string(), "first=0.3,second=0.7");
        assert_eq!(named.path(&"second".parse().unwrap()), Some(Path::new(&second)));
        // Alike, or no name: numbered by place, past names that are taken.
        let (x, y) = (path("x/same"), path("y/same"));
        let no_name = path("No Name");
        let text = format!("p3=0.1,{x}=0.2,{y}=0.3,{no_name}=0.4");
        let (lambda, _) = parsed(&["p3=z"], &text).unwrap();
        assert_eq!(lambda.to_string(), "p2=0.2,p3=0.1,p4=0.3,p5=0.4");
    }
}
