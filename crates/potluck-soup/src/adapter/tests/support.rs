//! Adapters and bases written without the code under test, and what PEFT would compute of a soup.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use potluck_core::Blake3;
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::adapter::{Adapter, AdapterConfig, AdapterError, AdapterSoup, Wanted, expert};
use crate::blend::{Making, Soup};
use crate::checkpoint::Checkpoint;
use crate::convert;
use crate::layout::Dtype;
use crate::write::Durability;

/// Nothing but a recipe.
pub(super) fn plain() -> Wanted<'static> {
    Wanted { dtype: None, recipe: Some(Blake3::of(b"recipe")), prefer: None }
}

/// A matrix, or any tensor, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

/// A tensor of F32 whose elements are small multiples of a quarter, different for each seed.
pub(super) fn quarters(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32 % 33) / 4.0 - 4.0
    };
    let values = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor { dtype: Dtype::F32, shape: shape.to_vec(), values }
}

impl Tensor {
    pub(super) fn of(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.values.len() * self.dtype.size()];
        match self.dtype {
            Dtype::I64 => {
                bytes = self.values.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect()
            }
            _ => convert::narrow_all(self.dtype, self.values.iter().copied(), &mut bytes),
        }
        bytes
    }
}

pub(super) type Tensors = BTreeMap<String, Tensor>;

/// What a test says of one adapter.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pub(super) config: serde_json::Map<String, serde_json::Value>,
    pub(super) tensors: Tensors,
}

impl Sketch {
    /// A LoRA with this `r` and `lora_alpha`, which adapts nothing yet.
    pub(super) fn new(rank: usize, alpha: f64) -> Self {
        let text = format!(
            r#"{{"peft_type":"LORA","r":{rank},"lora_alpha":{alpha},"target_modules":["q","v"],"task_type":"CAUSAL_LM",
            "base_model_name_or_path":"org/base","bias":"none","use_dora":false,"use_rslora":false}}"#
        );
        Self { config: serde_json::from_str(&text).unwrap(), tensors: Tensors::new() }
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.into(), serde_json::from_str(value).unwrap());
        self
    }

    /// Adapts a linear layer.
    pub(super) fn layer(
        self,
        module: &str,
        (out, rank, input): (usize, usize, usize),
        seed: u64,
    ) -> Self {
        self.tensor(&format!("{module}.lora_A.weight"), quarters(&[rank, input], seed))
            .tensor(&format!("{module}.lora_B.weight"), quarters(&[out, rank], seed + 1000))
    }

    pub(super) fn tensor(mut self, name: &str, tensor: Tensor) -> Self {
        self.tensors.insert(format!("base_model.model.{name}"), tensor);
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.tensors.remove(&format!("base_model.model.{name}")).unwrap();
        self
    }

    /// s·B·A of a module by plain loops, `scale` as the test knows it.
    pub(super) fn change(&self, module: &str, scale: f64) -> Vec<f64> {
        let a = &self.tensors[&format!("base_model.model.{module}.lora_A.weight")];
        let b = &self.tensors[&format!("base_model.model.{module}.lora_B.weight")];
        product(a, b, scale)
    }
}

/// s·B·A, row by row.
pub(super) fn product(a: &Tensor, b: &Tensor, scale: f64) -> Vec<f64> {
    let (rank, wide) = (a.shape[0], a.values.len() / a.shape[0]);
    let mut change = Vec::new();
    for row in b.values.chunks(rank) {
        for column in 0..wide {
            let terms = row.iter().enumerate().map(|(k, b)| b * a.values[k * wide + column]);
            change.push(scale * terms.sum::<f64>());
        }
    }
    change
}

/// Σ λᵢ·changeᵢ.
pub(super) fn sum(terms: &[(f64, Vec<f64>)]) -> Vec<f64> {
    let mut sum = vec![0.0; terms[0].1.len()];
    for (lambda, change) in terms {
        sum.iter_mut().zip(change).for_each(|(sum, x)| *sum += lambda * x);
    }
    sum
}

/// A folder in which adapters and bases are written.
pub(super) struct Kitchen(TempDir);

impl Kitchen {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn adapter(&self, party: &str, sketch: &Sketch) -> Adapter {
        self.try_adapter(party, sketch).unwrap()
    }

    pub(super) fn try_adapter(
        &self,
        party: &str,
        sketch: &Sketch,
    ) -> Result<Adapter, AdapterError> {
        let folder = self.path(party);
        fs::create_dir_all(&folder).unwrap();
        let config = serde_json::to_string(&sketch.config).unwrap();
        fs::write(folder.join("adapter_config.json"), config).unwrap();
        save(&folder.join("adapter_model.safetensors"), &sketch.tensors);
        Adapter::open(&party.parse().unwrap(), &Checkpoint::open(&folder).unwrap())
    }

