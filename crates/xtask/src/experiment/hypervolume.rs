//! Hypervolume: how much of the space above a reference point is dominated by some points; exact.
//!
//! By slices: points are sorted by their last coordinate, and between two neighbours the volume is that of the
//! points above, one dimension lower, times the distance. Exponential in the number of rewards, which is four
//! at most, and fine for some dozens of points.

/// The volume above `reference` that `points` dominate; more is better in every coordinate.
pub(crate) fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let above: Vec<&[f64]> = points
        .iter()
        .map(Vec::as_slice)
        .filter(|point| point.iter().zip(reference).all(|(x, r)| x > r))
        .collect();
    if above.is_empty() { 0.0 } else { volume(above, reference) }
}

/// Of at least one point.
fn volume(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let Some((&least, others)) = reference.split_last() else { return 1.0 };
    if points.is_empty() {
        return 0.0;
    }
    let last = others.len();
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    if others.is_empty() {
        return points.first().map_or(0.0, |best| best[0] - least);
    }
    let heights = points.iter().map(|point| point[last]).skip(1).chain([least]);
    heights
        .enumerate()
        .map(|(place, next)| {
            let slab = points[place][last] - next;
            if slab > 0.0 { slab * volume(points[..=place].to_vec(), others) } else { 0.0 }
        })
        .sum()
}
