//! What other trainers leave, in small.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use super::*;
use crate::blend::{BlendError, Making};
use crate::samples::{Sample, f32s, file, halves};
use crate::write::Durability;

/// 1, -2, the least subnormal and a number that lies between two.
const EMBEDDING: [f32; 4] = [1.0, -2.0, 0.5, 1.003_906_2];
const EMBEDDING_BF16: [u16; 4] = [0x3f80, 0xc000, 0x3f00, 0x3f80];

fn folder(home: &Path, name: &str, config: &str, tensors: &[Sample]) -> Checkpoint {
    let folder = home.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
    fs::write(folder.join("model.safetensors"), file(tensors)).unwrap();
    Checkpoint::open(&folder).unwrap()
}

const TIED: &str = r#"{"tie_word_embeddings":true}"#;

/// A base of two tensors in BF16, and a mask.
fn base(home: &Path) -> Checkpoint {
    let mask = Sample { dtype: Dtype::U8, bytes: vec![1, 0], ..f32s("model.mask", &[0.0; 2]) };
    let tensors = [
        halves("model.embed_tokens.weight", Dtype::Bf16, &EMBEDDING_BF16),
        halves("model.q_proj.weight", Dtype::Bf16, &[0x3f80, 0x4000]),
        mask,
    ];
    folder(home, "base", TIED, &tensors)
}

fn mask() -> Sample {
    Sample { dtype: Dtype::U8, bytes: vec![1, 0], ..f32s("model.mask", &[0.0; 2]) }
}

fn named(name: &'static str, sample: Sample) -> Sample {
    Sample { name, ..sample }
}

fn bytes_of(conformed: &Conformed, home: &Path) -> Result<Vec<u8>, BlendError> {
    let (path, threads) = (home.join("made.safetensors"), NonZeroUsize::MIN);
    let making = Making { threads, blake3: false, sha256: false };
    conformed.soup.files()[0].write(&path, making, Durability::Cached, &mut |_| {})?;
    Ok(fs::read(path).unwrap())
}

fn tensor(checkpoint: &Checkpoint, name: &str) -> Vec<u8> {
    let input = checkpoint.input(name).unwrap();
    let mut bytes = vec![0; input.tensor().bytes() as usize];
    input.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_trainers_wide_weights_with_prefixes_and_a_tied_copy_take_the_bases_form() {
    let home = tempfile::tempdir().unwrap();
    let base = base(home.path());
    let given = folder(
        home.path(),
        "given",
        "{}",
        &[
            named("module._orig_mod.lm_head.weight", f32s("", &EMBEDDING)),
            named("module._orig_mod.model.embed_tokens.weight", f32s("", &EMBEDDING)),
            named("module.model._fsdp_wrapped_module.q_proj.weight", f32s("", &[1.0, 3.0])),
            named("module.model.mask", mask()),
        ],
    );
    assert!(!is_in_form(&base, &given));
    let conformed = conform(&base, &given).unwrap();
    assert_eq!(
        conformed.changes,
        Changes {
            renamed: 3,
            converted: vec![(Dtype::F32, Dtype::Bf16, 2)],
            tied: vec!["module._orig_mod.lm_head.weight".to_owned()],
            filled: Vec::new(),
        }
    );
    bytes_of(&conformed, home.path()).unwrap();
    let made = Checkpoint::open(&home.path().join("made.safetensors")).unwrap();
    assert!(is_in_form(&base, &made));
    // The fourth lies half-way between 1 and the next: to even.
    assert_eq!(
        tensor(&made, "model.embed_tokens.weight"),
        tensor(&base, "model.embed_tokens.weight")
    );
    assert_eq!(tensor(&made, "model.q_proj.weight"), [0x80, 0x3f, 0x40, 0x40]);
}

#[test]
fn shards_are_one_file_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let base = base(home.path());
    let shards = home.path().join("shards");
    fs::create_dir(&shards).unwrap();
    let first = [halves("model.embed_tokens.weight", Dtype::Bf16, &EMBEDDING_BF16), mask()];
    fs::write(shards.join("model-00001-of-00002.safetensors"), file(&first)).unwrap();
    let second = [halves("model.q_proj.weight", Dtype::Bf16, &[7, 8])];
    fs::write(shards.join("model-00002-of-00002.safetensors"), file(&second)).unwrap();
    let index = r#"{"metadata":{"total_size":14},"weight_map":{
        "model.embed_tokens.weight":"model-00001-of-00002.safetensors",
        "model.mask":"model-00001-of-00002.safetensors",
        "model.q_proj.weight":"model-00002-of-00002.safetensors"}}"#;
    fs::write(shards.join("model.safetensors.index.json"), index).unwrap();
    let given = Checkpoint::open(&shards).unwrap();
    let conformed = conform(&base, &given).unwrap();
    assert_eq!(conformed.changes, Changes::default());
    bytes_of(&conformed, home.path()).unwrap();
    let made = Checkpoint::open(&home.path().join("made.safetensors")).unwrap();
    assert!(is_in_form(&base, &made));
    assert_eq!(tensor(&made, "model.q_proj.weight"), [7, 0, 8, 0]);
}

