//! Pareto fronts: which points nothing dominates, and how good a set of points is. All objectives are maximised.
//!
//! For people and plots, so in floats: nothing here decides. With normalised gains (no deal 0, one's own ideal 1) and
//! the reference 0, a hypervolume lies between 0 and 1 and can be compared between rounds.

/// A point by its objectives.
pub type Point = Vec<f64>;

/// Whether `a` is at least as good as `b` in everything and better in something.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    let mut pairs = a.iter().zip(b);
    pairs.all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
}

/// The points that no other dominates, by their indices. Of equal points the first stands.
pub fn non_dominated(points: &[Point]) -> Vec<usize> {
    let beaten = |index: usize| {
        points.iter().enumerate().any(|(other, point)| {
            dominates(point, &points[index]) || (other < index && *point == points[index])
        })
    };
    (0..points.len()).filter(|&index| !beaten(index)).collect()
}

/// The volume between `reference` and the points that are better than it in everything.
///
/// Exact, by WFG (While, Bradstreet and Barone, 2012), with a sweep in two dimensions. Points of other dimensions than the
/// reference's are not counted.
pub fn hypervolume(points: &[Point], reference: &[f64]) -> f64 {
    let above = |point: &&Point| {
        point.len() == reference.len() && point.iter().zip(reference).all(|(it, least)| it > least)
    };
    let moved: Vec<Point> = points
        .iter()
        .filter(above)
        .map(|point| point.iter().zip(reference).map(|(it, least)| it - least).collect())
        .collect();
    wfg(front(moved), reference.len())
}

/// Volume over the origin of points none of which dominates another.
fn wfg(mut points: Vec<Point>, dimensions: usize) -> f64 {
    match dimensions {
        0 => return 0.0,
        1 => return points.iter().map(|point| point[0]).fold(0.0, f64::max),
        2 => return sweep(points),
        _ => {}
    }
    // Worst in the last objective first: what follows then shadows more of it.
    points.sort_by(|a, b| a[dimensions - 1].total_cmp(&b[dimensions - 1]));
    let mut volume = 0.0;
    for (index, point) in points.iter().enumerate() {
        let box_of: f64 = point.iter().product();
        let shadows = points[index + 1..]
            .iter()
            .map(|other| other.iter().zip(point).map(|(other, own)| other.min(*own)).collect());
        volume += box_of - wfg(front(shadows.collect()), dimensions);
    }
    volume
}

fn front(points: Vec<Point>) -> Vec<Point> {
    non_dominated(&points).into_iter().map(|it| points[it].clone()).collect()
}

/// Two objectives: from the largest first one down, each adds a strip.
fn sweep(mut points: Vec<Point>) -> f64 {
    points.sort_by(|a, b| b[0].total_cmp(&a[0]));
    let (mut volume, mut height) = (0.0, 0.0);
    for point in points {
        volume += point[0] * (point[1] - height).max(0.0);
        height = point[1].max(height);
    }
    volume
}

/// IGD+ (Ishibuchi et al., 2015): from each point of a reference front the distance to the nearest point of ours, as far
/// as ours is worse; the mean. Zero where nothing of the reference is out of reach.
///
/// Returns `None` where either is empty.
pub fn igd_plus(points: &[Point], front: &[Point]) -> Option<f64> {
    let missing = |goal: &Point, point: &Point| -> f64 {
        goal.iter().zip(point).map(|(goal, it)| (goal - it).max(0.0).powi(2)).sum::<f64>().sqrt()
    };
    mean_of_nearest(points, front, missing)
}

/// By how much every point of ours must be raised so that they dominate the reference front (additive ε).
///
/// Returns `None` where either is empty.
pub fn additive_epsilon(points: &[Point], front: &[Point]) -> Option<f64> {
    if points.is_empty() {
        return None;
    }
    let gap = |goal: &Point, point: &Point| {
        goal.iter().zip(point).map(|(goal, it)| goal - it).fold(f64::NEG_INFINITY, f64::max)
    };
    let nearest = |goal| points.iter().map(|it| gap(goal, it)).fold(f64::INFINITY, f64::min);
    front.iter().map(nearest).reduce(f64::max)
}

fn mean_of_nearest(
    points: &[Point],
    front: &[Point],
    distance: impl Fn(&Point, &Point) -> f64,
) -> Option<f64> {
    if points.is_empty() || front.is_empty() {
        return None;
    }
    let nearest = |goal| points.iter().map(|it| distance(goal, it)).fold(f64::INFINITY, f64::min);
    Some(front.iter().map(nearest).sum::<f64>() / front.len() as f64)
}

/// How far a soup lies above the straight line between its experts, in one objective: R(θ_λ) − Σ λᵢR(θᵢ). Linear mode
/// connectivity holds where no soup lies below (Ramé et al., 2023).
pub fn chord_gap(lambda: &[f64], soup: f64, experts: &[f64]) -> f64 {
    soup - lambda.iter().zip(experts).map(|(share, expert)| share * expert).sum::<f64>()
}

#[cfg(test)]
mod tests;
