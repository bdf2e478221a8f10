use super::*;
use crate::world::Moved;

/// A point on a line whose velocity is its action's distance from what it sees: a body that is learned in seconds.
struct Point(f64);

impl World for Point {
    fn observations(&self) -> usize {
        1
    }

    fn actions(&self) -> usize {
        1
    }

    fn begin(&mut self, stream: &mut Stream) {
        self.0 = stream.unit() * 4.0 - 2.0;
    }

    fn observe(&self, into: &mut [f64]) {
        into[0] = self.0;
    }

    fn act(&mut self, action: &[f64]) -> Moved {
        let action = action[0].clamp(-1.0, 1.0);
        let velocity = -(action - self.0 / 4.0).powi(2);
        self.0 = -self.0;
        Moved { velocity, effort: action * action, ..Moved::default() }
    }
}

fn settings(iterations: usize) -> Settings {
    Settings {
        worlds: 8,
        steps: 32,
        minibatch: 64,
        horizon: 10,
        learning_rate: 3e-3,
        ..Settings::base(iterations)
    }
}

fn learned(iterations: usize, seed: u64, learns_world: bool) -> (Policy, Vec<Progress>) {
    let start = Policy::fresh(Normaliser::identity(1), 1, &mut Stream::of("start", &[seed]));
    let mut told = Vec::new();
    let settings = settings(iterations);
    let policy = learn(
        || Point(0.0),
        start,
        &Reward([1.0, 0.0]),
        &settings,
        (seed, learns_world),
        |it| told.push(it),
    );
    (policy, told)
}

fn numbers(policy: &Policy) -> Vec<f32> {
    let tensors = policy.net.0.iter().chain([&policy.log_sigma]);
    tensors.flat_map(|it| Vec::<f32>::try_from(it.reshape([-1])).unwrap()).collect()
}

#[test]
fn it_learns_what_is_rewarded() {
    let (policy, told) = learned(60, 1, true);
    let (first, last) = (told[0].scores[0], told[59].scores[0]);
    assert!(last > first / 3.0, "{first} became {last}");
    let means = policy.means(&[-2.0, 0.0, 2.0]);
    for (mean, wanted) in means.iter().zip([-0.5, 0.0, 0.5]) {
        assert!((mean - wanted).abs() < 0.15, "{means:?}");
    }
    assert!(told[59].sigma < told[0].sigma);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| numbers(&learned(3, 2, true).0));
    let three = pool(3).install(|| numbers(&learned(3, 2, true).0));
    let other = numbers(&learned(3, 4, true).0);
    assert_eq!(one, three);
    assert_ne!(one, other);
}

#[test]
fn statistics_stand_still_unless_they_are_to_be_learned() {
    let (frozen, _) = learned(2, 3, false);
    assert_eq!(frozen.normaliser, Normaliser::identity(1));
    let (moved, _) = learned(2, 3, true);
    assert_ne!(moved.normaliser, Normaliser::identity(1));
    let (mean, deviation) = moved.normaliser.to_fixed();
    assert_eq!(Normaliser::from_fixed(&mean, &deviation).unwrap(), moved.normaliser);
}

#[test]
fn while_only_the_critic_learns_the_policy_stays() {
    let start = || Policy::fresh(Normaliser::identity(1), 1, &mut Stream::of("start", &[5]));
    let settings = Settings { critic_first: 2, ..settings(2) };
    let reward = Reward([1.0, 0.0]);
    let policy = learn(|| Point(0.0), start(), &reward, &settings, (5, false), |_| {});
    assert_eq!(numbers(&policy), numbers(&start()));
}

#[test]
fn means_out_of_range_are_drawn_back() {
    // The body sees 8 and would like an action of 2, which it cannot have; the mean must not run after it.
    struct Far;
    impl World for Far {
        fn observations(&self) -> usize {
            1
        }
        fn actions(&self) -> usize {
            1
        }
        fn begin(&mut self, _: &mut Stream) {}
        fn observe(&self, into: &mut [f64]) {
            into[0] = 1.0;
        }
        fn act(&mut self, action: &[f64]) -> Moved {
            let action = action[0].clamp(-1.0, 1.0);
            Moved { velocity: action, effort: action * action, ..Moved::default() }
        }
    }
    let mean = |bound_cost| {
        let start = Policy::fresh(Normaliser::identity(1), 1, &mut Stream::of("start", &[6]));
        let settings = Settings { bound_cost, ..settings(40) };
        let reward = Reward([1.0, 0.0]);
        let policy = learn(|| Far, start, &reward, &settings, (6, false), |_| {});
        policy.means(&[1.0])[0]
    };
    let (with, without) = (mean(1.0), mean(0.0));
    assert!(with < 1.5 && with < without - 0.5, "{with} and {without}");
}

#[test]
fn a_fall_is_worth_nothing_more() {
    // It stands until it does something, or falls and ends: with a bonus for each step, it learns to do nothing.
    struct Pole(bool);
    impl World for Pole {
        fn observations(&self) -> usize {
            1
        }
        fn actions(&self) -> usize {
            1
        }
        fn begin(&mut self, _: &mut Stream) {
            self.0 = false;
        }
        fn observe(&self, into: &mut [f64]) {
            into[0] = f64::from(u8::from(self.0));
        }
        fn act(&mut self, action: &[f64]) -> Moved {
            // Falling is fast.
            self.0 = action[0] > 0.5;
            let (velocity, bonus) = if self.0 { (2.0, 0.0) } else { (0.0, 1.0) };
            Moved { velocity, bonus, is_fallen: self.0, is_over: self.0, ..Moved::default() }
        }
    }
    let start = Policy::fresh(Normaliser::identity(1), 1, &mut Stream::of("start", &[7]));
    let mut told = Vec::new();
    let reward = Reward([1.0, 0.0]);
    learn(|| Pole(false), start, &reward, &settings(40), (7, false), |it| told.push(it));
    let (first, last) = (told[0].fallen, told[39].fallen);
    assert!(first > 0.1 && last < first / 4.0, "{first} became {last}");
}
