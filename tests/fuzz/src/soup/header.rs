//! The promises of the reader of safetensors headers.

use potluck_soup::{Layout, LayoutError, TensorLayout};
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

/// Longer data than any file has: past it the safetensors crate's count of bits overflows, and a longer header
/// can make the file too long.
const LONG: u64 = 1 << 60;
/// Data that is made up, to have the file read whole.
const SHORT: u64 = 1 << 16;

/// Reads 8 bytes as the data's length, little-endian, and all others as a header.
pub fn header(bytes: &[u8]) {
    let Some((length, text)) = bytes.split_first_chunk() else { return };
    match Layout::parse(text, u64::from_le_bytes(*length)) {
        Ok(layout) => holds(text, u64::from_le_bytes(*length), &layout),
        // Such a file is good but for its length. What it says of all else is looked at too.
        Err(LayoutError::Length { tensors, .. }) => match Layout::parse(text, tensors) {
            Ok(layout) => holds(text, tensors, &layout),
            Err(error) => super::is_presentable(&error),
        },
        Err(error) => super::is_presentable(&error),
    }
}

fn holds(text: &[u8], length: u64, layout: &Layout) {
    each_tensor_is_sound(layout);
    tensors_cover_the_data(text, length, layout);
    another_length_is_refused(text, length);
    if length < LONG {
        another_spelling_means_the_same(length, layout);
        safetensors_agrees(text, layout);
    }
    if length < SHORT {
        safetensors_reads_the_file(text, length, layout);
    }
}

fn each_tensor_is_sound(layout: &Layout) {
    let tensors = layout.tensors();
    assert!(tensors.windows(2).all(|pair| pair[0].name < pair[1].name), "names do not ascend");
    for tensor in tensors {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(tensor.name.chars().all(plain) && !["", ".", ".."].contains(&&*tensor.name));
        let elements = tensor.shape.iter().map(|side| u128::from(*side)).product::<u128>();
        let bytes = elements * tensor.dtype.size() as u128;
        assert_eq!(bytes, u128::from(tensor.bytes()), "{tensor:?}");
        assert_eq!(elements, u128::from(tensor.elements()), "{tensor:?}");
        assert_eq!(layout.tensor(&tensor.name), Some(tensor));
    }
}

fn tensors_cover_the_data(text: &[u8], length: u64, layout: &Layout) {
    let start = 8 + text.len() as u64;
    assert_eq!((layout.data_start(), layout.data_bytes()), (start, length));
    let end = in_order(layout).into_iter().fold(start, |end, tensor| {
        assert_eq!(tensor.range.start, end, "a hole or an overlap before {}", tensor.name);
        tensor.range.end
    });
    assert_eq!(end, start + length);
}

fn another_length_is_refused(text: &[u8], length: u64) {
    for other in [length.checked_sub(1), length.checked_add(1)].into_iter().flatten() {
        assert!(Layout::parse(text, other).is_err(), "{length} and {other} both pass");
    }
}

/// Writes the layout down again, in the order of the data.
fn another_spelling_means_the_same(length: u64, layout: &Layout) {
    let mut entries = vec![("__metadata__", metadata_of(layout))];
    entries.extend(in_order(layout).into_iter().map(|tensor| {
        let TensorLayout { name, dtype, shape, range } = tensor;
        let offsets = [range.start - layout.data_start(), range.end - layout.data_start()];
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": offsets});
        (name.as_str(), entry)
    }));
    let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    let again = Layout::parse(format!("{{{}}}", entries.join(",")).as_bytes(), length).unwrap();
    let parts = |layout: &Layout| {
        let start = layout.data_start();
        let part = |it: &TensorLayout| {
            (
                it.name.clone(),
                it.dtype,
                it.shape.clone(),
                it.range.start - start..it.range.end - start,
            )
        };
        (layout.tensors().iter().map(part).collect::<Vec<_>>(), metadata_of(layout))
    };
    assert_eq!(parts(&again), parts(layout));
}

/// Whatever passes here passes in the format's own library, and means the same.
fn safetensors_agrees(text: &[u8], layout: &Layout) {
    let theirs: Metadata = serde_json::from_slice(text).unwrap();
    let tensors = theirs.tensors();
    assert_eq!(tensors.len(), layout.tensors().len());
    for tensor in layout.tensors() {
        let info = tensors[&tensor.name];
        let dtype = serde_json::to_value(info.dtype).unwrap();
        assert_eq!(dtype, tensor.dtype.name());
        assert!(info.shape.iter().map(|side| *side as u64).eq(tensor.shape.iter().copied()));
        let offsets = [info.data_offsets.0, info.data_offsets.1].map(|it| it as u64);
        let start = layout.data_start();
        assert_eq!(offsets, [tensor.range.start - start, tensor.range.end - start]);
    }
    let metadata = theirs.metadata().clone().unwrap_or_default();
    assert_eq!(json!(metadata), metadata_of(layout));
}

fn safetensors_reads_the_file(text: &[u8], length: u64, layout: &Layout) {
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(text);
    file.extend((0..length).map(|position| position as u8));
    let theirs = SafeTensors::deserialize(&file).unwrap();
    for tensor in layout.tensors() {
        let range = tensor.range.start as usize..tensor.range.end as usize;
        assert_eq!(theirs.tensor(&tensor.name).unwrap().data(), &file[range]);
    }
}

fn in_order(layout: &Layout) -> Vec<&TensorLayout> {
    let mut tensors: Vec<_> = layout.tensors().iter().collect();
    tensors.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    tensors
}

fn metadata_of(layout: &Layout) -> Value {
    let pairs = layout.metadata().iter().map(|(key, value)| (key.clone(), json!(value)));
    let object: Map<_, _> = pairs.collect();
    assert_eq!(object.len(), layout.metadata().len(), "a key of the metadata stands twice");
    Value::Object(object)
}
