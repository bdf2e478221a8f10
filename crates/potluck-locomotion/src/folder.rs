//! What lies on the disk: a base's folder, and an expert's outbox, which is whole or absent.
//!
//! ```text
//! BASE/config.json  model.safetensors                 what a federation is founded on
//! OUT/outbox/config.json  model.safetensors  card.json    what a party pushes
//! OUT/private/reward.txt  nonce                       what stays
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use potluck_train::files::{sync_folder, write_whole};
use potluck_train::reward::Nonce;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use tch::Tensor;

use crate::body::{BODIES, Body};
use crate::normaliser::Normaliser;
use crate::policy::{HIDDEN, Net, Policy};

/// The file of weights.
pub const WEIGHTS: &str = "model.safetensors";
/// The file that says what the weights are of.
pub const CONFIG: &str = "config.json";
/// What `config.json` calls them.
const MODEL_TYPE: &str = "potluck-locomotion";
/// Names of the net's tensors, weight and bias of each layer.
const NET: [&str; 6] = [
    "policy.0.weight",
    "policy.0.bias",
    "policy.1.weight",
    "policy.1.bias",
    "policy.2.weight",
    "policy.2.bias",
];
const LOG_SIGMA: &str = "policy.log_sigma";
const MEAN: &str = "observation.mean";
const DEVIATION: &str = "observation.deviation";

/// The bytes of `model.safetensors`; equal policies give equal bytes.
pub fn to_bytes(policy: &Policy) -> Vec<u8> {
    let mut tensors: BTreeMap<&str, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    let floats = NET.into_iter().zip(&policy.net.0).chain([(LOG_SIGMA, &policy.log_sigma)]);
    for (name, tensor) in floats {
        let values = Vec::<f32>::try_from(tensor.detach().reshape([-1])).expect("floats");
        let shape = tensor.size().iter().map(|it| *it as usize).collect();
        let bytes = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        tensors.insert(name, (Dtype::F32, shape, bytes));
    }
    let (mean, deviation) = policy.normaliser.to_fixed();
    for (name, values) in [(MEAN, mean), (DEVIATION, deviation)] {
        let bytes = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        tensors.insert(name, (Dtype::I64, vec![values.len()], bytes));
    }
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("bytes are of the shape"))
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).expect("names and shapes are ours")
}

/// A policy from the bytes of a `model.safetensors`.
///
/// # Errors
/// Where a tensor is missing, unknown, of another type or shape, or not finite.
pub fn from_bytes(bytes: &[u8]) -> Result<Policy> {
    let file = SafeTensors::deserialize(bytes).context("no file of weights")?;
    let of = |name: &str, dtype| {
        let view =
            file.tensor(name).ok().with_context(|| format!("the tensor {name} is missing"))?;
        ensure!(view.dtype() == dtype, "the tensor {name} is of type {}", view.dtype());
        Ok::<_, anyhow::Error>(view)
    };
    let integers = |name: &str| -> Result<Vec<i64>> {
        let view = of(name, Dtype::I64)?;
        Ok(view.data().as_chunks().0.iter().map(|it| i64::from_le_bytes(*it)).collect())
    };
    let normaliser = Normaliser::from_fixed(&integers(MEAN)?, &integers(DEVIATION)?);
    let normaliser = normaliser.map_err(anyhow::Error::msg)?;
    let actions = of(LOG_SIGMA, Dtype::F32)?.shape().iter().product();
    let sides = [(HIDDEN, normaliser.observations()), (HIDDEN, HIDDEN), (actions, HIDDEN)];
    let floats = |name: &str, shape: &[usize]| -> Result<Tensor> {
        let view = of(name, Dtype::F32)?;
        ensure!(
            view.shape() == shape,
            "the tensor {name} has shape {:?}, not {shape:?}",
            view.shape()
        );
        let values: Vec<f32> =
            view.data().as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect();
        ensure!(values.iter().all(|it| it.is_finite()), "the tensor {name} is not finite");
        let shape: Vec<i64> = shape.iter().map(|it| *it as i64).collect();
        Ok(Tensor::from_slice(&values).reshape(shape))
    };
    let mut net = Vec::new();
    for (layer, (rows, columns)) in sides.into_iter().enumerate() {
        net.push(floats(NET[2 * layer], &[rows, columns])?);
        net.push(floats(NET[2 * layer + 1], &[rows])?);
    }
    ensure!(file.len() == NET.len() + 3, "there are tensors beside those of a policy");
    Ok(Policy { net: Net(net), log_sigma: floats(LOG_SIGMA, &[actions])?, normaliser })
}

