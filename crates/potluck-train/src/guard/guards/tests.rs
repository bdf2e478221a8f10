//! No false stop on noise, a stop in time on each planted collapse, and a state that comes back.

use super::*;
use crate::stream::Stream;

/// A run that learns nothing and is well: figures around fixed means.
fn healthy(noise: &mut Stream, step: u64, spread: f64) -> StepFigures {
    let mut around = |mean: f64| (mean * (1.0 + spread * noise.normal())).max(0.0);
    let (kl, entropy, mean_length) = (around(6.0), around(1.5), around(60.0));
    let (distinct, copy_rate) = (around(0.5).min(1.0), around(0.2).min(1.0));
    let (empty, unfinished) = (around(0.05).min(1.0), around(0.2).min(1.0));
    let (reward, gradient_norm) = (around(1.0), around(0.8));
    let held_out = step.is_multiple_of(10).then(|| {
        // Prompts differ in how hard they are, and each answer is drawn anew.
        (0..64).map(|prompt| f64::from(prompt % 7) / 7.0 + 0.5 * noise.normal()).collect()
    });
    StepFigures {
        step,
        reward,
        kl_cost: 0.05,
        kl,
        entropy: Some(entropy),
        mean_length,
        distinct: Some(distinct),
        copy_rate: Some(copy_rate),
        empty,
        unfinished,
        gradient_norm,
        has_spread: noise.chance(0.9),
        held_out,
    }
}

/// The step of the stop, and by which guard.
fn run(
    settings: GuardSettings,
    seed: u64,
    steps: u64,
    plant: impl Fn(u64, &mut StepFigures),
) -> Option<(u64, Reason)> {
    let (mut guards, mut noise) = (Guards::new(settings), Stream::of("guards", &[seed]));
    (0..steps).find_map(|step| {
        let mut figures = healthy(&mut noise, step, 0.3);
        plant(step, &mut figures);
        match guards.look(&figures).verdict {
            Verdict::Stop(reason) => Some((step, reason)),
            _ => None,
        }
    })
}

/// Runs of 500 steps on mere noise, each figure of a step off by 30 per cent (one standard
/// deviation), with 50 evaluations. Of 10 000 of them 3 were stopped, 0.03 per cent, each by the
/// held-out reward; here the first 1000 are run, and of those at most one may be.
#[test]
fn noise_alone_stops_hardly_any_run() {
    let stops: Vec<_> =
        (0..1000).filter_map(|seed| run(GuardSettings::default(), seed, 500, |_, _| {})).collect();
    assert!(stops.len() <= 1, "{} of 1000: {:?}", stops.len(), stops.first());
}

/// From step 100 on a figure is beyond its limit: the run stops for it within a window.
#[test]
fn a_planted_collapse_stops_within_a_window() {
    type Plant = fn(&mut StepFigures);
    let plants: [(&str, Plant); 8] = [
        ("kl", |it| it.kl *= 8.0),
        ("length", |it| it.mean_length *= 6.0),
        ("length", |it| it.mean_length *= 0.1),
        ("entropy", |it| it.entropy = Some(0.01)),
        ("distinct", |it| it.distinct = Some(0.02)),
        ("copies", |it| it.copy_rate = Some(0.99)),
        ("empty", |it| it.empty = 0.9),
        ("unfinished", |it| it.unfinished = 0.99),
    ];
    for (guard, plant) in plants {
        for seed in 0..50 {
            let planted = |step, figures: &mut StepFigures| {
                if step >= 100 {
                    plant(figures);
                }
            };
            let (step, reason) = run(GuardSettings::default(), seed, 200, planted).unwrap();
            assert_eq!(reason.guard, guard, "{}", reason.text);
            assert!((100..110).contains(&step), "{guard} at {step}");
            assert!(reason.text.contains(&format!("guards.{guard}.")), "{}", reason.text);
        }
    }
}

#[test]
fn a_gradient_without_number_stops_at_once_and_no_spread_after_its_steps() {
    let nan = |step, figures: &mut StepFigures| {
        if step == 30 {
            figures.gradient_norm = f64::NAN;
        }
    };
    let (step, reason) = run(GuardSettings::default(), 1, 100, nan).unwrap();
    assert_eq!((step, reason.guard), (30, "gradient"));
    let flat = |step, figures: &mut StepFigures| figures.has_spread = step < 40;
    let (step, reason) = run(GuardSettings::default(), 1, 100, flat).unwrap();
    assert_eq!((step, reason.guard), (59, "spread"));
    let leap = |step, figures: &mut StepFigures| {
        if step == 50 {
            figures.kl = 200.0;
        }
    };
    let (step, reason) = run(GuardSettings::default(), 1, 100, leap).unwrap();
    assert_eq!((step, reason.guard), (50, "kl"), "a leap over the limit is not averaged first");
}

