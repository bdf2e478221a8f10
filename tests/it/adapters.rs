//! A federation whose experts are LoRA adapters, from its founding to its audit: what PEFT wrote goes in, and what comes out is
//! an adapter that PEFT reads, whose change is the mean of the changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use potluck_soup::adapter::{Adapter, Wanted, config_of, draw, merge};
use potluck_soup::blend::Shape;
use potluck_soup::{Checkpoint, Layout};
use safetensors::SafeTensors;
use serde_json::Value;
use support::federation::Federation;
use support::programs::{Ended, potluck};

const FILE: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
/// The vectors change much more than training does.
const TABLES: &str =
    "[limits]\nexpert_bytes = 1000000\nchange_permille = 1000000\n[adapters]\nmax_rank = 4\n";

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

fn federation(more: &str) -> Federation {
    let federation =
        Federation::over(&vectors("adapter/base"), &format!("{TABLES}{more}")).unwrap();
    federation.push_foreign("agency", &vectors("adapter/ranks/a")).succeeded();
    federation.push_foreign("readers", &vectors("adapter/ranks/b")).succeeded();
    federation.operator(&["round", "open"], &[]).succeeded();
    federation
}

/// A party's command in its own folder.
fn party(federation: &Federation, party: &str, command: &[&str], rest: &[&str]) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&[command, &["--dir", &dir], rest].concat())
}

fn pull(federation: &Federation, what: &[&str], out: &str) -> PathBuf {
    let target = federation.path(out);
    let place = target.display().to_string();
    federation.stranger(&["pull"], &[what, &["--out", &place]].concat()).succeeded();
    target
}

