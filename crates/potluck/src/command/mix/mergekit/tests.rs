use std::fs;

use super::*;

/// Reads a configuration in a folder in which models `a`, `b` and `c` are; `@` stands for that folder.
fn order(text: &str) -> Result<(Order, String), String> {
    let home = tempfile::tempdir().unwrap();
    for model in ["a", "b", "c"] {
        fs::create_dir(home.path().join(model)).unwrap();
    }
    let file = home.path().join("merge.yml");
    fs::write(&file, text.replace('@', &home.path().display().to_string())).unwrap();
    match read(&file, 7) {
        Ok(order) => Ok((order, home.path().display().to_string())),
        Err(failure) => Err(failure.message().split("merge.yml: ").last().unwrap().to_owned()),
    }
}

fn ppm(order: &Order) -> Vec<i64> {
    order.weights.ppm().values().copied().collect()
}

const TWO: &str = "models:\n- model: '@/a'\n  parameters: {weight: 1}\n- model: '@/b'\n  parameters: {weight: 3}\n";

#[test]
fn linear_is_normalised_as_mergekit_does_it() {
    let (found, _) = order(&format!("merge_method: linear\ndtype: bfloat16\n{TWO}")).unwrap();
    assert_eq!(
        (&found.method, ppm(&found), found.dtype),
        (&Method::Linear, vec![250_000, 750_000], Some(Dtype::Bf16))
    );
    assert!(found.notes.is_empty() && found.base.is_none());
    let thirds =
        "models: [{model: '@/a'}, {model: '@/b'}, {model: '@/c'}]\nparameters: {weight: 1.0}\n";
    let (found, _) = order(&format!("merge_method: linear\n{thirds}")).unwrap();
    assert_eq!(ppm(&found), [333_334, 333_333, 333_333]);
    assert!(found.notes[0].contains("largest remainder"));
    let refused = order(&format!("merge_method: linear\n{TWO}parameters: {{normalize: false}}\n"))
        .unwrap_err();
    assert!(refused.contains("do not sum to one"), "{refused}");
}

#[test]
fn the_other_methods_are_named_ones() {
    let (found, home) =
        order(&format!("merge_method: task_arithmetic\nbase_model: '@/c'\n{TWO}")).unwrap();
    assert_eq!((&found.method, ppm(&found)), (&Method::TaskArithmetic, vec![1_000_000, 3_000_000]));
    assert_eq!(found.base, Some(format!("{home}/c").into()));

    let text = format!(
        "merge_method: ties\nbase_model: '@/c'\n{TWO}- model: '@/c'\nparameters: {{density: 0.2, lambda: 1.5, int8_mask: true}}\nout_dtype: float16\n"
    );
    let (found, _) = order(&text).unwrap();
    let (density, strength) = ("0.2".parse().unwrap(), "1.5".parse().unwrap());
    assert_eq!(found.method, Method::Ties { density, consensus: Consensus::Mean, strength });
    assert_eq!((ppm(&found).len(), found.dtype, found.notes.len()), (2, Some(Dtype::F16), 1));

    let text =
        format!("merge_method: dare_ties\nbase_model: '@/c'\n{TWO}parameters: {{density: 0.5}}\n");
    let (found, _) = order(&text).unwrap();
    let density = "0.5".parse().unwrap();
    let expected =
        Method::DareTies { density, seed: 7, consensus: Consensus::Sum, strength: Strength::ONE };
    assert_eq!(found.method, expected);

    let models = "models: [{model: '@/b'}, {model: '@/a'}]\n";
    let (found, _) = order(&format!(
        "merge_method: slerp\nbase_model: '@/b'\n{models}parameters: {{t: 0.25}}\n"
    ))
    .unwrap();
    assert_eq!(
        (&found.method, ppm(&found), found.base),
        (&Method::Slerp, vec![250_000, 750_000], None)
    );

    let (found, _) =
        order(&format!("merge_method: model_stock\nbase_model: '@/c'\n{models}")).unwrap();
    assert_eq!((&found.method, ppm(&found)), (&Method::ModelStock, vec![1_000_000; 2]));
}

#[test]
fn one_model_twice_counts_twice() {
    let text =
        "merge_method: linear\nmodels: [{model: '@/a'}, {model: '@/a'}]\nparameters: {weight: 1}\n";
    let (found, _) = order(text).unwrap();
    assert_eq!(ppm(&found), [500_000, 500_000]);
}

#[test]
fn everything_else_is_refused_by_its_name() {
    for (text, said) in [
        ("merge_method: linear\n", "there are no models"),
        (TWO, "merge_method is missing"),
        (&format!("merge_method: della\n{TWO}"), "'della' is not supported"),
        (&format!("merge_method: linear\nslices: []\n{TWO}"), "slices"),
        (&format!("merge_method: linear\ntokenizer_source: union\n{TWO}"), "tokenizer_source"),
        (&format!("merge_method: linear\nchat_template: auto\n{TWO}"), "chat_template"),
        (&format!("merge_method: linear\nmerge_methd: x\n{TWO}"), "'merge_methd'"),
        (&format!("merge_method: linear\nparameters: {{density: 1}}\n{TWO}"), "'density'"),
        (
            &format!("merge_method: linear\nbase_model: '@/c'\n{TWO}"),
            "base_model is none of the models",
        ),
        (&format!("merge_method: ties\n{TWO}"), "needs a base_model"),
        (
            &format!(
                "merge_method: task_arithmetic\nbase_model: '@/c'\nparameters: {{normalize: true}}\n{TWO}"
            ),
            "normalize: true",
        ),
        (
            &format!(
                "merge_method: dare_ties\nbase_model: '@/c'\nparameters: {{rescale: false}}\n{TWO}"
            ),
            "rescale: false",
        ),
        (
            "merge_method: linear\nmodels: [{model: '@/a', parameters: {weight: [0, 1]}}]\n",
            "gradient",
        ),
        (
            "merge_method: linear\nmodels: [{model: '@/a', parameters: {weight: 1e-3}}]\n",
            "decimal number",
        ),
        ("merge_method: linear\nmodels: [{model: '@/a'}]\n", "has no weight"),
        (
            "merge_method: linear\nmodels: [{model: '@/a', weight: 1}]\n",
            "the key 'weight' of a model",
        ),
        ("merge_method: linear\nmodels: [{model: '@/a+@/b'}]\n", "a model with an adapter"),
        ("merge_method: linear\nmodels: [{model: org/name}]\n", "org/name is no local path"),
        ("merge_method: linear\nmodels: &x [{model: '@/a'}]\n", "anchors"),
        (&format!("merge_method: linear\ndtype: int8\n{TWO}"), "are known"),
        (&format!("merge_method: model_stock\nbase_model: '@/c'\n{TWO}"), "'weight'"),
    ] {
        let refused = order(text).map(|_| ()).unwrap_err();
        assert!(refused.contains(said), "{text}: {refused}");
    }
}
