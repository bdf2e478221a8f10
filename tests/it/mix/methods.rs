//! Other methods than linear, and configurations of mergekit that say the same.

use std::fs;

use support::model::{f32s, read_f32s};

use super::{AB, Home, refused};

fn three() -> Home {
    let home = Home::new();
    home.model("a", &[f32s("w", &[1.0, -2.0, 0.5, 4.0])]);
    home.model("b", &[f32s("w", &[3.0, 2.0, 0.25, 5.0])]);
    home.model("base", &[f32s("w", &[0.0, 1.0, 0.5, 3.0])]);
    home
}

/// Mixes by flags and by a configuration, and compares.
fn same(home: &Home, flags: &str, configuration: &str) -> String {
    let by_flags = home.mix(&format!("{AB} {flags} --no-output")).succeeded();
    let there = home.path("").display().to_string();
    fs::write(home.path("merge.yml"), configuration.replace('@', there.trim_end_matches('/')))
        .unwrap();
    let by_file = home.mix("--mergekit @/merge.yml --no-output").succeeded();
    assert_eq!(by_file["blake3"], by_flags["blake3"], "{configuration}");
    by_file["method"].as_str().unwrap().to_owned()
}

#[test]
fn configurations_of_mergekit_are_followed() {
    let home = three();
    let models = "models:\n- {model: '@/a', parameters: {weight: 0.5}}\n- {model: '@/b', parameters: {weight: 1.5}}\n";
    let linear = format!("merge_method: linear\n{models}");
    assert_eq!(same(&home, "--lambda a=0.25,b=0.75", &linear), "linear/1");
    let base = "base_model: '@/base'\n";
    let arithmetic = format!("merge_method: task_arithmetic\n{base}{models}");
    let flags = "--base @/base --method task-arithmetic --extrapolate --lambda a=0.5,b=1.5";
    assert_eq!(same(&home, flags, &arithmetic), "task_arithmetic/1");
    let equal = models.replace("1.5", "0.5");
    let ties = format!("merge_method: ties\n{base}{equal}parameters: {{density: 0.5}}\n");
    let flags = "--base @/base --method ties --density 0.5 --lambda a=0.5,b=0.5";
    assert_eq!(same(&home, flags, &ties), "ties/1");
    let stock =
        format!("merge_method: model_stock\n{base}models: [{{model: '@/a'}}, {{model: '@/b'}}]\n");
    assert_eq!(same(&home, "--base @/base --method model-stock", &stock), "model_stock/1");
    let slerp = "merge_method: slerp\nbase_model: '@/a'\nmodels: [{model: '@/a'}, {model: '@/b'}]\nparameters: {t: 0.25}\n";
    assert_eq!(same(&home, "--method slerp --lambda a=0.75,b=0.25", slerp), "slerp/1");
}

#[test]
fn what_a_configuration_says_beyond_that_is_refused_by_name() {
    let home = three();
    let refuse = |text: &str| {
        let there = home.path("").display().to_string();
        fs::write(home.path("merge.yml"), text.replace('@', there.trim_end_matches('/'))).unwrap();
        refused(&home.mix("--mergekit @/merge.yml --no-output")).1
    };
    let models = "models: [{model: '@/a', parameters: {weight: 1}}]\n";
    for (extra, said) in [
        ("slices: []\n", "slices"),
        ("tokenizer_source: union\n", "tokenizer_source"),
        ("merge_method: linear\n", "'merge_method' stands twice"),
    ] {
        let message = refuse(&format!("merge_method: linear\n{models}{extra}"));
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn methods_say_what_they_need() {
    let home = three();
    let (_, message) = refused(&home.mix(&format!("{AB} --method ties --density 0.5 --no-output")));
    assert!(message.contains("--base"), "{message}");
    let flags =
        "--method task-arithmetic --base @/base --lambda a=1.5,b=-0.5 --out @/soup.safetensors";
    refused(&home.mix(&format!("{AB} {flags}")));
    let made = home.mix(&format!("{AB} {flags} --extrapolate --lineage")).succeeded();
    assert!(made["recipe"].is_string());
    // base + 1.5(a − base) − 0.5(b − base), where the weights sum to one: 1.5a − 0.5b.
    let found = read_f32s(&home.path("soup.safetensors"), "w");
    assert_eq!(found, [0.0, -4.0, 0.625, 3.5]);
}

#[test]
fn layers_have_weights_of_their_own() {
    let home = Home::new();
    for (name, value) in [("a", 1.0), ("b", 3.0)] {
        home.model(name, &[f32s("layers.0.w", &[value]), f32s("layers.1.w", &[value])]);
    }
    let layers = "[[group]]\ntensors = 'layers.0.*'\nlambda = 'a=1'\n";
    fs::write(home.path("layers.toml"), layers).unwrap();
    let flags =
        "--method layerwise --layers @/layers.toml --lambda a=0.5,b=0.5 --out @/soup.safetensors";
    home.mix(&format!("{AB} {flags}")).succeeded();
    let read = |name: &str| read_f32s(&home.path("soup.safetensors"), name);
    assert_eq!((read("layers.0.w"), read("layers.1.w")), (vec![1.0], vec![2.0]));
}
