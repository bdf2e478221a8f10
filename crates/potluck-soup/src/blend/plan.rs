//! A soup before its bytes exist: which files there will be, what stands where in each, and by what rule.
//!
//! Everything that can be known without reading a weight is known here: names, lengths, headers, whether the
//! inputs fit together. The order of tensors and the text of headers are specified in `docs/formats.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use potluck_core::Blake3;

use super::rule::Rule;
use crate::checkpoint::{Checkpoint, WEIGHTS};
use crate::index::shard_name;
use crate::layout::Dtype;
use crate::source::Source;

/// Where the header of an adapter in one file holds its configuration.
pub(crate) const ADAPTER_CONFIG_KEY: &str = "adapter_config";
/// Where it says from which seed the factors A come that it does not hold.
pub(crate) const SHARED_A_KEY: &str = "shared_a";

/// How the tensors of a soup are spread over files.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// All in `model.safetensors`.
    One,
    /// All in a file of this name.
    Named(&'static str),
    /// Each tensor in a file of the name that it has in this checkpoint.
    Like(&'a Checkpoint),
    /// In byte order of names, a new file where the next tensor would bring one above so many bytes of tensors.
    AtMost(u64),
}

/// A tensor to be made.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) rule: Box<dyn Rule>,
}

impl Planned {
    fn bytes(&self) -> u64 {
        let elements: u64 = self.shape.iter().product();
        elements * self.dtype.size() as u64
    }
}

/// A tensor in a file of a soup.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) tensor: Planned,
    /// Where it begins, in bytes from the start of the file.
    pub(crate) start: u64,
    /// Where it ends.
    pub(crate) end: u64,
}

/// One file of a soup: its header, and rules for all that follows.
#[derive(Debug)]
pub struct SoupFile {
    name: String,
    header: Vec<u8>,
    /// In the order of the file, without gaps.
    tensors: Vec<Placed>,
    /// How many inputs a rule reads at most at once: decides how large a block stays in a core's cache.
    width: usize,
    sources: Arc<[Arc<Source>]>,
}

/// A soup that can be written, digested or read, any number of times.
#[derive(Debug)]
pub struct Soup {
    files: Vec<SoupFile>,
}

impl Soup {
    /// Its files, in byte order of their names.
    pub fn files(&self) -> &[SoupFile] {
        &self.files
    }

    /// The bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(SoupFile::length).sum()
    }

    /// The bytes of all tensors together, which an index calls `total_size`.
    pub fn data_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length() - file.header.len() as u64).sum()
    }

    /// Spreads `tensors`, which come in byte order of names, over files, and writes their headers.
    pub(crate) fn of(
        tensors: Vec<Planned>,
        shape: Shape<'_>,
        recipe: Option<Blake3>,
        sources: Vec<Arc<Source>>,
        width: usize,
    ) -> Self {
        let sources: Arc<[_]> = sources.into();
        let marks = Marks { recipe, adapter_config: None, shared_a: None };
        let file = |(name, tensors)| SoupFile::of(name, tensors, marks, width, &sources);
        Self { files: spread(tensors, shape).into_iter().map(file).collect() }
    }

    /// The same tensors in files whose headers hold an adapter's configuration too, and where factors A are drawn, from what.
    pub(crate) fn with_adapter_config(
        self,
        recipe: Option<Blake3>,
        config: &str,
        shared_a: Option<&str>,
    ) -> Self {
        let marks = Marks { recipe, adapter_config: Some(config), shared_a };
        let file = |file: SoupFile| {
            let SoupFile { name, tensors, width, sources, .. } = file;
            let tensors = tensors.into_iter().map(|placed| placed.tensor).collect();
            SoupFile::of(name, tensors, marks, width, &sources)
        };
        Self { files: self.files.into_iter().map(file).collect() }
    }
}