/// Reads the policy at `path`, a folder or its file of weights.
///
/// # Errors
/// Where it cannot be read, or is no policy.
pub fn load(path: &Path) -> Result<Policy> {
    let file = weights_of(path);
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    from_bytes(&bytes).with_context(|| file.display().to_string())
}

/// The file of weights of a folder, or the file that was named itself.
pub fn weights_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(WEIGHTS) } else { path.to_owned() }
}

/// BLAKE3 of a file of weights.
///
/// # Errors
/// Where it cannot be read.
pub fn digest(path: &Path) -> Result<blake3::Hash> {
    let file = weights_of(path);
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(blake3::hash(&bytes))
}

/// The body that the base moves.
///
/// # Errors
/// Where its configuration cannot be read, or names a body that we do not have, or not as it is now.
pub fn body_of(base: &Path) -> Result<&'static Body> {
    let file = base.join(CONFIG);
    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let config: Value =
        serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let body = BODIES.into_iter().find(|body| config["body"] == body.name);
    let Some(body) = body.filter(|_| config["model_type"] == MODEL_TYPE) else {
        bail!("{} is of no policy for a body of ours", file.display());
    };
    ensure!(
        config["body_blake3"] == body.blake3(),
        "{} is of another {body}: its body has changed since",
        file.display(),
    );
    Ok(body)
}

/// Writes a base: a new folder, whole or absent.
///
/// # Errors
/// Where something is in its place, or the disk refuses.
pub fn save_base(out: &Path, policy: &Policy, body: &Body) -> Result<blake3::Hash> {
    ensure!(!out.exists(), "{} exists already; name a new folder with --out", out.display());
    let part = out.with_extension("part");
    let bytes = to_bytes(policy);
    put(&part, &[(CONFIG, &config(policy, body)), (WEIGHTS, &bytes)])?;
    settle(&part, out)?;
    Ok(blake3::hash(&bytes))
}

/// What a run was, for its card.
pub struct Run<'a> {
    /// The base.
    pub base: blake3::Hash,
    /// The weights with which it began: the base's, or a soup's.
    pub begun_from: blake3::Hash,
    /// The reward, which stays with the party.
    pub reward: &'a str,
    /// The seed.
    pub seed: u64,
    /// Steps of all worlds.
    pub steps: usize,
    /// How it learned.
    pub settings: Value,
}

/// Fills `out/outbox`, whole or absent; an earlier one of the same run makes way.
///
/// # Errors
/// Where the disk refuses.
pub fn hand_over(out: &Path, policy: &Policy, body: &Body, run: &Run<'_>) -> Result<blake3::Hash> {
    let private = out.join("private");
    write_whole(&private.join("reward.txt"), run.reward.as_bytes())
        .with_context(|| format!("cannot write in {}", private.display()))?;
    let nonce = Nonce::kept_at(&private.join("nonce"))
        .with_context(|| format!("cannot use {}", private.join("nonce").display()))?;
    let card = json!({
        "v": 2,
        "base_blake3": run.base.to_hex().as_str(),
        "begun_from_blake3": run.begun_from.to_hex().as_str(),
        "reward_commitment": nonce.commit(run.reward.as_bytes()).to_string(),
        "algorithm": "ppo",
        "settings": run.settings,
        "seeds": {"run": run.seed},
        "steps": run.steps,
        "trainer": concat!("potluck-locomotion ", env!("CARGO_PKG_VERSION")),
    });
    let (outbox, part) = (out.join("outbox"), out.join("outbox.part"));
    let (card, bytes) = (format!("{card:#}\n").into_bytes(), to_bytes(policy));
    put(&part, &[("card.json", &card), (CONFIG, &config(policy, body)), (WEIGHTS, &bytes)])?;
    if outbox.exists() {
        fs::remove_dir_all(&outbox).with_context(|| outbox.display().to_string())?;
    }
    settle(&part, &outbox)?;
    Ok(blake3::hash(&bytes))
}

