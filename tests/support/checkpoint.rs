//! Tiny checkpoints: safetensors of random weights, written with the reference crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use safetensors::tensor::{Dtype, TensorView};

use crate::random::Random;

/// How a checkpoint is made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rows of each of its tensors; a row has 256 weights of 4 bytes.
    pub rows: usize,
    /// How many tensors it has.
    pub tensors: usize,
}

/// 8 KiB: enough for everything but interruptions.
pub const SMALL: Shape = Shape { rows: 4, tensors: 2 };
/// 64 MiB: long enough in the air to be interrupted.
pub const LARGE: Shape = Shape { rows: 8192, tensors: 8 };
/// 256 MiB: long enough to be interrupted many times.
pub const HUGE: Shape = Shape { rows: 32_768, tensors: 8 };

/// Weights between -1 and 1 that depend on the seed alone; `drift` moves them by at most that much.
pub fn weights(shape: Shape, seed: u64, drift: f32, drift_seed: u64) -> Result<Vec<u8>> {
    let (mut random, mut moved) = (Random::new(seed), Random::new(drift_seed));
    let mut tensors = BTreeMap::new();
    for index in 0..shape.tensors {
        let bytes: Vec<u8> = (0..shape.rows * 256)
            .flat_map(|_| {
                let weight = (random.unit() * 2.0 - 1.0) as f32;
                (weight + drift * (moved.unit() as f32 - 0.5)).to_le_bytes()
            })
            .collect();
        tensors.insert(format!("layers.{index}.weight"), bytes);
    }
    let shape = vec![shape.rows, 256];
    let views = tensors
        .iter()
        .map(|(name, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// A base: weights, and the files beside them that a soup carries over.
pub fn write_base(dir: &Path, shape: Shape) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("config.json"), "{\"model_type\":\"llama\"}\n")?;
    fs::write(dir.join("tokenizer.json"), "{}\n")?;
    fs::write(dir.join("model.safetensors"), weights(shape, 1, 0.0, 0)?)?;
    Ok(())
}

/// An outbox: the base's weights, moved a little.
pub fn write_expert(dir: &Path, shape: Shape, seed: u64) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("model.safetensors"), weights(shape, 1, 0.1, seed)?)?;
    Ok(())
}
