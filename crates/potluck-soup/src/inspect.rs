//! What admission asks of an expert's bytes: header, tensors equal to the base's, every weight finite, the
//! change within its limit; in this order, the first refusal named by tensor.
//!
//! Content digests and signatures are asked about before, by the caller. The comparison with the limit is a
//! decision that others recompute, so its sums have one fixed order ([`ChangeLimit`]). Memory: two headers, each
//! at most [`crate::layout::MAX_HEADER`], and two tiles.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::adapter::inspect::{AdapterRefusal, TargetDifference};
use crate::float_state::{self, FloatState};
use crate::kernel::{first_not_finite, widen};
use crate::layout::{Dtype, HeaderLimit, Layout, LayoutError, TensorLayout};

/// Bytes read at a time from each file. A multiple of every element's size times [`LANES`].
const TILE_BYTES: usize = 64 << 10;

/// How many sums of squares run beside one another.
const LANES: usize = 8;

/// How far an expert may move each tensor of its base.
///
/// With Δ² and B² the sums of squares of a tensor's change and of the base's tensor, and n its elements, the
/// expert passes where 10⁶·Δ² ≤ permille²·B² + n: Δ is at most permille thousandths of B, plus (in squares) a
/// root mean square of 1/1000 an element, so that a tensor of zeros can move.
///
/// In binary64 and without fused operations: the square of element i, in row-major order, is added to lane
/// i mod 8, each lane in ascending order from +0; the lanes are then added in order, from +0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeLimit {
    /// In thousandths of the Euclidean norm of the base's tensor.
    pub permille: u32,
}

/// Evidence that a file passed. Only [`inspect`] and [`inspect_base`] make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    layout: Layout,
}

impl Inspected {
    /// The file's checked layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many tensors there are.
    pub fn tensors(&self) -> usize {
        self.layout.tensors().len()
    }

    /// How many weights there are.
    pub fn weights(&self) -> u64 {
        self.layout.tensors().iter().map(TensorLayout::elements).sum()
    }
}

