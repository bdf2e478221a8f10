//! Model folders as people have them: any dtype, shards, configuration, tokenizer; and files of any length that take
//! no room.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its dtype as headers have it.
    pub dtype: &'static str,
    /// How many elements it has, in one dimension.
    pub elements: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A tensor of F32.
pub fn f32s(name: &str, values: &[f32]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor { name: name.to_owned(), dtype: "F32", elements: values.len() as u64, bytes }
}

/// A tensor of BF16, of values that it holds exactly.
pub fn bf16s(name: &str, values: &[f32]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()[2..].to_vec()).collect();
    Tensor { name: name.to_owned(), dtype: "BF16", elements: values.len() as u64, bytes }
}

/// A tensor of I64.
pub fn i64s(name: &str, values: &[i64]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor { name: name.to_owned(), dtype: "I64", elements: values.len() as u64, bytes }
}

/// A safetensors file with these tensors in this order.
pub fn file(tensors: &[Tensor]) -> Vec<u8> {
    let shape = |tensor: &Tensor| format!("[{}]", tensor.elements);
    file_of(tensors.iter().map(|it| (it, shape(it))))
}

/// A safetensors file of matrices, each with its shape.
pub fn matrices(tensors: &[(Tensor, [u64; 2])]) -> Vec<u8> {
    file_of(tensors.iter().map(|(it, shape)| (it, format!("{shape:?}"))))
}

fn file_of<'a>(tensors: impl Iterator<Item = (&'a Tensor, String)>) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (tensor, shape) in tensors {
        let begin = data.len();
        data.extend_from_slice(&tensor.bytes);
        entries.push(entry(&tensor.name, tensor.dtype, &shape, begin as u64, data.len() as u64));
    }
    let mut bytes = header(&entries);
    bytes.extend_from_slice(&data);
    bytes
}

fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

fn header(entries: &[String]) -> Vec<u8> {
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// Writes a valid file of BF16 zeros, `tensors` of so many bytes each, that takes no room on the disk.
///
/// # Errors
/// Where it cannot be written.
pub fn write_sparse(path: &Path, tensors: u64, bytes: u64) -> Result<()> {
    let tensor = |index: u64| {
        let shape = format!("[{}]", bytes / 2);
        entry(
            &format!("layers.{index:03}.weight"),
            "BF16",
            &shape,
            index * bytes,
            (index + 1) * bytes,
        )
    };
    let header = header(&(0..tensors).map(tensor).collect::<Vec<_>>());
    let mut file = File::create(path)?;
    file.write_all(&header)?;
    file.set_len(header.len() as u64 + tensors * bytes)?;
    Ok(())
}

/// Writes files into a folder, which is made.
///
/// # Errors
/// Where they cannot be written.
pub fn write_folder(folder: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Writes shards and their index into a folder, which is made.
///
/// # Errors
/// Where they cannot be written.
pub fn write_shards(folder: &Path, shards: &[&[Tensor]]) -> Result<()> {
    fs::create_dir_all(folder)?;
    let (mut map, mut total) = (BTreeMap::new(), 0);
    for (number, tensors) in (1..).zip(shards) {
        let name = format!("model-{number:05}-of-{:05}.safetensors", shards.len());
        fs::write(folder.join(&name), file(tensors))?;
        for tensor in *tensors {
            total += tensor.bytes.len();
            map.insert(tensor.name.clone(), name.clone());
        }
    }
    let index = serde_json::json!({"metadata": {"total_size": total}, "weight_map": map});
    fs::write(folder.join("model.safetensors.index.json"), index.to_string())?;
    Ok(())
}

/// The elements of a tensor of F32 in a file.
///
/// # Panics
/// Where the reference crate does not open the file, or the tensor is another.
pub fn read_f32s(path: &Path, name: &str) -> Vec<f32> {
    let bytes = fs::read(path).expect("the file is there");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("the file is well formed");
    let tensor = file.tensor(name).expect("the tensor is there");
    assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
    let (elements, _) = tensor.data().as_chunks();
    elements.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
