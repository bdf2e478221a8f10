//! Rotary positions: cosines and sines of some positions, and what they turn.

use tch::{Kind, Tensor};

/// Cosines and sines, `[rows, length, 1, width]`; none where positions are learned.
#[derive(Debug)]
pub(super) struct Turn(Option<(Tensor, Tensor)>);

impl Turn {
    /// Of `positions`, `[rows, length]`.
    pub(super) fn of(frequencies: Option<&Tensor>, positions: &Tensor) -> Self {
        Self(frequencies.map(|frequencies| {
            let angles = positions.to_kind(Kind::Float).unsqueeze(-1) * frequencies;
            let angles = Tensor::cat(&[&angles, &angles], -1).unsqueeze(2);
            (angles.cos(), angles.sin())
        }))
    }

    /// Of a table of one row, the positions `chosen`, one for each row to be.
    pub(super) fn choose(&self, chosen: &Tensor) -> Self {
        let of = |table: &Tensor| table.select(0, 0).index_select(0, chosen).unsqueeze(1);
        Self(self.0.as_ref().map(|(cos, sin)| (of(cos), of(sin))))
    }
}

/// Half-rotation of `[rows, length, heads, width]`, as `transformers` has it: of what is turned, the
/// second half is the partner of the first. What lies beyond is left as it is.
pub(super) fn turned(x: Tensor, turn: &Turn) -> Tensor {
    let Some((cos, sin)) = &turn.0 else { return x };
    let (width, all) = (cos.size()[3], x.size()[3]);
    let part = if width == all { x.shallow_clone() } else { x.narrow(3, 0, width) };
    let halves = part.chunk(2, -1);
    let partner = Tensor::cat(&[-&halves[1], halves[0].shallow_clone()], -1);
    let out = part * cos + partner * sin;
    match all - width {
        0 => out,
        rest => Tensor::cat(&[out, x.narrow(3, width, rest).to_kind(Kind::Float)], -1),
    }
}
