//! The walls around heavy or speaking dependencies: libtorch stands in the trainers alone, the
//! network never does, and a plain `cargo build` needs no libtorch.

use super::metadata::Graph;

/// The trainer, and what stands on it: the only crates that know libtorch, and such that cannot speak.
const TRAINERS: [&str; 3] = ["potluck-train", "potluck-study", "potluck-locomotion"];

/// What is libtorch.
const TORCH: [&str; 2] = ["tch", "torch-sys"];

/// What opens sockets, or exists to be used with them.
const NETWORK: [&str; 17] = [
    "axum",
    "curl",
    "h2",
    "hf-hub",
    "hyper",
    "mio",
    "native-tls",
    "openssl",
    "quinn",
    "quinn-proto",
    "quinn-udp",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tungstenite",
    "ureq",
];

/// What only [`SPEAKERS`] may name in their manifests.
const ASYNC_STACK: [&str; 4] = ["quinn", "quinn-proto", "rustls", "tokio"];

/// The crates that await: the network, the two programs on it, and the hostile client of the stories.
const SPEAKERS: [&str; 4] = ["potluck", "potluck-aggregator", "potluck-net", "potluck-tests"];

/// The crates whose answers depend on their arguments alone; their `.clippy.toml` bans the calls
/// of the standard library that would break it.
const PURE: [&str; 4] = ["potluck-bargain", "potluck-core", "potluck-log", "potluck-wire"];

/// Sources of randomness.
const RANDOMNESS: [&str; 3] = ["fastrand", "getrandom", "rand"];

/// HTTP, which only the two programs may name.
const HTTP: [&str; 5] = ["axum", "h2", "hyper", "reqwest", "ureq"];

/// The crates that speak HTTP.
const HTTP_SPEAKERS: [&str; 2] = ["potluck", "potluck-aggregator"];

/// One line for each hole in a wall.
pub(super) fn breaches(graph: &Graph) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, member) in &graph.members {
        let reachable = graph.reachable(member);
        let forbidden: &[&str] = if TRAINERS.contains(&name.as_str()) { &NETWORK } else { &TORCH };
        let holes = forbidden.iter().filter(|it| reachable.contains(*it));
        breaches.extend(holes.map(|it| format!("{name} must not be built from {it}")));

        let mut must_not_name = |stack: &[&str]| {
            let holes = stack.iter().filter(|it| member.dependencies.contains(**it));
            breaches.extend(holes.map(|it| format!("{name} must not name {it}")));
        };
        let name = name.as_str();
        if !SPEAKERS.contains(&name) {
            must_not_name(&ASYNC_STACK);
        }
        if !HTTP_SPEAKERS.contains(&name) {
            must_not_name(&HTTP);
        }
        if PURE.contains(&name) {
            must_not_name(&RANDOMNESS);
        }
    }
    for name in TRAINERS.iter().filter(|name| graph.default_members.contains(**name)) {
        breaches.push(format!("{name} must not be a default member"));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::super::metadata::sketch;
    use super::*;

    #[test]
    fn walls_that_stand_are_not_reported() {
        let graph = sketch(
            &["potluck-net: tokio quinn", "potluck-train: tch", "(tch): torch-sys"],
            &["potluck-net"],
        );
        assert_eq!(breaches(&graph), Vec::<String>::new());
    }

    #[test]
    fn libtorch_behind_a_dependency_is_found() {
        let graph = sketch(&["potluck-soup: inner", "(inner): torch-sys"], &[]);
        assert!(breaches(&graph).contains(&"potluck-soup must not be built from torch-sys".into()));
    }

    #[test]
    fn the_trainer_neither_speaks_nor_is_built_by_default() {
        let graph = sketch(&["potluck-train: hub", "(hub): ureq"], &["potluck-train"]);
        let breaches = breaches(&graph);
        assert!(breaches.contains(&"potluck-train must not be built from ureq".into()));
        assert!(breaches.contains(&"potluck-train must not be a default member".into()));
    }

    #[test]
    fn a_pure_crate_draws_no_lots() {
        let graph = sketch(&["potluck-core: rand", "potluck-soup: rand"], &[]);
        assert_eq!(breaches(&graph), ["potluck-core must not name rand"]);
    }

    #[test]
    fn only_speakers_name_the_async_stack() {
        let graph = sketch(&["potluck-wire: tokio", "potluck-net: tokio hyper"], &[]);
        let expected = ["potluck-net must not name hyper", "potluck-wire must not name tokio"];
        assert_eq!(breaches(&graph), expected);
    }
}