/// Every element of a tensor of F32 or F64.
fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap();
    match tensor.dtype() {
        safetensors::Dtype::F32 => {
            tensor.data().as_chunks().0.iter().map(|it| f32::from_le_bytes(*it).into()).collect()
        }
        safetensors::Dtype::F64 => {
            tensor.data().as_chunks().0.iter().map(|it| f64::from_le_bytes(*it)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// What an adapter adds to a weight of the base, by its files alone.
fn change(folder: &Path, module: &str) -> Vec<f64> {
    let bytes = fs::read(folder.join(FILE)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(folder.join(CONFIG)).unwrap()).unwrap();
    let rank = file.tensor(&format!("base_model.model.{module}.lora_A.weight")).unwrap().shape()[0];
    let said = config["rank_pattern"].as_object().unwrap().values().chain([&config["r"]]);
    assert!(said.clone().any(|it| *it == rank), "{config}");
    let a = floats(&file, &format!("base_model.model.{module}.lora_A.weight"));
    let b = floats(&file, &format!("base_model.model.{module}.lora_B.weight"));
    let wide = a.len() / rank;
    let element = |row: &[f64], c: usize| {
        row.iter().zip(a.iter().skip(c).step_by(wide)).map(|(b, a)| b * a).sum()
    };
    // The soup's own scale is one.
    b.chunks(rank).flat_map(|row| (0..wide).map(move |c| element(row, c))).collect()
}

#[test]
fn adapters_from_their_push_to_an_audit() {
    let mut federation = federation("");
    for who in ["agency", "readers"] {
        federation.propose(who, "agency=0.6,readers=0.4").succeeded();
    }
    let published = federation.operator(&["publish"], &[]).succeeded();
    // Long since a file, it is found again by an aggregator that died meanwhile.
    federation.restart().unwrap();

    let soup = pull(&federation, &["soup"], "soup");
    let names: Vec<_> = fs::read_dir(&soup).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(published["blake3"], blake3_of(&soup.join(FILE)), "{published}");
    let expected = fs::read(vectors("adapter/ranks/expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    let mut compared = 0;
    for weight in expected.names() {
        let module = weight.strip_suffix(".weight").unwrap();
        for (found, peft) in change(&soup, module).iter().zip(floats(&expected, weight)) {
            assert!((found - peft).abs() < 1e-5, "{weight}: {found}, PEFT has {peft}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");

    // What anybody mixes of the experts by themselves has the same factors, and says the same of them.
    let a = pull(&federation, &["expert", "agency"], "a").display().to_string();
    let b = pull(&federation, &["expert", "readers"], "b").display().to_string();
    let by_hand = federation.path("by-hand");
    let (lambda, out) = (format!("{a}=0.6,{b}=0.4"), by_hand.display().to_string());
    let mixed = potluck(&["mix", "--lambda", &lambda, "--out", &out]).succeeded();
    assert_eq!(mixed["method"], "adapter_linear/1");
    assert_eq!(data(&by_hand.join(FILE)), data(&soup.join(FILE)));
    assert_eq!(fs::read(by_hand.join(CONFIG)).unwrap(), fs::read(soup.join(CONFIG)).unwrap());

    let verdict = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(verdict["ok"], true, "{verdict}");
    let again = federation.push_foreign("agency", &vectors("adapter/ranks/a")).succeeded();
    assert_eq!((&again["already"], &again["prepared"]["before"]), (&true.into(), &true.into()));
    let receipt = again["receipt"].as_str().unwrap();
    party(&federation, "agency", &["verify"], &[receipt]).succeeded();
    let words = federation.stranger(&["charter", "show"], &[]).succeeded();
    assert!(words.to_string().contains("max_rank"), "{words}");

    // Nobody agreed on this one: it is mixed while it is sent, with what PEFT needs beside it.
    let address = federation.serve_http().unwrap();
    let streamed = federation.path("streamed");
    fs::create_dir(&streamed).unwrap();
    for name in [FILE, CONFIG] {
        let url =
            format!("http://{address}/news/model/resolve/agency%3D0.25%2Creaders%3D0.75/{name}");
        let mut asked = Command::new("curl");
        asked.args(["--silent", "--show-error", "--fail", "--output"]).arg(streamed.join(name));
        assert!(asked.arg(url).status().unwrap().success(), "{name}");
    }
    let quarter = federation.path("quarter");
    let (lambda, out) = (format!("{a}=0.25,{b}=0.75"), quarter.display().to_string());
    potluck(&["mix", "--lambda", &lambda, "--out", &out]).succeeded();
    assert_eq!(data(&quarter.join(FILE)), data(&streamed.join(FILE)));
    assert_eq!(fs::read(quarter.join(CONFIG)).unwrap(), fs::read(streamed.join(CONFIG)).unwrap());

    // A byte of an adapter on the aggregator's disk that is another: found by who recomputes.
    let stored = federation.blob(&blake3_of(&Path::new(&a).join(FILE)));
    let mut bytes = fs::read(&stored).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&stored, bytes).unwrap();
    assert_eq!(federation.stranger(&["audit"], &[]).code, Some(4));
}

fn blake3_of(path: &Path) -> String {
    potluck_core::Blake3::of(&fs::read(path).unwrap()).to_string()
}

/// The tensors' bytes, without the header.
fn data(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap();
    let start = Layout::of(&file, potluck_soup::HeaderLimit::LOCAL).unwrap().data_start();
    fs::read(path).unwrap().split_off(start as usize)
}

/// Writes an adapter of one layer.
fn write_adapter(folder: &Path, module: &str, rank: usize, (out, wide): (usize, usize)) {
    let name = |half| format!("base_model.model.{module}.lora_{half}.weight");
    let bytes = |count: usize| 0.5f32.to_le_bytes().repeat(count);
    let (a, b) = (bytes(rank * wide), bytes(out * rank));
    let view = |shape: [usize; 2], bytes| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes)
            .unwrap()
    };
    let tensors = [(name("A"), view([rank, wide], &a)), (name("B"), view([out, rank], &b))];
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(FILE), safetensors::serialize(tensors, None).unwrap()).unwrap();
    let config = serde_json::json!({"peft_type": "LORA", "r": rank, "lora_alpha": 1, "target_modules": ["q_proj"]});
    fs::write(folder.join(CONFIG), config.to_string()).unwrap();
}

#[test]
fn what_is_no_adapter_of_this_federation_is_refused_by_its_code() {
    let federation = Federation::over(&vectors("adapter/base"), TABLES).unwrap();
    let base = vectors("adapter/base");
    let refused = federation.push_foreign("agency", &base);
    assert_eq!(
        (refused.code, refused.error_code().as_str()),
        (Some(3), "manifest-refused"),
        "{refused:?}"
    );
    let refused = federation.push("agency", &base);
    assert_eq!(refused.error_code(), "manifest-refused", "{refused:?}");
    assert!(refused.error().contains("LoRA adapter"), "{refused:?}");

    let code = |folder: &Path| {
        // The party has no base at hand: the aggregator is who finds it.
        let ended = party(&federation, "readers", &["push"], &[&folder.display().to_string()]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        (ended.error_code(), ended.error())
    };
    let (saved, sentence) = code(&vectors("adapter/kinds/a"));
    assert_eq!(saved, "adapter-refused");
    assert!(sentence.contains("score") && sentence.contains("modules_to_save"), "{sentence}");
    let own = federation.path("own");
    write_adapter(&own, "layers.0.q_proj", 5, (5, 7));
    let (high, sentence) = code(&own);
    assert_eq!(high, "adapter-refused");
    assert!(sentence.contains("rank 5"), "{sentence}");
    write_adapter(&own, "layers.0.q_proj", 2, (5, 8));
    let (other, sentence) = code(&own);
    assert_eq!(other, "tensors-differ");
    assert!(sentence.contains("layers.0.q_proj.weight"), "{sentence}");
    // With the base at hand it is found before anything is sent.
    let refused = federation.push_foreign("readers", &own);
    assert_eq!(
        (refused.code, refused.error_code().as_str()),
        (Some(3), "tensors-differ"),
        "{refused:?}"
    );
    write_adapter(&own, "layers.0.q_proj", 2, (5, 7));
    party(&federation, "readers", &["push"], &[&own.display().to_string()]).succeeded();

    // Full weights are what the others take: there the same adapter is merged, and one file of it is none.
    let limits = "[limits]\nexpert_bytes = 1000000\nchange_permille = 1000000\n";
    let whole = Federation::over(&base, limits).unwrap();
    let pushed = whole.push_foreign("agency", &own).succeeded();
    assert!(pushed["prepared"]["base"].is_string(), "{pushed}");
}

/// Writes an adapter of the base's two layers of one shape, with the A that `seed` gives; every element of B is `b`.
fn write_sharing(folder: &Path, seed: u64, b: f32) {
    const MODULE: &str = "layers.0.q_proj";
    let (rank, out, wide) = (2, 5, 7);
    let mut a = vec![0f32; rank * wide];
    draw(seed, MODULE, wide as u64, 0, &mut a);
    let bytes = |values: &[f32]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let (a, b) = (bytes(&a), bytes(&vec![b; out * rank]));
    let name = |half| format!("base_model.model.{MODULE}.lora_{half}.weight");
    let view = |shape: [usize; 2], bytes| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes)
            .unwrap()
    };
    let tensors = [(name("A"), view([rank, wide], &a)), (name("B"), view([out, rank], &b))];
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(FILE), safetensors::serialize(tensors, None).unwrap()).unwrap();
    let config = serde_json::json!({"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["q_proj"]});
    fs::write(folder.join(CONFIG), config.to_string()).unwrap();
}

#[test]
fn parties_that_share_a_hand_in_b_alone_and_mix_its_mean() {
    let federation =
        Federation::over(&vectors("adapter/base"), &format!("{TABLES}shared_a = 7\n")).unwrap();
    let words = federation.stranger(&["charter", "show"], &[]).succeeded();
    assert!(words["meaning"].to_string().contains("from the seed 7"), "{words}");
    let folder = |name: &str| federation.path(name);
    write_sharing(&folder("one"), 7, 0.25);
    write_sharing(&folder("other"), 7, 1.25);
    write_sharing(&folder("foreign"), 8, 0.25);

    let refused = federation.push_foreign("agency", &folder("foreign"));
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(
        refused.error().contains("q_proj.lora_A") && refused.error().contains("seed"),
        "{refused:?}"
    );
    let pushed = federation.push_foreign("agency", &folder("one")).succeeded();
    federation.push_foreign("readers", &folder("other")).succeeded();
    let stored = fs::read(federation.blob(pushed["blake3"].as_str().unwrap())).unwrap();
    let names = SafeTensors::deserialize(&stored).unwrap();
    assert_eq!(names.names(), ["base_model.model.layers.0.q_proj.lora_B.weight"]);

    federation.operator(&["round", "open"], &[]).succeeded();
    for who in ["agency", "readers"] {
        federation.propose(who, "agency=0.75,readers=0.25").succeeded();
    }
    federation.operator(&["publish"], &[]).succeeded();
    let verdict = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(verdict["ok"], true, "{verdict}");

    // What is fetched is what PEFT reads: the drawn A, and the mean of B's, at the rank of each.
    let soup = pull(&federation, &["soup"], "soup");
    let factor = |folder: &Path, half: &str| {
        let bytes = fs::read(folder.join(FILE)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        floats(&file, &format!("base_model.model.layers.0.q_proj.lora_{half}.weight"))
    };
    assert_eq!(factor(&soup, "A"), factor(&folder("one"), "A"));
    assert_eq!(factor(&soup, "B"), [0.5; 10]);
    let config: Value = serde_json::from_slice(&fs::read(soup.join(CONFIG)).unwrap()).unwrap();
    assert_eq!((&config["r"], &config["lora_alpha"]), (&2.into(), &2.into()));
    // And what is fetched can be fetched again, and handed in again.
    pull(&federation, &["soup"], "soup");
    assert_eq!(factor(&soup, "B"), [0.5; 10]);
    let expert = pull(&federation, &["expert", "agency"], "expert");
    assert_eq!(factor(&expert, "A"), factor(&folder("one"), "A"));
    let again = federation.push_foreign("agency", &expert).succeeded();
    assert_eq!((&again["blake3"], &again["already"]), (&pushed["blake3"], &true.into()), "{again}");
}

#[test]
fn candidates_of_adapters_are_scored_as_models() {
    let federation = federation("[bargain]\nleast_prompts = 2\n");
    for who in ["agency", "readers"] {
        federation.propose(who, "agency=0.5,readers=0.5").succeeded();
    }
    // Keeps each model that it is shown.
    let seen = federation.path("seen");
    fs::create_dir(&seen).unwrap();
    let judge = format!(
        "test -f \"$POTLUCK_MODEL/config.json\" && cp \"$POTLUCK_MODEL/model.safetensors\" \"$(mktemp {}/XXXXXX)\" && \
         echo '{{\"mean\": 0.5, \"error\": 0.1, \"prompts\": 2}}'",
        seen.display()
    );
    let scored =
        party(&federation, "agency", &["round", "score"], &["--evaluate", &judge]).succeeded();
    assert!(scored["candidates"].as_array().unwrap().len() >= 3, "{scored}");

    // Among them the base and the mean of both, as `adapter_merge/1` has it.
    let kept: Vec<_> =
        fs::read_dir(&seen).unwrap().map(|it| fs::read(it.unwrap().path()).unwrap()).collect();
    assert!(kept.contains(&fs::read(vectors("adapter/base/model.safetensors")).unwrap()));
    let open = |who: &str, name: &str| {
        let folder = Checkpoint::open(&vectors("adapter/ranks").join(name)).unwrap();
        Adapter::open(&who.parse().unwrap(), &folder).unwrap()
    };
    let (a, b) = (open("agency", "a"), open("readers", "b"));
    let base = Checkpoint::open(&vectors("adapter/base")).unwrap();
    let wanted = Wanted { dtype: None, recipe: None, prefer: None };
    let mean = merge(&base, &[(500_000, &a), (500_000, &b)], Shape::One, &wanted).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut mean.files()[0].reader(), &mut bytes).unwrap();
    assert!(kept.contains(&bytes), "{} models were shown", kept.len());
}

#[test]
fn an_adapter_that_trl_trained_is_mixed_as_what_peft_opens() {
    let Some(trl) = std::env::var_os("POTLUCK_TRL_PYTHON").map(PathBuf::from) else {
        eprintln!("SKIPPED: no Python with TRL; `cargo xtask test-trl` installs it");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let run = |step: &str, args: &[&Path]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interchange/own_trainer.py");
        let mut run = Command::new(&trl);
        run.arg(script)
            .arg(step)
            .args(args)
            .env("HF_HUB_OFFLINE", "1")
            .env("CUDA_VISIBLE_DEVICES", "");
        let ended = run.output().unwrap();
        assert!(ended.status.success(), "{step}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    let (base, one, other) = (path("base"), path("one"), path("other"));
    run("base", &[&vectors("hf/llama3"), &base]);
    run("train", &[&base, &one]);
    run("vary", &[&one, &other]);

    let federation = Federation::over(
        &base,
        &TABLES.replace("expert_bytes = 1000000", "expert_bytes = 100000000"),
    )
    .unwrap();
    let pushed = federation.push_foreign("agency", &one).succeeded();
    // Only what says what the base is called on this machine is left out.
    let stored = federation.blob(pushed["blake3"].as_str().unwrap());
    assert!(!config_of(&stored).unwrap().unwrap().contains(&*home.path().to_string_lossy()));
    federation.push_foreign("readers", &other).succeeded();
    federation.operator(&["round", "open"], &[]).succeeded();
    for who in ["agency", "readers"] {
        federation.propose(who, "agency=0.3,readers=0.7").succeeded();
    }
    federation.operator(&["publish"], &[]).succeeded();
    let soup = pull(&federation, &["soup"], "soup");
    // PEFT opens the soup, and what it merges is the mean of what it merges of each.
    run("compare", &[&base, &soup, &one, &other]);
    let verdict = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(verdict["ok"], true, "{verdict}");
}
