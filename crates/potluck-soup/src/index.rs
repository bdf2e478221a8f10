//! Which file of a sharded checkpoint holds which tensor: `model.safetensors.index.json`.
//!
//! ```text
//! {"metadata": {"total_size": 988097536, …}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors", …}, …}
//! ```
//!
//! Tools write more beside this than anybody reads, so other keys are passed over (repeated ones are not); the
//! map itself is read as strictly as a header. A shard is a file beside the index, never a path. What it refuses
//! to do: to look at the shards. Whether they hold what the map says, and `total_size` bytes of it, is the
//! question of whoever opens them. Called to open a folder, and to write one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use potluck_core::manifest::{MAX_FILES, MAX_PATH};

use crate::json::{Fault, Json};
use crate::layout::name::{excerpt, is_tensor_name};

/// The name of an index in its folder.
pub const INDEX: &str = "model.safetensors.index.json";
/// The longest index that is read, in bytes: [`MAX_INDEXED`] entries of a usual length.
pub const MAX_INDEX: u64 = 24 << 20;
/// The most tensors of a sharded checkpoint; the largest mixtures of experts have some 150 000.
pub const MAX_INDEXED: usize = 1 << 18;
/// The most files among which an index shares out tensors.
pub const MAX_SHARDS: usize = MAX_FILES;
/// The most keys of the index, and of its metadata.
const MAX_KEYS: usize = 64;
/// How each shard's name ends.
const SUFFIX: &str = ".safetensors";

/// Why an index was refused. Each is the file's fault but [`Self::Read`].
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file could not be read.
    #[error("the index cannot be read")]
    Read(#[source] io::Error),
    /// More than is ever read.
    #[error("the index has {0} bytes; at most {MAX_INDEX} are allowed")]
    TooLong(u64),
    /// Not the JSON that an index is.
    #[error("the index is no JSON of shards: {0}")]
    Json(String),
    /// No map, or one of nothing.
    #[error("the index has no weight_map with an entry")]
    Empty,
    /// More entries than checkpoints have.
    #[error("the index lists more than {MAX_INDEXED} tensors")]
    TooMany,
    /// More files than checkpoints have.
    #[error("the index lists more than {MAX_SHARDS} shards")]
    TooManyShards,
    /// A name that no header may have either.
    #[error("the tensor name '{0}' in the index is refused")]
    Name(String),
    /// One tensor twice.
    #[error("the tensor {0} stands in the index twice")]
    Twice(String),
    /// A shard that could lie elsewhere, or that is no safetensors file.
    #[error(
        "the tensor {tensor} shall lie in '{shard}', which is no plain name of a {SUFFIX} file"
    )]
    Shard {
        /// Which tensor.
        tensor: String,
        /// As written.
        shard: String,
    },
    /// Two shards that a file system which folds case would confuse.
    #[error("two shards are called '{0}' (upper and lower case count as equal)")]
    Alike(String),
    /// A total that is no number of bytes.
    #[error("the index's total_size is '{0}', which is no number of bytes")]
    TotalSize(String),
}

impl From<Fault> for IndexError {
    fn from(fault: Fault) -> Self {
        Self::Json(fault.to_string())
    }
}

/// A checked index: at least one tensor, each in one shard, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    /// Names of tensors in byte order, and positions in `shards`.
    tensors: Vec<(String, u32)>,
    /// In byte order, each in use.
    shards: Vec<String>,
    total_size: Option<u64>,
}

impl ShardIndex {
    /// Reads and checks an open file; it is measured before it is read.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn read(file: &File) -> Result<Self, IndexError> {
        let length = file.metadata().map_err(IndexError::Read)?.len();
        if length > MAX_INDEX {
            return Err(IndexError::TooLong(length));
        }
        let mut text = vec![0; usize::try_from(length).expect("a limited index fits memory")];
        file.read_exact_at(&mut text, 0).map_err(IndexError::Read)?;
        Self::parse(&text)
    }

    /// Checks an index's bytes. Takes memory for them once more, at most.
    ///
    /// # Errors
    /// [`IndexError`], never [`IndexError::Read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        if bytes.len() as u64 > MAX_INDEX {
            return Err(IndexError::TooLong(bytes.len() as u64));
        }
        let mut json = Json::new(bytes)?;
        let (mut map, mut total_size) = (None, None);
        distinct_members(&mut json, |json, key| match key {
            "weight_map" => read_map(json).map(|it| map = Some(it)),
            "metadata" => read_total_size(json).map(|it| total_size = it),
            _ => Ok(json.skip()?),
        })?;
        if json.next().is_some() {
            return Err(json.fault("something after the object").into());
        }
        map.ok_or(IndexError::Empty)?.finish(total_size)
    }

    /// The index of these tensors, each with its shard; `total_size` bytes of data in all.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn new<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
        total_size: Option<u64>,
    ) -> Result<Self, IndexError> {
        let mut map = Map::default();
        entries.into_iter().try_for_each(|(tensor, shard)| map.add(tensor, shard))?;
        map.finish(total_size)
    }

    /// Each tensor with the name of its shard, in byte order of tensors.
    pub fn weight_map(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.tensors.iter().map(|(tensor, shard)| (tensor.as_str(), self.shard(*shard)))
    }

    /// The name of the shard that holds the tensor of that name.
    pub fn shard_of(&self, tensor: &str) -> Option<&str> {
        let found = self.tensors.binary_search_by(|(name, _)| name.as_str().cmp(tensor));
        found.ok().map(|position| self.shard(self.tensors[position].1))
    }

    /// The names of the shards in byte order, each once: files beside the index.
    pub fn shards(&self) -> &[String] {
        &self.shards
    }

    /// How many bytes all tensors have together, if the index says so: words of its writer, checked by nobody.
    pub fn total_size(&self) -> Option<u64> {
        self.total_size
    }

    /// The one text of this index, as `transformers` writes it: keys in order, two spaces a level, a new line at
    /// the end.
    pub fn text(&self) -> Vec<u8> {
        let metadata = match self.total_size {
            Some(bytes) => format!("{{\n    \"total_size\": {bytes}\n  }}"),
            None => "{}".into(),
        };
        // Neither names nor shards have a character that JSON escapes.
        let entries: Vec<String> = self
            .weight_map()
            .map(|(tensor, shard)| format!("    \"{tensor}\": \"{shard}\""))
            .collect();
        let map = entries.join(",\n");
        format!("{{\n  \"metadata\": {metadata},\n  \"weight_map\": {{\n{map}\n  }}\n}}\n")
            .into_bytes()
    }

    fn shard(&self, position: u32) -> &str {
        &self.shards[position as usize]
    }
}

