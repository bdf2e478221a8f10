//! Keys and values of the tokens so far.

use tch::Tensor;

/// A pair a layer, `[rows, kv_heads, length + room, head_width]`, of which `length` are filled.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) layers: Vec<(Tensor, Tensor)>,
    pub(super) length: i64,
}

impl Cache {
    /// Puts keys and values of the next tokens into `layer`, and returns all of that layer.
    pub(super) fn add(&mut self, layer: usize, k: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let added = k.size()[2];
        let (keys, values) = &mut self.layers[layer];
        keys.narrow(2, self.length, added).copy_(k);
        values.narrow(2, self.length, added).copy_(v);
        let until = self.length + added;
        (keys.narrow(2, 0, until), values.narrow(2, 0, until))
    }

    /// For each of `rows` a copy of that row, and zeros for `room` tokens more.
    pub(super) fn with_room(x: &Tensor, rows: &Tensor, room: i64) -> Tensor {
        x.index_select(0, rows).constant_pad_nd([0, 0, 0, room])
    }

    /// Keeps only `rows`, in that order.
    pub(super) fn keep(&mut self, rows: &Tensor) {
        for (keys, values) in &mut self.layers {
            *keys = keys.index_select(0, rows);
            *values = values.index_select(0, rows);
        }
    }
}
