//! Which λ to evaluate first: the simplex lattice {N, 2} and its centroid (Scheffé, 1958).
//!
//! Vertices and midpoints of edges determine a quadratic in λ exactly; the centroid tests whether it is one. Of N
//! parties, N(N + 1)/2 + 1 candidates, to which come [`ADAPTIVE`] more that a model of the scores suggests
//! ([`crate::surrogate`]).

use crate::shares::Shares;

/// How many candidates are suggested after the first are scored.
pub const ADAPTIVE: usize = 4;

/// The largest number of parties for which a design is made: its candidates would be too many to score.
pub const MAX_PARTIES: usize = 16;

/// The first candidates of a round of `parties`: vertices, midpoints of edges, centroid. Nothing is twice in it.
///
/// Returns `None` for no parties, or more than [`MAX_PARTIES`].
pub fn lattice(parties: usize) -> Option<Vec<Shares>> {
    if !(1..=MAX_PARTIES).contains(&parties) {
        return None;
    }
    let all: Vec<_> = (0..parties).collect();
    let vertices = all.iter().map(|&it| evenly(parties, &[it]));
    let edges = pairs(parties).map(|(a, b)| evenly(parties, &[a, b]));
    // Of two parties the centroid is the midpoint, of one the vertex.
    let centroid = (parties > 2).then(|| evenly(parties, &all));
    vertices.chain(edges).chain(centroid).collect()
}

/// How many candidates a round of `parties` evaluates, the suggested ones included: 8, 11, 15, 20, 26 for two to six.
pub fn budget(parties: usize) -> usize {
    parties * (parties + 1) / 2 + 1 + ADAPTIVE
}

/// What the parties who were here before must score when `parties` become one more, the newcomer being the last: its
/// vertex, its edges, the new centroid. Everything else in [`lattice`] lies on the face that they have scored.
///
/// Returns `None` for more than [`MAX_PARTIES`].
pub fn joining(parties: usize) -> Option<Vec<Shares>> {
    let whole = lattice(parties + 1)?;
    let is_new = |it: &Shares| it.ppm().last().is_some_and(|&share| share > 0);
    Some(whole.into_iter().filter(is_new).collect())
}

/// Every pair of coordinates, ascending.
pub(crate) fn pairs(parties: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..parties).flat_map(move |a| (a + 1..parties).map(move |b| (a, b)))
}

/// Equal shares for these coordinates.
fn evenly(parties: usize, among: &[usize]) -> Option<Shares> {
    let mut weights = vec![0; parties];
    among.iter().for_each(|&it| weights[it] = 1);
    Shares::from_weights(&weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::MILLION;

    #[test]
    fn as_many_as_the_quadratic_has_terms_and_the_centroid() {
        let counts: Vec<_> = (1..=8).map(|it| lattice(it).unwrap().len()).collect();
        assert_eq!(counts, [1, 3, 7, 11, 16, 22, 29, 37]);
        assert_eq!((2..=8).map(budget).collect::<Vec<_>>(), [8, 11, 15, 20, 26, 33, 41]);
        assert_eq!((lattice(0), lattice(MAX_PARTIES + 1)), (None, None));
        for parties in 1..=MAX_PARTIES {
            let design = lattice(parties).unwrap();
            for (index, point) in design.iter().enumerate() {
                assert!(!design[..index].contains(point), "{parties}: {point:?}");
            }
        }
    }

    #[test]
    fn a_newcomer_costs_the_others_its_vertex_its_edges_and_the_centroid() {
        for parties in 2..8 {
            let new = joining(parties).unwrap();
            assert_eq!(new.len(), parties + 2);
            // What is left is what they have scored, but for the old centroid of their face.
            let old = lattice(parties).unwrap();
            let face = lattice(parties + 1).unwrap().into_iter().filter(|it| !new.contains(it));
            let face: Vec<_> =
                face.map(|it| Shares::new(it.ppm()[..parties].to_vec()).unwrap()).collect();
            assert!(face.iter().all(|it| old.contains(it)));
        }
        assert_eq!(joining(2).unwrap()[0].ppm(), [0, 0, MILLION]);
    }
}
