//! What a tensor of an adapter is, by its name.
//!
//! ```text
//! base_model.model.MODULE.lora_A.weight        the factor A of MODULE:  (r, in) or (r, in, k…)
//! base_model.model.MODULE.lora_B.weight        its factor B:            (out, r) or (out, r, 1…)
//! base_model.model.MODULE.lora_embedding_A     A of an embedding:       (r, embeddings)
//! base_model.model.MODULE.lora_embedding_B     B of an embedding:       (width, r)
//! base_model.model.NAME                        a tensor of the base, retrained whole
//! ```

/// What PEFT puts before the names of the base model.
pub(super) const PREFIX: &str = "base_model.model.";

/// How the product of two factors lies in the weight that it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Of a linear layer or a convolution: B·A is (out, in).
    Weight,
    /// Of an embedding: the weight is (embeddings, width), which is (B·A)ᵀ.
    Embedding,
}

impl Kind {
    /// The name of the tensor that holds A.
    pub(super) fn a(self, module: &str) -> String {
        match self {
            Self::Weight => format!("{PREFIX}{module}.lora_A.weight"),
            Self::Embedding => format!("{PREFIX}{module}.lora_embedding_A"),
        }
    }

    /// The name of the tensor that holds B.
    pub(super) fn b(self, module: &str) -> String {
        match self {
            Self::Weight => format!("{PREFIX}{module}.lora_B.weight"),
            Self::Embedding => format!("{PREFIX}{module}.lora_embedding_B"),
        }
    }
}

/// What a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// The factor A of a module.
    A(Kind, &'a str),
    /// The factor B of a module.
    B(Kind, &'a str),
    /// A tensor of the base, by its name there.
    Whole(&'a str),
}

/// What the tensor of that name is; `None` where it is no part of a plain LoRA that is understood here.
pub(super) fn role(name: &str) -> Option<Role<'_>> {
    let name = name.strip_prefix(PREFIX)?;
    let parts = [
        (".lora_A.weight", Role::A as fn(_, _) -> _, Kind::Weight),
        (".lora_B.weight", Role::B, Kind::Weight),
        (".lora_embedding_A", Role::A, Kind::Embedding),
        (".lora_embedding_B", Role::B, Kind::Embedding),
    ];
    let factor = parts.iter().find_map(|(end, role, kind)| {
        let module = name.strip_suffix(end).filter(|module| !module.is_empty())?;
        Some(role(*kind, module))
    });
    match factor {
        Some(factor) => Some(factor),
        // DoRA's magnitudes, biases of B, factors under an adapter's name: none of them may pass for a weight.
        None if name.split('.').any(|part| part.starts_with("lora_")) => None,
        None if name.is_empty() => None,
        None => Some(Role::Whole(name)),
    }
}

/// The name in the base of a tensor that was retrained whole; PEFT keeps the weight of an adapted module, where it
/// saves that as well, below `base_layer`.
pub(super) fn in_base(whole: &str) -> String {
    whole.replace(".base_layer.", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_role() {
        assert_eq!(role("base_model.model.m.q.lora_A.weight"), Some(Role::A(Kind::Weight, "m.q")));
        assert_eq!(role("base_model.model.m.q.lora_B.weight"), Some(Role::B(Kind::Weight, "m.q")));
        assert_eq!(
            role("base_model.model.e.lora_embedding_A"),
            Some(Role::A(Kind::Embedding, "e"))
        );
        assert_eq!(
            role("base_model.model.e.lora_embedding_B"),
            Some(Role::B(Kind::Embedding, "e"))
        );
        assert_eq!(role("base_model.model.score.weight"), Some(Role::Whole("score.weight")));
        for kind in [Kind::Weight, Kind::Embedding] {
            assert_eq!(role(&kind.a("m")), Some(Role::A(kind, "m")));
            assert_eq!(role(&kind.b("m")), Some(Role::B(kind, "m")));
        }
    }

    #[test]
    fn what_is_not_understood_is_no_weight() {
        for name in [
            "model.q.lora_A.weight",
            "base_model.model.q.lora_B.bias",
            "base_model.model.q.lora_magnitude_vector",
            "base_model.model.q.lora_magnitude_vector.weight",
            "base_model.model.q.lora_A.default.weight",
            "base_model.model.lora_A.weight",
            "base_model.model.",
            "base_model.model.q.lora_diag",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
    }

    #[test]
    fn a_saved_embedding_has_the_name_of_the_base() {
        assert_eq!(in_base("model.embed_tokens.base_layer.weight"), "model.embed_tokens.weight");
        assert_eq!(in_base("score.weight"), "score.weight");
    }
}