impl SoupFile {
    fn of(
        name: String,
        mut tensors: Vec<Planned>,
        marks: Marks<'_>,
        width: usize,
        sources: &Arc<[Arc<Source>]>,
    ) -> Self {
        // Stable: within one width the byte order of names stays.
        tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
        let header = header(&tensors, marks);
        let mut end = header.len() as u64;
        let mut place = |tensor: Planned| {
            let start = end;
            end += tensor.bytes();
            Placed { tensor, start, end }
        };
        let tensors = tensors.into_iter().map(&mut place).collect();
        Self { name, header, tensors, width, sources: Arc::clone(sources) }
    }

    /// Its name within the soup's folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.tensors.last().map_or(self.header.len() as u64, |tensor| tensor.end)
    }

    /// The text of the configuration that an adapter in one file has in its header, if it is one.
    pub fn adapter_config(&self) -> Option<String> {
        // Eight bytes say how long the rest is.
        let header: serde_json::Value = serde_json::from_slice(self.header.get(8..)?).ok()?;
        header["__metadata__"][ADAPTER_CONFIG_KEY].as_str().map(str::to_owned)
    }

    /// The names of its tensors, in the order of the file.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|placed| placed.tensor.name.as_str())
    }

    /// Its first bytes, which are known before any weight is read: the header, with its length before it.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    pub(crate) fn tensors(&self) -> &[Placed] {
        &self.tensors
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }
}

fn spread(tensors: Vec<Planned>, shape: Shape<'_>) -> Vec<(String, Vec<Planned>)> {
    match shape {
        Shape::One => vec![(WEIGHTS.to_owned(), tensors)],
        Shape::Named(file) => vec![(file.to_owned(), tensors)],
        Shape::Like(checkpoint) => {
            let mut files: BTreeMap<String, Vec<Planned>> = BTreeMap::new();
            for tensor in tensors {
                let file = checkpoint.file_of(&tensor.name).unwrap_or(WEIGHTS);
                files.entry(file.to_owned()).or_default().push(tensor);
            }
            files.into_iter().collect()
        }
        Shape::AtMost(limit) => {
            let (mut files, mut bytes) = (vec![Vec::new()], 0u64);
            for tensor in tensors {
                bytes = bytes.saturating_add(tensor.bytes());
                if bytes > limit && files.last().is_some_and(|file| !file.is_empty()) {
                    bytes = tensor.bytes();
                    files.push(Vec::new());
                }
                files.last_mut().expect("there is a first file").push(tensor);
            }
            let count = files.len();
            if count == 1 {
                return vec![(WEIGHTS.to_owned(), files.remove(0))];
            }
            (1..).zip(files).map(|(number, file)| (shard_name(number, count), file)).collect()
        }
    }
}

/// What a header says beside the tensors.
#[derive(Clone, Copy)]
struct Marks<'a> {
    recipe: Option<Blake3>,
    adapter_config: Option<&'a str>,
    shared_a: Option<&'a str>,
}

/// The header of a file, with the length before it and the padding after it.
fn header(tensors: &[Planned], marks: Marks<'_>) -> Vec<u8> {
    // `format` is what transformers asks of every safetensors file; a file without it is refused.
    let recipe = marks.recipe.map_or_else(String::new, |recipe| format!(r#","recipe":"{recipe}""#));
    let text = |key: &str, text: Option<&str>| {
        text.map_or_else(String::new, |text| {
            let text = serde_json::to_string(text).expect("text always has a JSON form");
            format!(r#","{key}":{text}"#)
        })
    };
    let config = text(ADAPTER_CONFIG_KEY, marks.adapter_config);
    let shared = text(SHARED_A_KEY, marks.shared_a);
    let mut json = format!(r#"{{"__metadata__":{{"format":"pt"{recipe}{config}{shared}}}"#);
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.bytes();
        let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
        // Names need no escapes: the layout lets none through that would.
        json += &format!(
            r#","{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{start},{end}]}}"#,
            tensor.name,
            tensor.dtype.name(),
            shape.join(",")
        );
        start = end;
    }
    json.push('}');
    json.extend(std::iter::repeat_n(' ', json.len().next_multiple_of(8) - json.len()));
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(json.as_bytes());
    header
}

#[cfg(test)]
mod tests;
