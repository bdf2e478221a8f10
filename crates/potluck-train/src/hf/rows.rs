//! Rows of tokens, and which tokens of its row each one sees.

use tch::{Device, Kind, Tensor};

/// Rows of one length, as a decoder reads them.
#[derive(Debug)]
pub struct Rows {
    /// `[rows, length]`.
    pub(super) tokens: Tensor,
    /// Where each token stands in its text, `[rows, length]`.
    pub(super) positions: Tensor,
    /// Which keys each query sees, `[rows, 1, length, length]`; without it, itself and all before it.
    pub(super) marks: Option<Tensor>,
    pub(super) length: i64,
}

/// What the queries of a layer see.
#[derive(Debug)]
pub(super) enum Sight {
    /// Everything that there is.
    All,
    /// Themselves and what stands before them.
    Causal,
    /// What is added to scores: 0 where a key is seen, minus infinity where it is not.
    Marked(Tensor),
}

impl Rows {
    /// Whole texts of one length.
    pub(super) fn causal(tokens: Tensor, positions: Tensor) -> Self {
        let length = tokens.size()[1];
        Self { tokens, positions, marks: None, length }
    }

    /// For each of `windows`, a layer's, what its queries see; layers of one window share a tensor.
    ///
    /// `additive` is the kind in which scores are computed. A window counts positions, not places: in
    /// a row that holds several texts they are not the same.
    pub(super) fn sights(&self, windows: &[Option<i64>], additive: Kind) -> Sights {
        let mut sights = Sights { made: Vec::new(), of_layer: Vec::new() };
        for &window in windows {
            let window = window.filter(|&window| window < self.length);
            let at = match sights.made.iter().position(|(of, _)| *of == window) {
                Some(at) => at,
                None => {
                    sights.made.push((window, self.sight(window, additive)));
                    sights.made.len() - 1
                }
            };
            sights.of_layer.push(at);
        }
        sights
    }

    fn sight(&self, window: Option<i64>, additive: Kind) -> Sight {
        let seen = match (&self.marks, window) {
            (None, None) => return Sight::Causal,
            (Some(marks), None) => marks.shallow_clone(),
            (marks, Some(window)) => {
                let seen = marks.as_ref().map_or_else(|| self.lower(), Tensor::shallow_clone);
                let query = self.positions.unsqueeze(1).unsqueeze(-1);
                let key = self.positions.unsqueeze(1).unsqueeze(1);
                seen.logical_and(&(query - key).lt(window))
            }
        };
        Sight::Marked(added(&seen, additive))
    }

    fn lower(&self) -> Tensor {
        let options = (Kind::Bool, self.tokens.device());
        Tensor::ones([self.length, self.length], options).tril(0).view([
            1,
            1,
            self.length,
            self.length,
        ])
    }

    /// On another device.
    pub fn to(self, device: Device) -> Self {
        Self {
            tokens: self.tokens.to_device(device),
            positions: self.positions.to_device(device),
            marks: self.marks.map(|marks| marks.to_device(device)),
            length: self.length,
        }
    }
}

/// What each layer's queries see.
#[derive(Debug)]
pub(super) struct Sights {
    made: Vec<(Option<i64>, Sight)>,
    of_layer: Vec<usize>,
}

impl Sights {
    /// Of the layer `number`.
    pub(super) fn layer(&self, number: usize) -> &Sight {
        &self.made[self.of_layer[number]].1
    }
}

/// 0 where `seen`, minus infinity elsewhere.
pub(super) fn added(seen: &Tensor, kind: Kind) -> Tensor {
    let zeros = Tensor::zeros(seen.size(), (kind, seen.device()));
    zeros.masked_fill(&seen.logical_not(), f64::NEG_INFINITY)
}
