//! A body in its world, moved by MuJoCo. What it knows of a body stands in [`Body`] and in its description.

use std::sync::{Arc, Mutex, Once, PoisonError};

use mujoco_rs::prelude::*;
use potluck_train::stream::Stream;

use crate::body::Body;
use crate::world::{Bone, Drawn, Moved, World};

/// Places of the trunk's height and pitch among the coordinates, behind x.
const HEIGHT: usize = 1;
const PITCH: usize = 2;

/// One body in its world.
#[derive(Debug)]
pub struct Runner {
    body: &'static Body,
    data: MjData<Arc<MjModel>>,
}

impl Runner {
    /// At rest.
    pub fn new(body: &'static Body) -> Self {
        let mut data = MjData::new(model(body));
        data.forward();
        Self { body, data }
    }

    fn has_fallen(&self) -> bool {
        let place = self.data.qpos();
        place[HEIGHT] < self.body.lowest || place[PITCH].abs() > self.body.steepest
    }

    fn has_given_up(&self) -> bool {
        let warnings = self.data.warning();
        let bad =
            [MjtWarning::mjWARN_BADQPOS, MjtWarning::mjWARN_BADQVEL, MjtWarning::mjWARN_BADQACC];
        bad.into_iter().any(|it| warnings[it as usize].number > 0)
    }
}

impl World for Runner {
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
            *place += self.body.jitter * (2.0 * stream.unit() - 1.0);
        }
        for speed in self.data.qvel_mut() {
            *speed = self.body.jitter * stream.normal();
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
        (0..self.body.frames).for_each(|_| self.data.step());
        let velocity = (self.distance() - begin) / self.seconds();
        let is_broken = self.has_given_up() || !velocity.is_finite();
        let is_fallen = self.has_fallen();
        Moved {
            velocity,
            bonus: self.body.bonus.filter(|_| !is_fallen).unwrap_or(0.0),
            effort,
            cost: self.body.price * effort,
            is_fallen,
            is_over: is_fallen && self.body.bonus.is_some(),
            is_broken,
        }
    }
}

impl Drawn for Runner {
    fn bones(&self) -> Vec<Bone> {
        let sizes = self.data.model().geom_size();
        let places = self.data.geom_xpos().iter().zip(self.data.geom_xmat()).zip(sizes);
        let bone = |((at, turn), size): ((&[f64; 3], &[f64; 9]), &[f64; 3])| {
            // A capsule lies along the third axis of its frame.
            let (along, up) = (turn[2] * size[1], turn[8] * size[1]);
            let ends = [[at[0] - along, at[2] - up], [at[0] + along, at[2] + up]];
            Bone { ends, radius: size[0], is_far: false }
        };
        // The first is the ground.
        let mut bones: Vec<Bone> = places.skip(1).map(bone).collect();
        bones[self.body.far.clone()].iter_mut().for_each(|it| it.is_far = true);
        bones
    }

    fn distance(&self) -> f64 {
        self.data.qpos()[0]
    }

    fn seconds(&self) -> f64 {
        self.body.frames as f64 * self.data.model().opt().timestep
    }
}

/// The compiled body, which all its worlds share.
fn model(body: &'static Body) -> Arc<MjModel> {
    static LOGGING: Once = Once::new();
    static MODELS: Mutex<Vec<(&str, Arc<MjModel>)>> = Mutex::new(Vec::new());
    // Else a warning of the engine would leave a file in whatever folder we run in.
    // SAFETY: this is the first use of MuJoCo in the process, and others wait for it here.
    LOGGING.call_once(|| unsafe { mujoco_rs::logging::install_logging_hook() });
    let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, model)) = models.iter().find(|(name, _)| *name == body.name) {
        return Arc::clone(model);
    }
    let model =
        MjModel::from_xml_string(body.xml).expect("the body is part of the program, and compiles");
    let model = Arc::new(model);
    models.push((body.name, Arc::clone(&model)));
    model
}

#[cfg(test)]
mod tests;
