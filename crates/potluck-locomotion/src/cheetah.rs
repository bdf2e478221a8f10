//! The cheetah: a runner in the plane with six actuators, in MuJoCo. Its body is `cheetah.xml`, of our own.

use std::f64::consts::FRAC_PI_2;
use std::sync::{Arc, OnceLock};

use mujoco_rs::prelude::*;
use potluck_train::stream::Stream;

use crate::world::{Bone, Drawn, Moved, World};

/// The body.
pub const XML: &str = include_str!("cheetah.xml");
/// Steps of physics in one of control: twenty of control a second.
const FRAMES: usize = 5;
/// How far a beginning is from rest, in metres, radians, and these a second.
const JITTER: f64 = 0.1;
/// Place of the trunk's pitch among the coordinates, behind x and z.
const PITCH: usize = 2;

/// One body in its world.
#[derive(Debug)]
pub struct Cheetah {
    data: MjData<Arc<MjModel>>,
}

impl Default for Cheetah {
    fn default() -> Self {
        Self::new()
    }
}

impl Cheetah {
    /// At rest.
    pub fn new() -> Self {
        let mut data = MjData::new(model());
        data.forward();
        Self { data }
    }

    fn has_given_up(&self) -> bool {
        let warnings = self.data.warning();
        let bad =
            [MjtWarning::mjWARN_BADQPOS, MjtWarning::mjWARN_BADQVEL, MjtWarning::mjWARN_BADQACC];
        bad.into_iter().any(|it| warnings[it as usize].number > 0)
    }
}

impl World for Cheetah {
    fn observations(&self) -> usize {
        // All coordinates but the distance, and all velocities.
        self.data.qpos().len() - 1 + self.data.qvel().len()
    }

    fn actions(&self) -> usize {
        self.data.ctrl().len()
    }

    fn begin(&mut self, stream: &mut Stream) {
        self.data.reset();
        for place in self.data.qpos_mut() {
            *place += JITTER * (2.0 * stream.unit() - 1.0);
        }
        for speed in self.data.qvel_mut() {
            *speed = JITTER * stream.normal();
        }
        self.data.forward();
    }

    fn observe(&self, into: &mut [f64]) {
        let seen = self.data.qpos().iter().skip(1).chain(self.data.qvel());
        into.iter_mut().zip(seen).for_each(|(into, seen)| *into = *seen);
    }

    fn act(&mut self, action: &[f64]) -> Moved {
        let begin = self.distance();
        let mut effort = 0.0;
        for (control, action) in self.data.ctrl_mut().iter_mut().zip(action) {
            // A NaN is no action; the engine would reset the body for it.
            *control = if action.is_nan() { 0.0 } else { action.clamp(-1.0, 1.0) };
            effort += *control * *control;
        }
        (0..FRAMES).for_each(|_| self.data.step());
        let velocity = (self.distance() - begin) / self.seconds();
        let is_broken = self.has_given_up() || !velocity.is_finite();
        let is_fallen = self.data.qpos()[PITCH].abs() > FRAC_PI_2;
        Moved { velocity, effort, is_fallen, is_broken }
    }
}

impl Drawn for Cheetah {
    fn bones(&self) -> Vec<Bone> {
        let sizes = self.data.model().geom_size();
        let places = self.data.geom_xpos().iter().zip(self.data.geom_xmat()).zip(sizes);
        let bone = |((at, turn), size): ((&[f64; 3], &[f64; 9]), &[f64; 3])| {
            // A capsule lies along the third axis of its frame.
            let (along, up) = (turn[2] * size[1], turn[8] * size[1]);
            let ends = [[at[0] - along, at[2] - up], [at[0] + along, at[2] + up]];
            Bone { ends, radius: size[0] }
        };
        // The first is the ground.
        places.skip(1).map(bone).collect()
    }

    fn distance(&self) -> f64 {
        self.data.qpos()[0]
    }

    fn seconds(&self) -> f64 {
        FRAMES as f64 * self.data.model().opt().timestep
    }
}

/// The compiled body, which all worlds share.
fn model() -> Arc<MjModel> {
    static MODEL: OnceLock<Arc<MjModel>> = OnceLock::new();
    let compiled = || {
        // Else a warning of the engine would leave a file in whatever folder we run in.
        // SAFETY: this is the first use of MuJoCo in the process, and others wait for it here.
        unsafe { mujoco_rs::logging::install_logging_hook() };
        Arc::new(
            MjModel::from_xml_string(XML).expect("the body is part of the program, and compiles"),
        )
    };
    Arc::clone(MODEL.get_or_init(compiled))
}

#[cfg(test)]
mod tests;
