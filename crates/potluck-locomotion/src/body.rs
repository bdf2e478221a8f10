//! The bodies: what sets one apart from another, beside its description, stands in a table here. What moves them is [`Runner`].
//!
//! A base says in its folder which body it moves, and by what description: everything that begins from a base has its body.

use std::f64::consts::FRAC_PI_2;
use std::fmt;
use std::str::FromStr;

use anyhow::Result;

#[cfg(feature = "mujoco")]
pub use crate::engine::Runner;

/// A body that learns to run.
#[derive(Debug, PartialEq)]
pub struct Body {
    /// By this name it is asked for, and stands in `config.json`.
    pub name: &'static str,
    /// Its description, of our own, as MuJoCo reads it. The first three joints are x, z and the trunk's pitch, the first
    /// geometry is the ground.
    pub xml: &'static str,
    /// Steps of physics in one of control.
    pub frames: usize,
    /// How far a beginning is from rest, in metres, radians, and these a second.
    pub jitter: f64,
    /// It has fallen if the trunk is lower than this, in metres from where it stands at rest,
    pub lowest: f64,
    /// or pitched further than this, in radians.
    pub steepest: f64,
    /// What each step is rewarded with in which it has not fallen. A body that has such a bonus ends its episode with a fall; one
    /// that has none may get up again.
    pub bonus: Option<f64>,
    /// What a unit of effort costs the cautious, in metres a second.
    pub price: f64,
    /// Which capsules are of the farther side, and drawn fainter: the ground does not count.
    pub far: std::ops::Range<usize>,
}

/// A runner on four legs, of which it has two.
pub static CHEETAH: Body = Body {
    name: "cheetah",
    xml: include_str!("cheetah.xml"),
    frames: 5,
    jitter: 0.1,
    lowest: f64::NEG_INFINITY,
    // On its back.
    steepest: FRAC_PI_2,
    bonus: None,
    // With 1, as Brax's humanoid of the paper has, a cautious runner of this body is often the faster one as well, and the two
    // have nothing to trade.
    price: 2.0,
    far: 5..8,
};

/// A human figure, which must not fall.
pub static HUMANOID: Body = Body {
    name: "humanoid",
    xml: include_str!("humanoid.xml"),
    frames: 4,
    jitter: 0.03,
    lowest: -0.3,
    steepest: 1.0,
    // With a bonus of 1 and a price of 2, a step of the cautious is worth less than nothing at first, and it learns to fall.
    bonus: Some(3.0),
    // With 1, too, the two have little to trade, or nothing.
    price: 2.0,
    far: 7..12,
};

/// All of them.
pub static BODIES: [&Body; 2] = [&CHEETAH, &HUMANOID];

impl Body {
    /// BLAKE3 of its description, in hexadecimal digits.
    pub fn blake3(&self) -> String {
        blake3::hash(self.xml.as_bytes()).to_hex().to_string()
    }

    /// What makes worlds with it.
    ///
    /// # Errors
    /// Where the program was built without MuJoCo.
    #[cfg(feature = "mujoco")]
    pub fn maker(&'static self) -> Result<impl Fn() -> Runner + Copy + Sync> {
        Ok(move || Runner::new(self))
    }

    /// What makes worlds with it.
    ///
    /// # Errors
    /// Where the program was built without MuJoCo: this one was.
    #[cfg(not(feature = "mujoco"))]
    pub fn maker(&'static self) -> Result<fn() -> Runner> {
        anyhow::bail!(
            "this program was built without MuJoCo, and cannot move the {self}; `cargo xtask mujoco --build` builds one that can"
        )
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A body by its name.
impl FromStr for &'static Body {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BODIES.into_iter().find(|body| body.name == name);
        found.ok_or_else(|| format!("'{name}' is no body: cheetah or humanoid"))
    }
}

#[cfg(not(feature = "mujoco"))]
pub use self::none::Runner;

#[cfg(not(feature = "mujoco"))]
mod none {
    use potluck_train::stream::Stream;

    use crate::world::{Bone, Drawn, Moved, World};

    /// There is none.
    #[derive(Debug)]
    pub struct Runner(std::convert::Infallible);

    impl World for Runner {
        fn observations(&self) -> usize {
            match self.0 {}
        }
        fn actions(&self) -> usize {
            match self.0 {}
        }
        fn begin(&mut self, _: &mut Stream) {
            match self.0 {}
        }
        fn observe(&self, _: &mut [f64]) {
            match self.0 {}
        }
        fn act(&mut self, _: &[f64]) -> Moved {
            match self.0 {}
        }
    }

    impl Drawn for Runner {
        fn bones(&self) -> Vec<Bone> {
            match self.0 {}
        }
        fn distance(&self) -> f64 {
            match self.0 {}
        }
        fn seconds(&self) -> f64 {
            match self.0 {}
        }
    }
}
