//! The readers of the ledger and of the wire: whatever a server, a party, a mirror or a witness may be sent.
//!
//! Some take bytes as they would arrive. Others take them as the steps of a play ([`steps`]): signatures and hashes
//! that hold cannot be guessed, so the play makes them, and the bytes say where it goes wrong.

mod steps;
mod world;

mod charter;
mod checkpoint;
mod envelope;
mod evidence;
mod invited;
mod message;
mod note;
mod proof;
mod ranges;
mod receipt;
mod snapshot;
mod statement;
mod tile;
mod witness;

pub use charter::charter;
pub use checkpoint::checkpoint;
pub use envelope::envelope;
pub use evidence::evidence;
pub use invited::invitation;
pub use message::message;
pub use note::note;
pub use proof::proof;
pub use ranges::ranges;
pub use receipt::receipt;
pub use snapshot::snapshot;
pub use statement::statement;
pub use tile::tile;
pub use witness::witness;