/// What was meant falls by a tenth of a standard deviation an evaluation while what is trained on
/// rises: stopped within ten evaluations, in each of 50 runs.
#[test]
fn a_cheated_reward_stops_within_ten_evaluations() {
    for seed in 0..50 {
        let cheat = |step: u64, figures: &mut StepFigures| {
            let since = step.saturating_sub(100) as f64;
            figures.reward += 0.02 * since;
            for reward in figures.held_out.iter_mut().flatten() {
                *reward -= 0.005 * since;
            }
        };
        let (step, reason) = run(GuardSettings::default(), seed, 300, cheat).unwrap();
        assert_eq!(reason.guard, "held_out", "{}", reason.text);
        assert!((110..=200).contains(&step), "{step}");
    }
    let both_fall = |step: u64, figures: &mut StepFigures| {
        for reward in figures.held_out.iter_mut().flatten() {
            *reward -= 0.005 * step as f64;
        }
        figures.reward -= 0.001 * step as f64;
    };
    assert_eq!(run(GuardSettings::default(), 1, 300, both_fall), None, "that is no cheating");
}

#[test]
fn a_switched_off_guard_is_silent() {
    let off: GuardSettings = toml::from_str(
        "entropy = { enabled = false }\nspread = { enabled = false }\n[kl]\nstop = 100.0",
    )
    .unwrap();
    let collapse = |step, figures: &mut StepFigures| {
        if step >= 50 {
            (figures.entropy, figures.kl) = (Some(0.0), 40.0);
        }
    };
    assert_eq!(run(off, 3, 200, collapse), None);
    assert!(toml::from_str::<GuardSettings>("[entropy]\nlow = 1").is_err());
    let bad = |text: &str| toml::from_str::<GuardSettings>(text).unwrap().check().unwrap_err();
    assert!(bad("window = 0").to_string().contains("guards.window"));
    assert!(bad("[length]\nleast = 2.0\nmost = 4.0").to_string().contains("guards.length"));
    assert!(GuardSettings::default().check().is_ok());
}

#[test]
fn each_guard_warns_once_until_it_is_well_again() {
    let (mut guards, mut noise) = (Guards::new(GuardSettings::default()), Stream::of("warn", &[]));
    let mut warnings = Vec::new();
    for step in 0..120 {
        let mut figures = healthy(&mut noise, step, 0.05);
        figures.has_spread = true;
        if (30..60).contains(&step) || step >= 90 {
            figures.mean_length *= 2.5;
        }
        if let Verdict::Warn(reasons) = guards.look(&figures).verdict {
            warnings.extend(reasons.into_iter().map(|it| it.guard));
        }
    }
    assert_eq!(warnings, ["length", "length"]);
}

#[test]
fn a_resumed_run_judges_as_if_it_had_never_stopped() {
    let settings = GuardSettings::default();
    let mut whole = Guards::new(settings.clone());
    let mut resumed = whole.clone();
    let mut noise = Stream::of("resume", &[]);
    for step in 0..150 {
        let mut figures = healthy(&mut noise, step, 0.3);
        figures.mean_length *= 1.0 + step as f64 / 40.0;
        let text = resumed.state().to_string();
        let state = serde_json::from_str(&text).unwrap();
        resumed = Guards::resume(settings.clone(), &state).unwrap();
        assert_eq!(resumed.look(&figures), whole.look(&figures), "step {step}");
    }
    assert_eq!((resumed.state(), resumed.best()), (whole.state(), whole.best()));
    assert!(Guards::resume(settings, &serde_json::json!({"kl": 1})).is_err());
}

#[test]
fn the_best_step_is_the_held_out_rewards_word_else_that_of_reward_minus_divergence() {
    let mut noise = Stream::of("best", &[]);
    let mut figures = |step, reward, kl, held_out| StepFigures {
        reward,
        kl,
        held_out,
        ..healthy(&mut noise, step, 0.0)
    };
    let mut guards = Guards::new(GuardSettings { window: 2, ..GuardSettings::default() });
    let seen: Vec<bool> =
        [(1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (2.1, 25.0), (0.0, 1.0), (9.0, 90.0)]
            .iter()
            .zip(0..)
            .map(|(&(reward, kl), step)| guards.look(&figures(step, reward, kl, None)).is_best)
            .collect();
    assert_eq!(
        seen,
        [false, true, true, false, false, false],
        "a window, then its best, within the limit"
    );
    assert_eq!(guards.best().unwrap().0, 2);
    let mut guards = Guards::new(GuardSettings::default());
    let held_out =
        |step: u64| step.is_multiple_of(2).then(|| vec![[0.1, 0.5, 0.4][step as usize / 2]; 4]);
    let seen: Vec<bool> = (0..6)
        .map(|step| guards.look(&figures(step, step as f64, 1.0, held_out(step))).is_best)
        .collect();
    assert_eq!(seen, [true, false, true, false, false, false]);
}
