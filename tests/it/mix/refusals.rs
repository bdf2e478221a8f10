//! Weights that cannot be mixed are named, and leave nothing behind.

use support::model::{f32s, i64s, write_folder};

use super::{AB, Home, refused};

fn fails(a: &[support::model::Tensor], b: &[support::model::Tensor]) -> (String, String) {
    let home = Home::new();
    home.model("a", a);
    home.model("b", b);
    let said = refused(&home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/soup")));
    assert_eq!(home.names(), ["a", "b"]);
    said
}

#[test]
fn tensors_that_do_not_go_together_are_named() {
    let w = f32s("w", &[1.0]);
    let (code, message) = fails(&[w.clone(), f32s("v", &[1.0])], std::slice::from_ref(&w));
    assert_eq!(
        (&*code, &*message),
        ("tensors-differ", "the expert of b has no tensor v, which that of a has")
    );
    let (code, message) = fails(std::slice::from_ref(&w), &[f32s("w", &[1.0, 2.0])]);
    assert_eq!(
        (&*code, &*message),
        ("tensors-differ", "the experts of a and b differ in the shape of tensor w")
    );
    let (code, message) = fails(&[w.clone(), i64s("n", &[7, 8])], &[w.clone(), i64s("n", &[7, 9])]);
    assert_eq!(code, "tensors-differ");
    assert!(message.contains("tensor n") && message.contains("element 1"), "{message}");
    let (code, message) = fails(std::slice::from_ref(&w), &[f32s("w", &[f32::NAN])]);
    assert_eq!(code, "weights-not-finite");
    assert!(message.contains("element 0 of tensor w"), "{message}");
}

#[test]
fn integers_that_agree_are_carried_over() {
    let home = Home::new();
    for name in ["a", "b"] {
        home.model(name, &[f32s("w", &[1.0]), i64s("n", &[7])]);
    }
    home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --out @/soup.safetensors")).succeeded();
    let bytes = std::fs::read(home.path("soup.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("n").unwrap().data(), 7i64.to_le_bytes());
}

#[test]
fn quantised_models_are_not_averaged() {
    let home = super::two();
    let config: &[u8] = br#"{"quantization_config":{"quant_method":"fp8"}}"#;
    write_folder(&home.path("b"), &[("config.json", config)]).unwrap();
    let (_, message) = refused(&home.mix(&format!("{AB} --lambda a=0.5,b=0.5 --no-output")));
    assert!(message.contains("quantised"), "{message}");
}

#[test]
fn flags_that_contradict_one_another_are_refused() {
    let home = super::two();
    for flags in
        ["--grid 0.5 --lambda a=1,b=0", "--mergekit @/x.yml --lambda a=1,b=0", "--merge-into-base"]
    {
        assert_eq!(home.mix(&format!("{AB} {flags} --no-output")).code, Some(2), "{flags}");
    }
    for flags in ["--density 0.5 --lambda a=1,b=0", "--adapter factors --lambda a=1,b=0", ""] {
        refused(&home.mix(&format!("{AB} {flags} --no-output")));
    }
}
