//! What a method has to know of a whole tensor before it can make an element of it: read once in tiles, in
//! ascending order, by one thread, so that neither threads nor blocks can change a bit of it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use crate::blend::{BlendError, Input, not_finite};
use crate::kernel;

/// How many elements are read at a time; a multiple of [`LANES`].
const TILE: usize = 8192;

/// How many sums stand side by side; see [`Sum`].
const LANES: usize = 8;

/// A value that is found when it is first needed, by one thread. A failure is not kept: the next one tries again.
#[derive(Debug)]
pub(super) struct Found<T> {
    value: OnceLock<T>,
    finding: Mutex<()>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { value: OnceLock::new(), finding: Mutex::new(()) }
    }
}

impl<T> Found<T> {
    /// The value, where somebody has found it.
    pub(super) fn known(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value; `find` finds it where nobody has. Waits for whoever is finding it.
    pub(super) fn get(
        &self,
        find: impl FnOnce() -> Result<T, BlendError>,
    ) -> Result<&T, BlendError> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        // The lock guards no data, so a panic elsewhere has left none half done.
        self.settle(self.finding.lock().unwrap_or_else(PoisonError::into_inner), find)
    }

    /// As [`Self::get`], but where somebody else is finding the value, returns at once.
    pub(super) fn begin(
        &self,
        find: impl FnOnce() -> Result<T, BlendError>,
    ) -> Result<(), BlendError> {
        if self.value.get().is_some() {
            return Ok(());
        }
        match self.finding.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Poisoned(lock)) => self.settle(lock.into_inner(), find).map(|_| ()),
            Ok(lock) => self.settle(lock, find).map(|_| ()),
        }
    }

    fn settle(
        &self,
        _finding: MutexGuard<'_, ()>,
        find: impl FnOnce() -> Result<T, BlendError>,
    ) -> Result<&T, BlendError> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = find()?;
        Ok(self.value.get_or_init(|| value))
    }
}

/// Calls `each` with the elements of all inputs side by side, tile by tile; it may change them.
///
/// Memory: a tile of each input.
///
/// # Errors
/// [`BlendError`]; an element that is infinite or NaN is one.
pub(super) fn stream(
    inputs: &[&Input],
    mut each: impl FnMut(&mut [Vec<f64>]),
) -> Result<(), BlendError> {
    let elements = inputs.first().map_or(0, |input| input.tensor().elements());
    let mut values = vec![Vec::new(); inputs.len()];
    let mut bytes = Vec::new();
    for first in (0..elements).step_by(TILE) {
        let count = usize::try_from(elements - first).map_or(TILE, |rest| rest.min(TILE));
        for (input, values) in inputs.iter().zip(&mut values) {
            let dtype = input.dtype();
            let offset = first * dtype.size() as u64;
            bytes.resize(count * dtype.size(), 0);
            input.read(offset, &mut bytes)?;
            if let Some(index) = kernel::first_not_finite(dtype, &bytes) {
                return Err(not_finite(&input.tensor().name, dtype, offset, index));
            }
            values.resize(count, 0.0);
            kernel::widen(dtype, &bytes, values);
        }
        each(&mut values);
    }
    Ok(())
}

/// Σ aₑ·bₑ over a tensor: each product is rounded and added to lane e mod 8, in ascending order of e; then the
/// lanes are added to +0 in ascending order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum([f64; LANES]);

impl Sum {
    /// Takes the next tile, which is as long as those before it were unless it is the last.
    pub(super) fn add(&mut self, a: &[f64], b: &[f64]) {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                self.0[lane] += a[lane] * b[lane];
            }
        }
        for (lane, (a, b)) in self.0.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *lane += a * b;
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.0.iter().fold(0.0, |sum, lane| sum + lane)
    }
}
