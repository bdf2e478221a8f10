//! λ on the simplex and the rules that choose it. Pure mathematics: it knows no party, key or file.
//!
//! Shares are integers in parts per million that sum to exactly [`MILLION`], so that what parties sign
//! and what an auditor recomputes is the same number on every machine. What decides uses integers and exact fractions;
//! floats stand only where something is measured or suggested.
//!
//! Called by `potluck-core`, which names the coordinates after parties and derives the agreement.

pub mod shares;

pub mod mean;
pub mod phantom;

pub mod table;
pub mod bargain;

pub mod design;
pub mod surrogate;

pub mod front;

pub use bargain::{Alpha, Decision, Rule, choose};
pub use mean::{MeanError, weighted_mean};
pub use phantom::{PhantomError, Phantoms};
pub use shares::{MILLION, Shares, SharesError};
pub use table::{Bounds, Candidate, Exclusion, Party, Score, Table, TableError};
