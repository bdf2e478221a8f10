//! Soups of small adapters against loops that follow the mathematics, on numbers for which binary64 is exact.

mod factors;
mod inspect;
mod linear;
mod merge;
mod packed;
mod shared;
mod support;
