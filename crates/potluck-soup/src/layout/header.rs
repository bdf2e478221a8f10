//! The JSON of a header: strict, and no deeper or wider than a header needs to be.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Dtype, LayoutError, MAX_DIMENSIONS, MAX_METADATA, MAX_TENSOR_NAME, TensorLayout};

/// What a header says, tensor by tensor; ranges are still counted from the data's start.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Vec<(String, String)>,
    pub(super) tensors: Vec<TensorLayout>,
}

impl Header {
    /// Reads the JSON and checks each tensor by itself; how they lie together is the caller's question.
    pub(super) fn parse(header: &[u8]) -> Result<Self, LayoutError> {
        if header.first() != Some(&b'{') {
            return Err(LayoutError::Json("it does not begin with '{'".into()));
        }
        let json = header.trim_ascii_end();
        if header[json.len()..].iter().any(|byte| *byte != b' ') {
            return Err(LayoutError::Json("it is padded with something else than spaces".into()));
        }
        let text: HeaderText = serde_json::from_slice(json)
            .map_err(|error| LayoutError::Json(excerpt(&error.to_string())))?;
        let tensors = text.tensors.into_iter().map(check).collect::<Result<_, _>>()?;
        Ok(Self { metadata: text.metadata.unwrap_or_default(), tensors })
    }
}

fn check((name, text): (String, TensorText)) -> Result<TensorLayout, LayoutError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=MAX_TENSOR_NAME).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(LayoutError::Name(excerpt(&name)));
    }
    let Some(dtype) = Dtype::named(&text.dtype) else {
        return Err(LayoutError::Dtype { tensor: name, dtype: excerpt(&text.dtype) });
    };
    let size = dtype.size() as u64;
    let Some(needed) = text.shape.0.iter().try_fold(size, |size, side| size.checked_mul(*side))
    else {
        return Err(LayoutError::Shape(name));
    };
    let (start, end) = text.data_offsets;
    match end.checked_sub(start) {
        Some(spanned) if spanned == needed => {
            Ok(TensorLayout { name, dtype, shape: text.shape.0, range: start..end })
        }
        spanned => Err(LayoutError::Span { tensor: name, needed, spanned: spanned.unwrap_or(0) }),
    }
}

/// What of a refused text is repeated: enough to find it, never a megabyte and no control character.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[derive(Default)]
struct HeaderText {
    metadata: Option<Vec<(String, String)>>,
    tensors: Vec<(String, TensorText)>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorText {
    dtype: String,
    shape: Shape,
    data_offsets: (u64, u64),
}

struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = HeaderText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderText, A::Error> {
                let mut text = HeaderText::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key != "__metadata__" {
                        text.tensors.push((key, map.next_value::<Object>()?.0));
                    } else if text.metadata.replace(map.next_value::<Metadata>()?.0).is_some() {
                        return Err(A::Error::custom("__metadata__ stands twice"));
                    }
                }
                Ok(text)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A tensor's entry that is an object: serde would take a list of the fields' values as well.
struct Object(TensorText);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with dtype, shape and data_offsets")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object, A::Error> {
                TensorText::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sides;
        impl<'de> Visitor<'de> for Sides {
            type Value = Shape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_DIMENSIONS} dimensions")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut sides = Vec::with_capacity(4);
                while let Some(side) = list.next_element()? {
                    if sides.len() == MAX_DIMENSIONS {
                        return Err(A::Error::custom("a shape has too many dimensions"));
                    }
                    sides.push(side);
                }
                Ok(Shape(sides))
            }
        }
        deserializer.deserialize_seq(Sides)
    }
}

struct Metadata(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Metadata;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MAX_METADATA} strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if pairs.len() == MAX_METADATA {
                        return Err(A::Error::custom("the metadata has too many keys"));
                    }
                    if pairs.iter().any(|(earlier, _)| *earlier == key) {
                        return Err(A::Error::custom("a key of the metadata stands twice"));
                    }
                    pairs.push((key, value));
                }
                Ok(Metadata(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
