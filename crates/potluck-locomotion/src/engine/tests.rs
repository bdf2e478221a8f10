use super::*;
use crate::body::{BODIES, CHEETAH, HUMANOID};

fn begun(body: &'static Body, seed: u64) -> Runner {
    let mut runner = Runner::new(body);
    runner.begin(&mut Stream::of("test", &[seed]));
    runner
}

#[test]
fn bodies_have_what_their_policies_expect() {
    for (body, numbers) in [(&CHEETAH, (17, 6, 8)), (&HUMANOID, (21, 8, 12))] {
        let runner = Runner::new(body);
        let bones = runner.bones();
        assert_eq!((runner.observations(), runner.actions(), bones.len()), numbers, "{body}");
        // One leg of the cheetah is the farther one; of the humanoid an arm and a leg.
        assert_eq!(bones.iter().filter(|it| it.is_far).count(), body.far.len());
        let (near, far) =
            (&bones[body.far.start - body.far.len()..body.far.start], &bones[body.far.clone()]);
        assert_eq!(near.len(), far.len());
    }
    let Bone { ends: [tail, head], radius, .. } = Runner::new(&CHEETAH).bones()[0];
    assert!(((head[0] - tail[0]).abs() - 1.0).abs() < 1e-9, "the trunk is a metre long");
    assert!((radius - 0.045).abs() < 1e-12);
    let bones = Runner::new(&HUMANOID).bones();
    for (near, far) in bones[2..7].iter().zip(&bones[7..]) {
        assert_eq!((near.ends, near.radius), (far.ends, far.radius), "left is as right");
    }
    let top = bones.iter().map(|it| it.ends[1][1] + it.radius).fold(0.0, f64::max);
    assert!((1.6..1.9).contains(&top), "{top}");
}

#[test]
fn at_rest_the_cheetah_stands() {
    let mut cheetah = Runner::new(&CHEETAH);
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
fn who_does_nothing_as_a_humanoid_falls_and_that_is_its_end() {
    let mut humanoid = begun(&HUMANOID, 1);
    let mut stood = 0;
    let last = loop {
        let moved = humanoid.act(&[0.0; 8]);
        if moved.is_fallen {
            break moved;
        }
        assert_eq!((moved.bonus, moved.is_over), (3.0, false));
        stood += 1;
        assert!(stood < 500, "it stands by itself");
    };
    assert!(stood > 5, "{stood}");
    assert!(last.is_over && !last.is_broken && last.bonus == 0.0, "{last:?}");
    // The next episode stands again.
    humanoid.begin(&mut Stream::of("test", &[2]));
    assert!(!humanoid.act(&[0.0; 8]).is_fallen);
}

#[test]
fn limbs_pass_each_other_and_joints_stop_where_a_humans_do() {
    let mut humanoid = Runner::new(&HUMANOID);
    humanoid.data.qpos_mut()[HEIGHT] += 5.0;
    humanoid.data.forward();
    // Knees, with all their force, against their stop; one leg through the other.
    for _ in 0..20 {
        humanoid.act(&[1.0, -1.0, 0.0, -1.0, 1.0, 0.0, 1.0, -1.0]);
        assert_eq!(humanoid.data.ncon(), 0, "in the air nothing touches");
    }
    let knees = [humanoid.data.qpos()[4], humanoid.data.qpos()[7]];
    assert!(knees[0] > -0.2 && knees[1] < 2.6, "{knees:?}");
}

#[test]
fn in_free_fall_a_body_falls_as_everything_does() {
    for body in BODIES {
        let mut runner = Runner::new(body);
        runner.data.qpos_mut()[HEIGHT] += 50.0;
        runner.data.forward();
        let mass = model(body).totalmass();
        let energy = |runner: &mut Runner| {
            runner.data.energy_pos();
            runner.data.energy_vel();
            runner.data.energy().iter().sum::<f64>()
        };
        let first = energy(&mut runner);
        let centre = |runner: &Runner| runner.data.subtree_com()[1][2];
        let begin = centre(&runner);
        let steps = (1.0 / model(body).opt().timestep).round() as usize;
        (0..steps).for_each(|_| runner.data.step());
        runner.data.forward();
        // One second: half of g, up to the integrator's step.
        let fallen = begin - centre(&runner);
        assert!((fallen - 9.81 / 2.0).abs() < 0.1, "{body}: {fallen}");
        // Joints are damped and at rest: nothing is gained, and little is lost.
        let change = (energy(&mut runner) - first) / (mass * 9.81 * fallen);
        assert!(change.abs() < 0.02, "{body}: {change}");
    }
}

#[test]
fn the_same_actions_from_the_same_beginning_give_the_same_bits() {
    let run = |body, seed| {
        let (mut runner, mut stream) = (begun(body, seed), Stream::of("actions", &[]));
        let mut trace = Vec::new();
        for _ in 0..100 {
            let action: Vec<f64> = (0..runner.actions()).map(|_| stream.normal()).collect();
            trace.push(runner.act(&action).velocity.to_bits());
        }
        trace
    };
    for body in BODIES {
        assert_eq!(run(body, 1), run(body, 1));
        assert_ne!(run(body, 1), run(body, 2));
    }
}

#[test]
fn actions_are_clamped_and_one_that_is_none_does_nothing() {
    let (mut once, mut twice) = (begun(&CHEETAH, 3), begun(&CHEETAH, 3));
    let wild = once.act(&[1.0, -1.0, 0.0, 1.0, 1.0, 1.0]);
    let same = twice.act(&[7.0, -9.0, f64::NAN, 1.0, 2.0, f64::INFINITY]);
    assert_eq!((wild, wild.effort, wild.cost), (same, 5.0, 10.0));
}

#[test]
fn on_its_back_the_cheetah_has_fallen_and_may_get_up() {
    let mut cheetah = Runner::new(&CHEETAH);
    cheetah.data.qpos_mut()[HEIGHT] += 1.0;
    cheetah.data.qpos_mut()[PITCH] = 3.0;
    let moved = cheetah.act(&[0.0; 6]);
    assert_eq!((moved.is_fallen, moved.is_over, moved.bonus), (true, false, 0.0));
}