    /// The adapter as a federation has it, in one file.
    pub(super) fn packed(&self, party: &str, sketch: &Sketch) -> PathBuf {
        self.write(party, &expert(&self.adapter(party, sketch)).unwrap())
    }

    /// A soup's only file, on the disk.
    pub(super) fn write(&self, name: &str, soup: &Soup) -> PathBuf {
        let path = self.path(&format!("{name}.safetensors"));
        let making = Making { threads: NonZeroUsize::MIN, blake3: false, sha256: false };
        soup.files()[0].write(&path, making, Durability::Cached, &mut |_| {}).unwrap();
        path
    }

    /// A base with these tensors, and a `config.json` where one is given.
    pub(super) fn base(&self, tensors: &Tensors, config: Option<&str>) -> Checkpoint {
        let folder = self.path("base");
        fs::create_dir_all(&folder).unwrap();
        save(&folder.join("model.safetensors"), tensors);
        if let Some(config) = config {
            fs::write(folder.join("config.json"), config).unwrap();
        }
        Checkpoint::open(&folder).unwrap()
    }
}

fn save(path: &Path, tensors: &Tensors) {
    let bytes: Vec<_> = tensors.iter().map(|(name, it)| (name, it, it.bytes())).collect();
    let views = bytes.iter().map(|(name, it, bytes)| {
        let dtype = serde_json::from_str(&format!("\"{}\"", it.dtype.name())).unwrap();
        (name, safetensors::tensor::TensorView::new(dtype, it.shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// All tensors of a file, by a reader that is not ours.
pub(super) fn load(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensor = |name: &str| {
        let view = file.tensor(name).unwrap();
        let dtype = Dtype::named(&view.dtype().to_string()).unwrap();
        let mut values = vec![0.0; view.shape().iter().product()];
        if dtype == Dtype::I64 {
            let integers = view.data().as_chunks::<8>().0.iter().map(|it| i64::from_le_bytes(*it));
            values.iter_mut().zip(integers).for_each(|(value, it)| *value = it as f64);
        } else {
            convert::widen_all(dtype, view.data(), &mut values);
        }
        Tensor { dtype, shape: view.shape().to_vec(), values }
    };
    file.names().iter().map(|name| ((*name).to_owned(), tensor(name))).collect()
}

/// The bytes of a soup's only file, which are the same written, streamed, and read from odd places.
pub(super) fn bytes(soup: &Soup) -> Vec<u8> {
    let file = &soup.files()[0];
    let mut whole = Vec::new();
    file.reader().read_to_end(&mut whole).unwrap();
    assert_eq!(whole.len() as u64, file.length());
    let making = Making { threads: NonZeroUsize::new(2).unwrap(), blake3: true, sha256: false };
    assert_eq!(file.digest(making, &mut |_| {}).unwrap().blake3, Some(Blake3::of(&whole)));
    for (start, length) in (0..whole.len()).step_by(61).zip([1, 2, 7, 64, 333].into_iter().cycle())
    {
        let mut piece = vec![0; length.min(whole.len() - start)];
        let mut reader = file.reader();
        reader.seek(SeekFrom::Start(start as u64)).unwrap();
        reader.read_exact(&mut piece).unwrap();
        assert_eq!(piece, whole[start..start + piece.len()], "{length} bytes from {start}");
    }
    whole
}

/// What PEFT would make of a soup that lies on the disk: s·B·A of a module, with s by the configuration's text.
pub(super) fn peft(soup: &AdapterSoup, module: &str) -> Vec<f64> {
    assert_eq!(soup.soup.files()[0].name(), "adapter_model.safetensors");
    let config = AdapterConfig::parse(&soup.config.canonical()).unwrap();
    assert_eq!(config, soup.config);
    let tensors = load(&bytes(&soup.soup));
    let a = &tensors[&format!("base_model.model.{module}.lora_A.weight")];
    let b = &tensors[&format!("base_model.model.{module}.lora_B.weight")];
    assert_eq!(config.rank_of(module) as usize, a.shape[0], "PEFT would refuse another rank");
    assert_eq!(a.shape[0], b.shape[1]);
    let text: serde_json::Value = serde_json::from_slice(&soup.config.canonical()).unwrap();
    let root = if text["use_rslora"] == true { 0.5 } else { 1.0 };
    product(a, b, config.alpha_of(module) / (a.shape[0] as f64).powf(root))
}
