//! What learning needs of a body in its world. The bodies themselves are in MuJoCo; tests have simpler ones.

use potluck_train::stream::Stream;

/// A body that is moved by actions between −1 and 1, one each for its actuators.
pub trait World: Send {
    /// How many numbers an observation has.
    fn observations(&self) -> usize;

    /// How many actuators there are.
    fn actions(&self) -> usize;

    /// Begins an episode at a place that follows from `stream` alone.
    fn begin(&mut self, stream: &mut Stream);

    /// Writes what the body perceives; [`Self::observations`] numbers.
    fn observe(&self, into: &mut [f64]);

    /// Moves for one step of control. What lies outside −1 to 1 is clamped.
    fn act(&mut self, action: &[f64]) -> Moved;
}

/// What a step of control came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moved {
    /// Metres a second, forward.
    pub velocity: f64,
    /// What both rewards have beside the velocity, for not having fallen.
    pub bonus: f64,
    /// The sum of the squares of the clamped actions.
    pub effort: f64,
    /// What the effort costs whoever is cautious, in metres a second.
    pub cost: f64,
    /// The body lies on its back, or where it does not get up from.
    pub is_fallen: bool,
    /// The episode ends here by itself.
    pub is_over: bool,
    /// The simulation is no longer one: a number is infinite or NaN, or the engine gave up.
    pub is_broken: bool,
}

/// A capsule of a body in the plane: both ends of its axis, and its radius, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bone {
    /// The ends, as distance and height.
    pub ends: [[f64; 2]; 2],
    /// The radius.
    pub radius: f64,
    /// It is of the farther side.
    pub is_far: bool,
}

/// A world that can be drawn.
pub trait Drawn: World {
    /// Where its capsules are, always in one order.
    fn bones(&self) -> Vec<Bone>;

    /// How far the body has come, in metres.
    fn distance(&self) -> f64;

    /// Seconds of a step of control.
    fn seconds(&self) -> f64;
}
