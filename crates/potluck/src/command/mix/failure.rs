//! What can go wrong in a soup, sorted by whose it is. Also the audit's question, which makes soups too.

use potluck_soup::adapter::AdapterError;
use potluck_soup::source::SourceError;
use potluck_soup::{BlendError, CheckpointError, MethodError};

use crate::failure::{Failure, Kind, in_full};

/// A blend that failed, sorted by whose it is.
pub(crate) fn blend_failure(error: &BlendError) -> Failure {
    let text = in_full(error);
    match error {
        BlendError::Source(SourceError::Layout { .. }) => {
            Failure::new(Kind::Input, "header-invalid", text)
        }
        BlendError::Checkpoint {
            source: CheckpointError::Source(SourceError::Layout { .. }),
            ..
        } => Failure::new(Kind::Input, "header-invalid", text),
        BlendError::Adapter(error) => adapter_failure(error),
        BlendError::Dtypes { .. } | BlendError::Method(MethodError::BaseDtype { .. }) => {
            Failure::new(Kind::Input, "tensors-differ", text)
                .hint("--dtype says in which format the soup is to be")
        }
        BlendError::Lacks { .. }
        | BlendError::Differ { .. }
        | BlendError::NotEqual { .. }
        | BlendError::Untied { .. }
        | BlendError::Method(
            MethodError::BaseLacks { .. }
            | MethodError::ExpertLacks { .. }
            | MethodError::BaseShape { .. },
        ) => Failure::new(Kind::Input, "tensors-differ", text),
        BlendError::NotFinite { .. } => Failure::new(Kind::Input, "weights-not-finite", text),
        BlendError::Write { .. } | BlendError::FloatState(_) => Failure::system(text),
        BlendError::NoExperts
        | BlendError::Twice(_)
        | BlendError::Missing(_)
        | BlendError::Unneeded(_)
        | BlendError::Checkpoint { .. }
        | BlendError::Method(_)
        | BlendError::Source(_) => Failure::input(text),
    }
}

/// A soup of adapters that failed, sorted by whose it is.
pub(crate) fn adapter_failure(error: &AdapterError) -> Failure {
    let text = in_full(error);
    match error {
        AdapterError::Blend(error) => blend_failure(error),
        AdapterError::Disagree { .. } => Failure::new(Kind::Input, "tensors-differ", text)
            .hint("--prefer PARTY says whose words are taken where they differ"),
        AdapterError::Shape { .. }
        | AdapterError::Factors { .. }
        | AdapterError::NotInBase { .. }
        | AdapterError::BaseShape { .. }
        | AdapterError::BaseDtype { .. } => Failure::new(Kind::Input, "tensors-differ", text),
        _ => Failure::input(text),
    }
}
