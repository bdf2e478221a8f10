//! What the operator does with an agreement: blend its soup here, then publish it.
//!
//! The agreement and its recipe are derived from the ledger, never asserted, and the entry that publishes a soup
//! must name exactly what the recipe gave here.

pub mod publish;
