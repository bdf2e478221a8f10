//! Numbers on which moocore 0.3.2 and pymoo 0.6.2 agree: `tests/vectors/bargain/fronts.py` asks them again.

use proptest::prelude::*;

use super::*;

fn points(rows: &[&[f64]]) -> Vec<Point> {
    rows.iter().map(|row| row.to_vec()).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * b.abs().max(1.0)
}

#[test]
fn hypervolumes_that_others_computed() {
    let volume = |rows: &[&[f64]], reference: &[f64]| hypervolume(&points(rows), reference);
    assert!(close(volume(&[&[1.0, 0.1], &[0.7, 0.35], &[0.45, 0.5]], &[0.0; 2]), 0.3425));
    let two: [&[f64]; 5] = [&[0.2, 0.9], &[0.5, 0.7], &[0.7, 0.5], &[0.9, 0.2], &[0.4, 0.4]];
    assert!(close(volume(&two, &[0.0; 2]), 0.53));
    let three: [&[f64]; 5] =
        [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0], &[0.6; 3], &[0.8, 0.5, 0.3]];
    assert!(close(volume(&three, &[-0.1; 3]), 0.401));
    assert!(close(
        volume(&[&[1.0, 2.0, 3.0], &[2.0, 3.0, 1.0], &[3.0, 1.0, 2.0]], &[0.0; 3]),
        13.0
    ));
    let four: [&[f64]; 5] = [
        &[1.0, 2.0, 3.0, 4.0],
        &[2.0, 3.0, 4.0, 1.0],
        &[3.0, 4.0, 1.0, 2.0],
        &[4.0, 1.0, 2.0, 3.0],
        &[2.5; 4],
    ];
    assert!(close(volume(&four, &[0.0; 4]), 81.0625));
    let five: [&[f64]; 5] = [
        &[5.0, 4.0, 3.0, 2.0, 1.0],
        &[1.0, 2.0, 3.0, 4.0, 5.0],
        &[3.0; 5],
        &[4.0, 4.0, 2.0, 2.0, 2.0],
        &[2.0, 5.0, 1.0, 4.0, 3.0],
    ];
    assert!(close(volume(&five, &[0.0; 5]), 455.0));
    // Minimised (0, 1), (.5, .5), (1, 0) under (2, 2), turned round.
    let turned: [&[f64]; 3] = [&[0.0, -1.0], &[-0.5, -0.5], &[-1.0, 0.0]];
    assert!(close(volume(&turned, &[-2.0; 2]), 3.25));
    // Nothing better than the reference, and nothing at all.
    assert_eq!(volume(&[&[1.0, 0.0]], &[0.0; 2]), 0.0);
    assert_eq!(volume(&[], &[0.0; 3]), 0.0);
}

#[test]
fn distances_that_others_computed() {
    let ours = points(&[&[0.2, 0.9], &[0.5, 0.6], &[0.9, 0.2]]);
    let front = points(&[&[0.0, 1.0], &[0.25, 0.75], &[0.5, 0.5], &[0.75, 0.25], &[1.0, 0.0]]);
    assert!(close(igd_plus(&ours, &front).unwrap(), 0.06));
    let turn = |points: &[Point]| -> Vec<Point> {
        points.iter().map(|point| point.iter().map(|it| -it).collect()).collect()
    };
    assert!(close(igd_plus(&turn(&ours), &turn(&front)).unwrap(), 0.16));
    assert!(close(additive_epsilon(&turn(&ours), &turn(&front)).unwrap(), 0.2));
    assert_eq!((igd_plus(&[], &front), additive_epsilon(&ours, &[])), (None, None));
}

#[test]
fn a_soup_above_the_line_between_its_experts() {
    assert!(close(chord_gap(&[0.5, 0.5], 0.8, &[1.0, 0.2]), 0.2));
    assert!(close(chord_gap(&[1.0, 0.0], 1.0, &[1.0, 0.2]), 0.0));
}

fn cloud() -> impl Strategy<Value = Vec<Point>> {
    (1usize..5).prop_flat_map(|dimensions| {
        let point = prop::collection::vec(0u8..8, dimensions);
        let point = point.prop_map(|point| point.into_iter().map(f64::from).collect());
        prop::collection::vec(point, 0..7)
    })
}

/// Unit boxes counted one by one.
fn counted(points: &[Point], dimensions: usize) -> f64 {
    let cells = 8usize.pow(u32::try_from(dimensions).unwrap());
    let covered = (0..cells).filter(|cell| {
        let corner: Vec<f64> = (0..dimensions)
            .map(|it| (cell / 8usize.pow(u32::try_from(it).unwrap()) % 8) as f64 + 1.0)
            .collect();
        points.iter().any(|point| point.iter().zip(&corner).all(|(it, corner)| it >= corner))
    });
    covered.count() as f64
}

proptest! {
    #[test]
    fn a_hypervolume_is_the_volume(points in cloud()) {
        let dimensions = points.first().map_or(2, Vec::len);
        let volume = hypervolume(&points, &vec![0.0; dimensions]);
        prop_assert!(close(volume, counted(&points, dimensions)), "{volume}");
    }

    #[test]
    fn the_front_is_what_nothing_dominates(points in cloud()) {
        let kept = non_dominated(&points);
        for (index, point) in points.iter().enumerate() {
            let beaten = points.iter().any(|other| dominates(other, point));
            prop_assert!(!(kept.contains(&index) && beaten));
            // Whoever is out is dominated by, or equal to, one who is in.
            let covered = kept.iter().any(|&it| points[it] == *point || dominates(&points[it], point));
            prop_assert!(covered);
        }
    }
}
