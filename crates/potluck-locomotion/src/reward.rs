//! What is rewarded: *risky*, the velocity; *cautious*, the velocity less the price of the squared actions; or a weighted sum of
//! both. Where a body must not fall, each of the two has a bonus for that, too. Bonus and price are the body's.

use std::fmt;
use std::str::FromStr;

use crate::world::Moved;

/// The names of the rewards, in the order in which scores stand everywhere.
pub const NAMES: [&str; 2] = ["risky", "cautious"];

/// Both rewards of a step, or their means over an episode: of *risky*, then of *cautious*.
pub type Scores = [f64; 2];

/// Both rewards of a step.
pub fn scores(moved: &Moved) -> Scores {
    let risky = moved.velocity + moved.bonus;
    [risky, risky - moved.cost]
}

/// A weighted sum of the two rewards. As text `cautious`, or `risky=0.4,cautious=0.6`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reward(pub Scores);

impl Reward {
    /// That with which a base is trained: velocity, and a little of the price, so that it moves well without being of either kind.
    pub const BASE: Self = Self([0.9, 0.1]);

    /// The reward of a step.
    pub fn of(&self, moved: &Moved) -> f64 {
        self.0.iter().zip(scores(moved)).map(|(weight, score)| weight * score).sum()
    }
}

impl fmt::Display for Reward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "risky={},cautious={}", self.0[0], self.0[1])
    }
}

impl FromStr for Reward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = [None; 2];
        for item in text.split(',') {
            let (name, weight) = item.split_once('=').unwrap_or((item, "1"));
            let at = NAMES.iter().position(|it| *it == name.trim());
            let at = at.ok_or_else(|| format!("'{name}' is no reward: risky or cautious"))?;
            let number = weight.trim().parse::<f64>().ok();
            let number = number.filter(|it| it.is_finite() && *it >= 0.0);
            let number = number.ok_or_else(|| {
                format!("the weight of {name} is '{weight}': a number from 0 is expected")
            })?;
            if weights[at].replace(number).is_some() {
                return Err(format!("{} stands there twice", NAMES[at]));
            }
        }
        let weights = weights.map(|it| it.unwrap_or(0.0));
        match weights.iter().sum::<f64>() > 0.0 {
            true => Ok(Self(weights)),
            false => Err("all weights are zero: nothing would be learned".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_is_read_and_weighs_both() {
        let moved = Moved { velocity: 2.0, bonus: 1.0, effort: 2.0, cost: 4.0, ..Moved::default() };
        assert_eq!(scores(&moved), [3.0, -1.0]);
        assert_eq!("cautious".parse(), Ok(Reward([0.0, 1.0])));
        let both: Reward = "cautious=0.5, risky=0.25".parse().unwrap();
        assert_eq!((both.of(&moved), both.to_string()), (0.25, "risky=0.25,cautious=0.5".into()));
        for text in ["bold", "risky=x", "risky=-1", "risky=0", "risky,risky", "risky=inf"] {
            assert!(text.parse::<Reward>().is_err(), "{text}");
        }
    }
}