/// What a checkpoint's shard is called, as `transformers` and mergekit have it: `model-00001-of-00003.safetensors`.
///
/// `number` counts from 1 to `count`.
pub fn shard_name(number: usize, count: usize) -> String {
    format!("model-{number:05}-of-{count:05}{SUFFIX}")
}

/// The map as far as it has been read.
#[derive(Default)]
struct Map {
    tensors: Vec<(String, u32)>,
    /// Names, and their numbers in order of appearance.
    shards: BTreeMap<String, u32>,
}

impl Map {
    fn add(&mut self, tensor: &str, shard: &str) -> Result<(), IndexError> {
        if self.tensors.len() == MAX_INDEXED {
            return Err(IndexError::TooMany);
        }
        if !is_tensor_name(tensor) {
            return Err(IndexError::Name(excerpt(tensor)));
        }
        let number = match self.shards.get(shard) {
            Some(number) => *number,
            None => self.add_shard(tensor, shard)?,
        };
        self.tensors.push((tensor.into(), number));
        Ok(())
    }

    fn add_shard(&mut self, tensor: &str, shard: &str) -> Result<u32, IndexError> {
        if !is_shard_name(shard) {
            return Err(IndexError::Shard { tensor: tensor.into(), shard: excerpt(shard) });
        }
        if self.shards.len() == MAX_SHARDS {
            return Err(IndexError::TooManyShards);
        }
        let number = self.shards.len() as u32;
        self.shards.insert(shard.into(), number);
        Ok(number)
    }

    /// Puts everything in order, and asks what only the whole can tell.
    fn finish(self, total_size: Option<u64>) -> Result<ShardIndex, IndexError> {
        let Self { mut tensors, shards } = self;
        if tensors.is_empty() {
            return Err(IndexError::Empty);
        }
        tensors.sort_unstable();
        if let Some(pair) = tensors.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(IndexError::Twice(pair[0].0.clone()));
        }
        let mut positions = vec![0; shards.len()];
        let mut folded = BTreeSet::new();
        for ((shard, number), position) in shards.iter().zip(0..) {
            positions[*number as usize] = position;
            if !folded.insert(shard.to_ascii_lowercase()) {
                return Err(IndexError::Alike(shard.clone()));
            }
        }
        tensors.iter_mut().for_each(|(_, shard)| *shard = positions[*shard as usize]);
        tensors.shrink_to_fit();
        Ok(ShardIndex { tensors, shards: shards.into_keys().collect(), total_size })
    }
}

fn read_map(json: &mut Json<'_>) -> Result<Map, IndexError> {
    let mut map = Map::default();
    json.members(|json, tensor| map.add(&tensor, &json.string()?))?;
    Ok(map)
}

fn read_total_size(json: &mut Json<'_>) -> Result<Option<u64>, IndexError> {
    let mut total_size = None;
    distinct_members(json, |json, key| {
        if key != "total_size" {
            return Ok(json.skip()?);
        }
        total_size = Some(byte_count(json.number()?)?);
        Ok(())
    })?;
    Ok(total_size)
}

/// Reads an object of few keys, none twice.
fn distinct_members(
    json: &mut Json<'_>,
    mut each: impl FnMut(&mut Json<'_>, &str) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let mut keys = BTreeSet::new();
    json.members(|json, key| {
        each(json, &key)?;
        if !keys.insert(key) {
            return Err(json.fault("a key stands twice").into());
        }
        if keys.len() > MAX_KEYS {
            return Err(json.fault("the index has too many keys").into());
        }
        Ok(())
    })
}

/// An integer, also where it is written as binary64 (some writers sum with fractions): then at most 2^53.
fn byte_count(number: &str) -> Result<u64, IndexError> {
    let from_float = |value: f64| {
        let is_count = value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value);
        is_count.then_some(value as u64)
    };
    let integer = number.parse().ok();
    integer
        .or_else(|| number.parse().ok().and_then(from_float))
        .ok_or_else(|| IndexError::TotalSize(excerpt(number)))
}

fn is_shard_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= MAX_PATH
        && !name.starts_with('.')
        && name.ends_with(SUFFIX)
        && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
