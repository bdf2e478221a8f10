//! The text of a header, tensor by tensor: strict, and no deeper or wider than a header needs to be.

use std::borrow::Cow;

use crate::json::{Fault, Json};

use super::name::{excerpt, is_tensor_name};
use super::{Dtype, LayoutError, MAX_DIMENSIONS, MAX_METADATA, MAX_TENSORS, TensorLayout};

/// What a header says; ranges are still counted from the data's start.
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
        let mut json = Json::new(header)?;
        let (mut metadata, mut tensors) = (None, Vec::new());
        json.members(|json, key| {
            if key == "__metadata__" {
                return match metadata.replace(read_metadata(json)?) {
                    Some(_) => Err(json.fault("__metadata__ stands twice").into()),
                    None => Ok(()),
                };
            }
            if tensors.len() == MAX_TENSORS {
                return Err(LayoutError::TooMany);
            }
            tensors.push(read_tensor(json, key)?);
            Ok(())
        })?;
        if json.rest().bytes().any(|byte| byte != b' ') {
            return Err(json.fault("something else than spaces after the object").into());
        }
        tensors.shrink_to_fit();
        Ok(Self { metadata: metadata.unwrap_or_default(), tensors })
    }
}

impl From<Fault> for LayoutError {
    fn from(fault: Fault) -> Self {
        Self::Json(fault.to_string())
    }
}

fn read_metadata(json: &mut Json<'_>) -> Result<Vec<(String, String)>, LayoutError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    json.members(|json, key| {
        if pairs.len() == MAX_METADATA {
            return Err(json.fault("the metadata has too many keys").into());
        }
        if pairs.iter().any(|(earlier, _)| *earlier == key) {
            return Err(json.fault("a key of the metadata stands twice").into());
        }
        pairs.push((key.into_owned(), json.string()?.into_owned()));
        Ok::<_, LayoutError>(())
    })?;
    Ok(pairs)
}

fn read_tensor(json: &mut Json<'_>, name: Cow<'_, str>) -> Result<TensorLayout, LayoutError> {
    if !is_tensor_name(&name) {
        return Err(LayoutError::Name(excerpt(&name)));
    }
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    json.members(|json, field| {
        let is_repeated = match &*field {
            "dtype" => dtype.replace(json.string()?).is_some(),
            "shape" => shape.replace(read_shape(json)?).is_some(),
            "data_offsets" => offsets.replace(read_offsets(json)?).is_some(),
            _ => return Err(json.fault("an unknown field of a tensor")),
        };
        if is_repeated { Err(json.fault("a field of a tensor stands twice")) } else { Ok(()) }
    })?;
    match (dtype, shape, offsets) {
        (Some(dtype), Some(shape), Some(offsets)) => {
            check(name.into_owned(), &dtype, shape, offsets)
        }
        _ => Err(json.fault("a field of a tensor is missing").into()),
    }
}

fn check(
    name: String,
    dtype: &str,
    shape: Vec<u64>,
    (start, end): (u64, u64),
) -> Result<TensorLayout, LayoutError> {
    let Some(dtype) = Dtype::named(dtype) else {
        return Err(LayoutError::Dtype { tensor: name, dtype: excerpt(dtype) });
    };
    let size = dtype.size() as u64;
    let Some(needed) = shape.iter().try_fold(size, |size, side| size.checked_mul(*side)) else {
        return Err(LayoutError::Shape(name));
    };
    match end.checked_sub(start) {
        Some(spanned) if spanned == needed => {
            Ok(TensorLayout { name, dtype, shape, range: start..end })
        }
        spanned => Err(LayoutError::Span { tensor: name, needed, spanned: spanned.unwrap_or(0) }),
    }
}

fn read_shape(json: &mut Json<'_>) -> Result<Vec<u64>, Fault> {
    let (mut sides, mut count) = ([0; MAX_DIMENSIONS], 0);
    json.items(|json| {
        let Some(side) = sides.get_mut(count) else {
            return Err(json.fault("a shape has too many dimensions"));
        };
        *side = json.integer()?;
        count += 1;
        Ok(())
    })?;
    Ok(sides[..count].to_vec())
}

fn read_offsets(json: &mut Json<'_>) -> Result<(u64, u64), Fault> {
    let (mut offsets, mut count) = ([0; 2], 0);
    json.items(|json| {
        let Some(offset) = offsets.get_mut(count) else {
            return Err(json.fault("data_offsets has more than two numbers"));
        };
        *offset = json.integer()?;
        count += 1;
        Ok(())
    })?;
    match count {
        2 => Ok((offsets[0], offsets[1])),
        _ => Err(json.fault("data_offsets has less than two numbers")),
    }
}