fn config(policy: &Policy, body: &Body) -> Vec<u8> {
    let config = json!({
        "model_type": MODEL_TYPE,
        "body": body.name,
        "body_blake3": body.blake3(),
        "observations": policy.normaliser.observations(),
        "actions": policy.actions(),
        "hidden_sizes": [HIDDEN, HIDDEN],
        "activation": "tanh",
        "observation_unit": "2^-32",
    });
    format!("{config:#}\n").into_bytes()
}

fn put(part: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    if part.exists() {
        fs::remove_dir_all(part).with_context(|| part.display().to_string())?;
    }
    for (name, bytes) in files {
        let path = part.join(name);
        write_whole(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn settle(part: &Path, to: &Path) -> Result<()> {
    fs::rename(part, to)
        .and_then(|()| sync_folder(to.parent().unwrap_or(Path::new("."))))
        .with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use potluck_train::stream::Stream;

    use super::*;
    use crate::body::{CHEETAH, HUMANOID};

    pub(crate) fn sample(seed: u64) -> Policy {
        let normaliser = Normaliser::from_fixed(&[1, -(7 << 31), 0], &[1 << 30, 3 << 32, 5]);
        Policy::fresh(normaliser.unwrap(), 2, &mut Stream::of("sample", &[seed]))
    }

    #[test]
    fn a_base_comes_back_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let (path, policy) = (home.path().join("base"), sample(1));
        let digest = save_base(&path, &policy, &HUMANOID).unwrap();
        let again = load(&path).unwrap();
        assert_eq!(to_bytes(&again), to_bytes(&policy));
        assert_eq!(again.normaliser, policy.normaliser);
        assert_eq!(super::digest(&path).unwrap(), digest);
        assert_eq!(body_of(&path).unwrap(), &HUMANOID);
        assert_ne!(CHEETAH.blake3(), HUMANOID.blake3());
        let error = save_base(&path, &policy, &HUMANOID).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        let config = fs::read_to_string(path.join(CONFIG)).unwrap();
        for (old, new, why) in [
            ("humanoid", "unicorn", "no policy for a body of ours"),
            ("humanoid", "cheetah", "of another cheetah"),
            (&HUMANOID.blake3()[..9], "000000000", "of another humanoid"),
        ] {
            fs::write(path.join(CONFIG), config.replace(old, new)).unwrap();
            let error = body_of(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_outbox_tells_no_reward() {
        let home = tempfile::tempdir().unwrap();
        let begin = blake3::hash(b"base");
        let run = Run {
            base: begin,
            begun_from: begin,
            reward: "cautious=0.123",
            seed: 5,
            steps: 4096,
            settings: json!({"gamma": 0.99}),
        };
        for _ in 0..2 {
            hand_over(home.path(), &sample(2), &CHEETAH, &run).unwrap();
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(home.path().join("outbox")).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains("cautious") && !text.contains("0.123"), "{text}");
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["card.json", CONFIG, WEIGHTS]);
        assert!(home.path().join("private/nonce").is_file());
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name() {
        let error = |bytes: &[u8]| format!("{:#}", from_bytes(bytes).unwrap_err());
        assert!(error(b"none").contains("no file of weights"));
        let broken = sample(3);
        tch::no_grad(|| drop(broken.log_sigma.shallow_clone().fill_(f64::NAN)));
        assert!(error(&to_bytes(&broken)).contains("policy.log_sigma is not finite"));
        let narrow = Policy { log_sigma: Tensor::from_slice(&[0.0f32; 3]), ..sample(3) };
        assert!(error(&to_bytes(&narrow)).contains("policy.2.weight has shape"));
    }
}
