//! The bodies' studies, with the words of their pages.

use super::{About, Locomotion};

/// What the paper did, on whatever body.
const PAPER: &str = "The paper trains a humanoid in Brax with velocity and velocity less the squared actions, from a base with Brax's default reward, with \
                     observation statistics frozen after pretraining.";

/// What it found.
const FIGURES: &str = "38 of 38 interior points lie above the straight line, counted a reward at a time. As (risky, cautious), the \
                       experts are (6447, 1461) and (5664, 4062), the base (3599, −560), the soup of λ = ½ (6265, 3319). Its 11 \
                       MORL runs are better: one of them, (6917, 4221), dominates every soup, and the soups have 0.83 of \
                       their hypervolume from the base.";

/// The runner on two of four legs.
pub(in crate::experiment) fn cheetah() -> Locomotion {
    Locomotion {
        name: "locomotion",
        body: "cheetah",
        seen: "",
        steps: [409_600, 409_600],
        horizon: 500,
        costs: [30.0, 210.0, 240.0],
        about: About {
            title: "Locomotion",
            task: "A runner in the plane with six motors learns to run in MuJoCo (docs/locomotion.md). The base is rewarded with \
                   velocity and a tenth of the price of effort; experts with velocity alone, or with velocity less twice the sum \
                   of the squared actions: with the price of 1 that the paper has, the cautious runner was the faster one as \
                   well in two of three seeds, and nothing was traded. Both experts explore with the same noise. A score is the mean of a reward over an episode of 25 seconds; an episode in which the \
                   body lay on its back has collapsed. The control's base was trained from other weights, with the same \
                   statistics of observations; with its own, the federation refuses the expert. MORL has μ = 0, ¼, ½, ¾, 1 on \
                   velocity, its ends trained with other seeds than the experts.",
            scored: "episodes that no training has seen, without noise of exploration",
            averaging: "acts by the mean of their actions",
            rewards: ["risky: velocity, m/s", "cautious: velocity less twice the squared actions"],
            paper: PAPER,
            figures: FIGURES,
            falls: Some("effort"),
            limits: "The body lives in the plane and learns for half a minute, the paper's in space and for a thousand times as \
                     many steps. How high soups lie depends on the base: from one of 819 200 steps, which is nearly as fast as \
                     experts become, two of four tuning seeds had soups below the chord; so the base is half as long, and \
                     experts have much in common to learn. D does not hold: MORL, whose trainings have seeds of their own, finds \
                     faster gaits than either expert, most of all from seed 3's slow base; nor does it in the paper's data.",
        },
    }
}

/// The human figure.
pub(in crate::experiment) fn humanoid() -> Locomotion {
    Locomotion {
        name: "humanoid",
        body: "humanoid",
        seen: " The arm and the leg of the farther side are fainter.",
        steps: [1_024_000, 409_600],
        horizon: 250,
        costs: [110.0, 300.0, 170.0],
        about: About {
            title: "Locomotion of a humanoid",
            task: "A human figure in the plane with eight motors (hips, knees, ankles, shoulders) learns to run in MuJoCo \
                   (docs/locomotion.md). It must not fall: a fall ends the episode, and each step without one is worth a bonus of \
                   3 in both rewards. *Risky* is the velocity in metres a second and that bonus, *cautious* the same less twice \
                   the sum of the squared actions. The base is rewarded with nine parts risky and one part cautious. Both experts \
                   explore with the same noise. A score is the mean of a reward over an episode of 8 seconds, in which steps \
                   after a fall count zero; an episode with a fall has collapsed. The control's base was trained from other \
                   weights, with the same statistics of observations; with its own, the federation refuses the expert. MORL \
                   has μ = 0, ¼, ½, ¾, 1 on risky, its ends trained with other seeds than the experts.",
            scored: "episodes that no training has seen, without noise of exploration",
            averaging: "acts by the mean of their actions",
            rewards: [
                "risky: velocity, m/s, and a bonus of 3",
                "cautious: the same less twice the squared actions",
            ],
            paper: PAPER,
            figures: FIGURES,
            falls: Some("effort"),
            limits: "The body lives in the plane and learns for a minute, the paper's in space and for hundreds of times as many steps. \
                     What it finds in seed 1 is a gallop in which the same leg stays ahead. \
                     Three things were chosen on tuning seeds. With the price of 1 that the paper has, the two experts had little to \
                     trade, or nothing. With a bonus of 1, a step of the cautious was worth less than nothing at first, and \
                     from bases of 614 400 steps it learned to fall. From bases of 716 800 steps, which themselves still fell now and \
                     then, one of two seeds had a soup below the chord; so the base has a million. D does not hold in seed 1: the \
                     hypervolume is counted from the base, which is nearly as fast there as the risky expert becomes, and MORL at μ = ¾ \
                     and 1, whose trainings have other seeds, finds 0.1 m/s more; in the other two seeds the soups have more \
                     than five MORL trainings. The seconds are of a machine that was busy with much else: an \
                     expert takes 17 seconds of processor time.",
        },
    }
}
