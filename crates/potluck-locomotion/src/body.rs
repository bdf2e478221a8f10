//! Which body this program was built with: the cheetah, or none.

use anyhow::Result;

use crate::folder::Body;

#[cfg(feature = "mujoco")]
pub use crate::cheetah::Cheetah as Runner;

/// The body's worlds are made by it.
pub type Maker = fn() -> Runner;

/// The body, and what makes worlds with it.
///
/// # Errors
/// Where the program was built without MuJoCo.
#[cfg(feature = "mujoco")]
pub fn body() -> Result<(Body, Maker)> {
    let blake3 = blake3::hash(crate::cheetah::XML.as_bytes()).to_hex().to_string();
    Ok((Body { name: "cheetah", blake3 }, Runner::new))
}

/// The body, and what makes worlds with it.
///
/// # Errors
/// Where the program was built without MuJoCo: this one was.
#[cfg(not(feature = "mujoco"))]
pub fn body() -> Result<(Body, Maker)> {
    anyhow::bail!(
        "this program was built without MuJoCo, and has no body to move; `cargo xtask mujoco --build` builds one that has"
    )
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
