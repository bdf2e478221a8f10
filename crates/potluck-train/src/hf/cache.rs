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

    /// Zeros for `room` tokens more.
    pub(super) fn with_room(x: &Tensor, room: i64) -> Tensor {
        x.constant_pad_nd([0, 0, 0, room])
    }
}