/// In what a tensor differs from the base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The base has it, the expert does not.
    #[error("it is missing")]
    Missing,
    /// The expert has it, the base does not.
    #[error("the base has none of that name")]
    Unexpected,
    /// Another format of elements.
    #[error("its dtype is {found}, the base's is {base}", found = found.name(), base = base.name())]
    Dtype {
        /// The expert's.
        found: Dtype,
        /// The base's.
        base: Dtype,
    },
    /// Other dimensions.
    #[error("its shape is another than the base's")]
    Shape,
    /// Another content, where elements are no floating-point numbers and so nothing that training may change.
    #[error("its {dtype} elements are others than the base's", dtype = .0.name())]
    Content(Dtype),
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Inspection {
    // The author's.
    /// Its header is none.
    #[error("the header is refused")]
    HeaderInvalid {
        /// Why.
        #[source]
        why: LayoutError,
    },
    /// Its tensors are not the base's.
    #[error("the tensor {tensor} is not as in the base: {what}")]
    TensorsDiffer {
        /// In what.
        what: Difference,
        /// The first such tensor in byte order of names.
        tensor: String,
    },
    /// A weight is infinite or NaN.
    #[error("element {index} of tensor {tensor} is not a finite number")]
    NotFinite {
        /// The first such tensor in byte order of names.
        tensor: String,
        /// Its first such element.
        index: u64,
    },
    /// It is no adapter that is taken.
    #[error("the adapter is refused")]
    AdapterRefused {
        /// Why.
        #[source]
        why: AdapterRefusal,
    },
    /// An adapter of another base.
    #[error("the adapter changes {tensor}: {what}")]
    TargetDiffers {
        /// As the base would have to name it.
        tensor: String,
        /// In what it differs.
        what: TargetDifference,
    },
    /// A tensor moved too far from its base.
    #[error(
        "the tensor {tensor} changed by {} thousandths of its norm in the base; {limit} are allowed",
        counted(*permille)
    )]
    NormExceeded {
        /// The first such tensor in byte order of names.
        tensor: String,
        /// The change in thousandths of the base's norm, for people: rounded, and the largest integer where it
        /// does not fit.
        permille: u64,
        /// As allowed.
        limit: u32,
    },

    // The local system's.
    /// The expert or the base could not be read.
    #[error("the expert or its base cannot be read")]
    Io(#[source] io::Error),
    /// This process changed how floating-point numbers are rounded.
    #[error("the processor's floating-point mode makes the inspection irreproducible")]
    FloatState(#[from] FloatState),
}

/// Judges `expert` against `base`, whose layout was read from that same file.
///
/// Reads both files once, in step.
///
/// # Errors
/// [`Inspection`]: the first thing refused.
pub fn inspect(
    expert: &File,
    base: &File,
    base_layout: &Layout,
    limit: ChangeLimit,
) -> Result<Inspected, Inspection> {
    float_state::check()?;
    let layout = read_layout(expert, HeaderLimit::for_expert_of(base_layout))?;
    compare(&layout, base_layout)?;
    for (tensor, of_base) in layout.tensors().iter().zip(base_layout.tensors()) {
        if tensor.dtype.is_float() {
            measure(expert, tensor, base, of_base)?.check(tensor, limit)?;
        } else {
            compare_content(expert, tensor, base, of_base)?;
        }
    }
    Ok(Inspected { layout })
}

/// Judges a file that is itself a base: its header, and that every weight is finite.
///
/// # Errors
/// [`Inspection`]: the first thing refused.
pub fn inspect_base(base: &File) -> Result<Inspected, Inspection> {
    let layout = read_layout(base, HeaderLimit::BASE)?;
    let mut tile = vec![0; TILE_BYTES];
    for tensor in layout.tensors() {
        for offset in offsets(tensor) {
            check_finite(tensor, offset, read(base, tensor, offset, &mut tile)?)?;
        }
    }
    Ok(Inspected { layout })
}

pub(crate) fn read_layout(file: &File, limit: HeaderLimit) -> Result<Layout, Inspection> {
    Layout::of(file, limit).map_err(|error| match error {
        LayoutError::Read(source) => Inspection::Io(source),
        why => Inspection::HeaderInvalid { why },
    })
}

/// Both lists stand in byte order of names, so the first difference is where they first part.
fn compare(expert: &Layout, base: &Layout) -> Result<(), Inspection> {
    let (mut found, mut wanted) = (expert.tensors().iter(), base.tensors().iter());
    let (what, tensor) = loop {
        match (found.next(), wanted.next()) {
            (None, None) => return Ok(()),
            (Some(found), Some(wanted)) if found.name == wanted.name => {
                if found.dtype != wanted.dtype {
                    let what = Difference::Dtype { found: found.dtype, base: wanted.dtype };
                    break (what, &found.name);
                }
                if found.shape != wanted.shape {
                    break (Difference::Shape, &found.name);
                }
            }
            (Some(found), Some(wanted)) if found.name < wanted.name => {
                break (Difference::Unexpected, &found.name);
            }
            (_, Some(wanted)) => break (Difference::Missing, &wanted.name),
            (Some(found), None) => break (Difference::Unexpected, &found.name),
        }
    };
    Err(Inspection::TensorsDiffer { what, tensor: tensor.clone() })
}

/// Sums of squares over one tensor, as [`ChangeLimit`] defines them.
pub(crate) struct Change {
    pub(crate) change: f64,
    pub(crate) base: f64,
}

/// The same while they grow, lane by lane.
#[derive(Default)]
struct Lanes {
    change: [f64; LANES],
    base: [f64; LANES],
}

impl Lanes {
    /// Adds elements, of which the first belongs to the first lane.
    fn add(&mut self, ours: &[f64], theirs: &[f64]) {
        for (ours, theirs) in ours.chunks(LANES).zip(theirs.chunks(LANES)) {
            for (lane, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let moved = ours - theirs;
                self.change[lane] += moved * moved;
                self.base[lane] += theirs * theirs;
            }
        }
    }

    fn sum(&self) -> Change {
        let sum = |lanes: &[f64]| lanes.iter().fold(0.0, |sum, lane| sum + lane);
        Change { change: sum(&self.change), base: sum(&self.base) }
    }
}

impl Change {
    pub(crate) fn check(
        &self,
        tensor: &TensorLayout,
        limit: ChangeLimit,
    ) -> Result<(), Inspection> {
        let permille = f64::from(limit.permille);
        // Elements below 2^53 convert exactly; no file has more.
        let allowed = permille * permille * self.base + tensor.elements() as f64;
        // Squares of binary64 elements may overflow, on both sides of the comparison.
        if self.change.is_finite() && 1e6 * self.change <= allowed {
            return Ok(());
        }
        Err(Inspection::NormExceeded {
            tensor: tensor.name.clone(),
            permille: (1000.0 * (self.change / self.base).sqrt()).round() as u64,
            limit: limit.permille,
        })
    }
}

/// The sum of squares of one of the base's tensors.
pub(crate) fn squares_of_base(base: &File, of_base: &TensorLayout) -> Result<f64, Inspection> {
    let mut bytes = vec![0; TILE_BYTES];
    let mut values = vec![0.0; TILE_BYTES / of_base.dtype.size()];
    let mut lanes = Lanes::default();
    for offset in offsets(of_base) {
        let bytes = read(base, of_base, offset, &mut bytes)?;
        let values = &mut values[..bytes.len() / of_base.dtype.size()];
        widen(of_base.dtype, bytes, values);
        lanes.add(values, values);
    }
    Ok(lanes.sum().base)
}

fn measure(
    expert: &File,
    tensor: &TensorLayout,
    base: &File,
    of_base: &TensorLayout,
) -> Result<Change, Inspection> {
    let (mut ours, mut theirs) = (vec![0; TILE_BYTES], vec![0; TILE_BYTES]);
    let elements = TILE_BYTES / tensor.dtype.size();
    let (mut moved, mut unmoved) = (vec![0.0; elements], vec![0.0; elements]);
    let mut lanes = Lanes::default();
    for offset in offsets(tensor) {
        let ours = read(expert, tensor, offset, &mut ours)?;
        check_finite(tensor, offset, ours)?;
        let theirs = read(base, of_base, offset, &mut theirs)?;
        let elements = ours.len() / tensor.dtype.size();
        widen(tensor.dtype, ours, &mut moved[..elements]);
        widen(tensor.dtype, theirs, &mut unmoved[..elements]);
        lanes.add(&moved[..elements], &unmoved[..elements]);
    }
    Ok(lanes.sum())
}

/// Elements that cannot be mixed have to be the base's.
fn compare_content(
    expert: &File,
    tensor: &TensorLayout,
    base: &File,
    of_base: &TensorLayout,
) -> Result<(), Inspection> {
    let (mut ours, mut theirs) = (vec![0; TILE_BYTES], vec![0; TILE_BYTES]);
    for offset in offsets(tensor) {
        let ours = read(expert, tensor, offset, &mut ours)?;
        if ours != read(base, of_base, offset, &mut theirs)? {
            let (what, tensor) = (Difference::Content(tensor.dtype), tensor.name.clone());
            return Err(Inspection::TensorsDiffer { what, tensor });
        }
    }
    Ok(())
}

fn offsets(tensor: &TensorLayout) -> impl Iterator<Item = u64> + use<> {
    (0..tensor.bytes()).step_by(TILE_BYTES)
}

fn read<'t>(
    file: &File,
    tensor: &TensorLayout,
    offset: u64,
    tile: &'t mut [u8],
) -> Result<&'t [u8], Inspection> {
    let rest = usize::try_from(tensor.bytes() - offset).unwrap_or(TILE_BYTES);
    let bytes = &mut tile[..rest.min(TILE_BYTES)];
    file.read_exact_at(bytes, tensor.range.start + offset).map_err(Inspection::Io)?;
    Ok(bytes)
}

fn check_finite(tensor: &TensorLayout, offset: u64, bytes: &[u8]) -> Result<(), Inspection> {
    match first_not_finite(tensor.dtype, bytes) {
        None => Ok(()),
        Some(position) => Err(Inspection::NotFinite {
            tensor: tensor.name.clone(),
            index: offset / tensor.dtype.size() as u64 + position as u64,
        }),
    }
}

/// A change that is larger than its type can say has no number.
fn counted(permille: u64) -> String {
    if permille == u64::MAX { "countless".to_owned() } else { permille.to_string() }
}

#[cfg(test)]
mod tests;