/// The base's tensors, with one in place of `model.q_proj.weight`, and another.
fn with(home: &Path, q: Sample, more: &[Sample]) -> Result<Conformed, ConformError> {
    let base = base(home);
    let mut tensors = vec![halves("model.embed_tokens.weight", Dtype::Bf16, &EMBEDDING_BF16)];
    tensors.extend([q, mask()]);
    tensors.extend_from_slice(more);
    conform(&base, &folder(home, "given", "{}", &tensors))
}

fn q() -> Sample {
    halves("model.q_proj.weight", Dtype::Bf16, &[1, 2])
}

#[test]
fn what_has_no_such_form_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let refused = |q: Sample, more: &[Sample]| with(home.path(), q, more).unwrap_err().to_string();
    let packed = Sample { dtype: Dtype::U8, ..f32s("model.q_proj.weight", &[]) };
    let quantised = refused(Sample { shape: vec![1], bytes: vec![7], ..packed }, &[]);
    assert!(quantised.contains("model.q_proj.weight is quantised"), "{quantised}");
    let absmax = refused(q(), &[f32s("model.q_proj.weight.absmax", &[1.0])]);
    assert!(absmax.contains("bitsandbytes"), "{absmax}");
    let head = refused(q(), &[f32s("v_head.summary.weight", &[1.0])]);
    assert!(head.contains("v_head.summary.weight") && head.contains("value head"), "{head}");
    let factor = refused(q(), &[f32s("base_model.model.q.lora_A.weight", &[1.0])]);
    assert!(factor.contains("adapter"), "{factor}");
    let missing = refused(named("module.model.embed_tokens.weight", q()), &[]);
    assert!(missing.contains("would both be the base's model.embed_tokens.weight"), "{missing}");
    let shape = refused(halves("model.q_proj.weight", Dtype::Bf16, &[1, 2, 3]), &[]);
    assert!(shape.contains("the shape [3], and [2] in the base"), "{shape}");
    let other = refused(q(), &[f32s("lm_head.weight", &[1.0; 4])]);
    assert!(other.contains("lm_head.weight"), "a copy of another format: {other}");
    let base = base(home.path());
    let short = folder(home.path(), "short", "{}", &[q(), mask()]);
    let missing = conform(&base, &short).unwrap_err().to_string();
    assert_eq!(missing, "tensor model.embed_tokens.weight of the base is not there");
}

#[test]
fn what_the_weights_alone_tell_is_refused_while_they_are_read() {
    let home = tempfile::tempdir().unwrap();
    let fails = |q: Sample, more: &[Sample]| {
        bytes_of(&with(home.path(), q, more).unwrap(), home.path()).unwrap_err().to_string()
    };
    let nan = fails(f32s("model.q_proj.weight", &[0.0, f32::NAN]), &[]);
    assert!(nan.contains("element 1 of tensor model.q_proj.weight"), "{nan}");
    let mut other = EMBEDDING_BF16;
    other[2] = 9;
    let untied = fails(q(), &[halves("lm_head.weight", Dtype::Bf16, &other)]);
    assert!(untied.contains("lm_head.weight differ in element 2"), "{untied}");
    assert!(!home.path().join("made.safetensors").exists());
}

#[test]
fn a_base_that_keeps_its_output_layer_twice_gets_it_twice() {
    let home = tempfile::tempdir().unwrap();
    let embedding = halves("model.embed_tokens.weight", Dtype::Bf16, &EMBEDDING_BF16);
    let output = named("lm_head.weight", embedding.clone());
    let inv_freq = f32s("model.rotary_emb.inv_freq", &[1.0]);
    let base = folder(home.path(), "base", TIED, &[output, embedding.clone(), inv_freq]);
    let given = folder(home.path(), "given", "{}", &[named("embed_tokens.weight", embedding)]);
    let conformed = conform(&base, &given).unwrap();
    assert_eq!(conformed.changes.filled, ["lm_head.weight", "model.rotary_emb.inv_freq"]);
    assert_eq!(conformed.changes.renamed, 1);
    bytes_of(&conformed, home.path()).unwrap();
    let made = Checkpoint::open(&home.path().join("made.safetensors")).unwrap();
    assert_eq!(tensor(&made, "lm_head.weight"), tensor(&base, "lm_head.weight"));
}
