//! Weights to and from safetensors, strictly: a file is let in only if it fits in every name,
//! shape and type.
//!
//! Libtorch's own loader is not used: it fills a `[3, 4]` tensor from a `[1, 4]` one, ignores
//! tensors that it does not know, and changes a variable's type to the file's.

use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

/// Name and shape of one tensor, both as `transformers` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in `model.safetensors`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
}

/// The tensors of `specs` from the bytes of a safetensors file, in that order.
///
/// # Errors
/// A sentence that names the first tensor which is missing, unknown, of another shape or type, or
/// not finite.
pub fn read_weights(bytes: &[u8], specs: &[TensorSpec]) -> Result<Vec<Tensor>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("it is no safetensors file ({error})"))?;
    if let Some(unknown) =
        file.names().into_iter().find(|name| specs.iter().all(|spec| spec.name != *name))
    {
        return Err(format!("the tensor {unknown} is none of the model's"));
    }
    specs.iter().map(|spec| read_tensor(&file, spec)).collect()
}

fn read_tensor(file: &SafeTensors, spec: &TensorSpec) -> Result<Tensor, String> {
    let name = &spec.name;
    let view = file.tensor(name).map_err(|_| format!("the tensor {name} is missing"))?;
    let fits = view.shape().iter().copied().eq(spec.shape.iter().map(|&size| size as usize));
    if !fits {
        return Err(format!(
            "the tensor {name} has shape {:?}, not {:?}",
            view.shape(),
            spec.shape
        ));
    }
    if view.dtype() != Dtype::F32 {
        return Err(format!("the tensor {name} is of type {:?}, not F32", view.dtype()));
    }
    let tensor = Tensor::f_from_data_size(view.data(), &spec.shape, Kind::Float)
        .map_err(|error| format!("the tensor {name} cannot be made ({})", first_line(&error)))?;
    if tensor.isfinite().all().int64_value(&[]) == 0 {
        return Err(format!("the tensor {name} has a value that is not finite"));
    }
    Ok(tensor)
}

/// Libtorch appends a back-trace of some kilobytes to its messages.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The bytes of a safetensors file with `tensors` under their names and one entry of metadata.
///
/// Equal tensors give equal bytes: tensors stand in an order that follows from type and name.
///
/// # Errors
/// A sentence where the header would be too large.
pub fn weights_bytes<'a>(
    tensors: impl IntoIterator<Item = (String, &'a Tensor)>,
    (key, value): (&str, &str),
) -> Result<Vec<u8>, String> {
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let shape = tensor.size().iter().map(|&size| size as usize).collect();
            (name, shape, little_endian(tensor))
        })
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let metadata = HashMap::from([(key.to_owned(), value.to_owned())]);
    let written = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    written.map_err(|error| format!("the weights cannot be written ({error})"))
}

fn little_endian(tensor: &Tensor) -> Vec<u8> {
    let flat = tensor.detach().contiguous().view([-1]);
    let mut values = vec![0f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs() -> Vec<TensorSpec> {
        vec![
            TensorSpec { name: "b".to_owned(), shape: vec![3, 4] },
            TensorSpec { name: "a".to_owned(), shape: vec![2] },
        ]
    }

    fn file(b: &Tensor, names: [&str; 2]) -> Vec<u8> {
        let a = Tensor::from_slice(&[1f32, 2.0]);
        weights_bytes([(names[0].to_owned(), b), (names[1].to_owned(), &a)], ("format", "pt"))
            .unwrap()
    }

    fn ones(shape: &[i64]) -> Tensor {
        Tensor::ones(shape, (Kind::Float, tch::Device::Cpu))
    }

    #[test]
    fn weights_round_trip_in_the_order_asked_for() {
        let tensors = read_weights(&file(&ones(&[3, 4]), ["b", "a"]), &specs()).unwrap();
        assert_eq!(tensors[0].size(), [3, 4]);
        assert_eq!(Vec::<f32>::try_from(&tensors[1]).unwrap(), [1.0, 2.0]);
        assert_eq!(file(&ones(&[3, 4]), ["b", "a"]), file(&ones(&[3, 4]), ["b", "a"]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refuse = |bytes: &[u8]| read_weights(bytes, &specs()).unwrap_err();
        // Libtorch would broadcast this one.
        assert!(refuse(&file(&ones(&[1, 4]), ["b", "a"])).contains("b has shape [1, 4]"));
        assert!(refuse(&file(&ones(&[3, 4]), ["b", "c"])).contains("c is none"));
        assert!(refuse(&file(&(ones(&[3, 4]) * f64::NAN), ["b", "a"])).contains("not finite"));
        let whole = file(&ones(&[3, 4]), ["b", "a"]);
        assert!(refuse(&whole[..whole.len() - 1]).contains("no safetensors file"));
        let only = weights_bytes([("b".to_owned(), &ones(&[3, 4]))], ("format", "pt")).unwrap();
        assert!(refuse(&only).contains("a is missing"));
    }
}
