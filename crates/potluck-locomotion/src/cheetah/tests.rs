use super::*;

fn begun(seed: u64) -> Cheetah {
    let mut cheetah = Cheetah::new();
    cheetah.begin(&mut Stream::of("test", &[seed]));
    cheetah
}

#[test]
fn it_has_what_the_policy_expects() {
    let cheetah = Cheetah::new();
    assert_eq!((cheetah.observations(), cheetah.actions()), (17, 6));
    assert_eq!(cheetah.bones().len(), 8);
    let Bone { ends: [tail, head], radius } = cheetah.bones()[0];
    assert!(((head[0] - tail[0]).abs() - 1.0).abs() < 1e-9, "the trunk is a metre long");
    assert!((radius - 0.045).abs() < 1e-12);
}

#[test]
fn at_rest_it_stands() {
    let mut cheetah = Cheetah::new();
    for _ in 0..200 {
        cheetah.act(&[0.0; 6]);
    }
    let (place, moved) = (cheetah.distance(), cheetah.act(&[0.0; 6]));
    assert!(!moved.is_fallen && !moved.is_broken);
    assert!(moved.velocity.abs() < 1e-3 && moved.effort == 0.0, "{moved:?}");
    assert!(place.abs() < 0.3, "{place}");
    assert!(cheetah.bones()[0].ends[0][1] > 0.3, "it stands on its legs");
}

#[test]
fn in_free_fall_it_falls_as_everything_does() {
    let mut cheetah = Cheetah::new();
    cheetah.data.qpos_mut()[1] += 50.0;
    cheetah.data.forward();
    let mass = model().totalmass();
    let energy = |cheetah: &mut Cheetah| {
        cheetah.data.energy_pos();
        cheetah.data.energy_vel();
        cheetah.data.energy().iter().sum::<f64>()
    };
    let first = energy(&mut cheetah);
    let centre = |cheetah: &Cheetah| cheetah.data.subtree_com()[1][2];
    let begin = centre(&cheetah);
    (0..100).for_each(|_| cheetah.data.step());
    cheetah.data.forward();
    // One second: half of g, up to the integrator's step.
    let fallen = begin - centre(&cheetah);
    assert!((fallen - 9.81 / 2.0).abs() < 0.1, "{fallen}");
    // Joints are damped and at rest: nothing is gained, and little is lost.
    let change = (energy(&mut cheetah) - first) / (mass * 9.81 * fallen);
    assert!(change.abs() < 0.02, "{change}");
}

#[test]
fn the_same_actions_from_the_same_beginning_give_the_same_bits() {
    let run = |seed| {
        let (mut cheetah, mut stream) = (begun(seed), Stream::of("actions", &[]));
        let mut trace = Vec::new();
        for _ in 0..100 {
            let action: Vec<f64> = (0..6).map(|_| stream.normal()).collect();
            trace.push(cheetah.act(&action).velocity.to_bits());
        }
        trace
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn actions_are_clamped_and_one_that_is_none_does_nothing() {
    let (mut once, mut twice) = (begun(3), begun(3));
    let wild = once.act(&[1.0, -1.0, 0.0, 1.0, 1.0, 1.0]);
    let same = twice.act(&[7.0, -9.0, f64::NAN, 1.0, 2.0, f64::INFINITY]);
    assert_eq!((wild, wild.effort), (same, 5.0));
}

#[test]
fn on_its_back_it_has_fallen() {
    let mut cheetah = Cheetah::new();
    cheetah.data.qpos_mut()[1] += 1.0;
    cheetah.data.qpos_mut()[PITCH] = 3.0;
    assert!(cheetah.act(&[0.0; 6]).is_fallen);
}
