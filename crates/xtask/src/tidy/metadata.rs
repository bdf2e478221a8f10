//! What `cargo metadata` says, cut down to what the rules ask. Called by [`super::run`]; the
//! graph goes on to [`super::arrows`] and [`super::walls`].

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::toolchain::{bare_cargo, output_of};

/// The workspace and everything that it depends on.
pub(super) struct Graph {
    /// Our own packages, by name.
    pub(super) members: BTreeMap<String, Member>,
    /// What a plain `cargo build` builds, by name.
    pub(super) default_members: BTreeSet<String>,
    /// The licence of every package, by name and version; empty where none is stated.
    pub(super) licences: BTreeMap<String, String>,
    /// For each package id, the ids that its normal and build dependencies name.
    links: BTreeMap<String, Vec<String>>,
    /// Package names by id.
    names: BTreeMap<String, String>,
}

/// One of our packages.
pub(super) struct Member {
    id: String,
    /// The names of its direct dependencies of every kind (normal, build, development).
    pub(super) dependencies: BTreeSet<String>,
}

/// Asks cargo, with the lock file as it is.
///
/// # Errors
/// When cargo fails (a lock file that is not up to date, too), or answers in another shape.
pub(super) fn load() -> Result<Graph> {
    let text = output_of(bare_cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    Graph::parse(&text)
}

impl Graph {
    fn parse(text: &str) -> Result<Self> {
        let answer: Answer = serde_json::from_str(text).context("cannot read cargo's metadata")?;
        let names: BTreeMap<String, String> =
            answer.packages.iter().map(|it| (it.id.clone(), it.name.clone())).collect();
        let licences = answer.packages.iter().map(Package::licence).collect();
        let ours: BTreeSet<String> = answer.workspace_members.into_iter().collect();
        let member = |package: Package| {
            let dependencies = package.dependencies.into_iter().map(|it| it.name).collect();
            (package.name, Member { id: package.id, dependencies })
        };
        let ids = answer.workspace_default_members;
        Ok(Self {
            members: answer
                .packages
                .into_iter()
                .filter(|package| ours.contains(&package.id))
                .map(member)
                .collect(),
            default_members: ids.iter().filter_map(|id| names.get(id).cloned()).collect(),
            licences,
            links: answer.resolve.nodes.into_iter().map(Node::links).collect(),
            names,
        })
    }

    /// The names of all packages that `member` is built or linked from, itself included;
    /// development dependencies are left out.
    pub(super) fn reachable(&self, member: &Member) -> BTreeSet<&str> {
        let mut seen = BTreeSet::from([member.id.as_str()]);
        let mut open = vec![member.id.as_str()];
        while let Some(id) = open.pop() {
            for next in self.links.get(id).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.names.get(id).map(String::as_str)).collect()
    }
}

#[derive(Deserialize)]
struct Answer {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_default_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    dependencies: Vec<Dependency>,
}

impl Package {
    fn licence(&self) -> (String, String) {
        (format!("{} {}", self.name, self.version), self.license.clone().unwrap_or_default())
    }
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Link>,
}

impl Node {
    fn links(self) -> (String, Vec<String>) {
        let built = self.deps.into_iter().filter(|link| link.dep_kinds.iter().any(Kind::is_built));
        (self.id, built.map(|link| link.pkg).collect())
    }
}

#[derive(Deserialize)]
struct Link {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// Absent for a normal dependency, else `build` or `dev`.
    kind: Option<String>,
}

impl Kind {
    fn is_built(&self) -> bool {
        self.kind.as_deref() != Some("dev")
    }
}

/// A graph for tests: `name: dep dep` a line; a name that opens a line is a member of ours, unless
/// it stands in parentheses.
#[cfg(test)]
pub(super) fn sketch(lines: &[&str], default_members: &[&str]) -> Graph {
    let mut graph = Graph {
        members: BTreeMap::new(),
        default_members: default_members.iter().map(|it| it.to_string()).collect(),
        licences: BTreeMap::new(),
        links: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    for line in lines {
        let (head, rest) = line.split_once(':').expect("a colon stands after the name");
        let name = head.trim_matches(['(', ')']);
        let dependencies: Vec<String> = rest.split_whitespace().map(String::from).collect();
        for it in dependencies.iter().map(String::as_str).chain([name]) {
            graph.names.insert(it.into(), it.into());
        }
        graph.links.insert(name.into(), dependencies.clone());
        let dependencies = dependencies.into_iter().collect();
        if name != head {
            continue;
        }
        graph.members.insert(name.into(), Member { id: name.into(), dependencies });
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_dependencies_are_direct_but_not_reachable() {
        let text = r#"{
            "packages": [
                {"id": "a 1", "name": "a", "version": "1", "license": "MIT", "dependencies": [{"name": "b"}, {"name": "c"}]},
                {"id": "b 1", "name": "b", "version": "1", "license": null, "dependencies": [{"name": "d"}]},
                {"id": "c 1", "name": "c", "version": "1", "dependencies": []},
                {"id": "d 1", "name": "d", "version": "1", "dependencies": []}],
            "workspace_members": ["a 1"], "workspace_default_members": ["a 1"],
            "resolve": {"nodes": [
                {"id": "a 1", "deps": [
                    {"pkg": "b 1", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "b 1", "deps": [{"pkg": "d 1", "dep_kinds": [{"kind": "build"}]}]}]}
        }"#;
        let graph = Graph::parse(text).unwrap();
        assert_eq!((&*graph.licences["a 1"], &*graph.licences["b 1"]), ("MIT", ""));
        let member = &graph.members["a"];
        assert_eq!(member.dependencies, BTreeSet::from(["b".into(), "c".into()]));
        assert_eq!(graph.reachable(member), BTreeSet::from(["a", "b", "d"]));
        assert_eq!(graph.default_members, BTreeSet::from(["a".into()]));
    }
}
