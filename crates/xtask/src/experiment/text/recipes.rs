//! Recipes for `potluck train` and `potluck eval`, put together from what `study.json` says.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// How a reinforcement differs from the study's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Way {
    /// How many times as long.
    pub(super) times: f64,
    /// By an adapter of low rank.
    pub(super) lora: bool,
    /// With this cost of a nat of divergence and no guard, instead of what holds the study's near the base.
    pub(super) leash: Option<f64>,
}

impl Way {
    /// As the study says.
    pub(super) const PLAIN: Self = Self { times: 1.0, lora: false, leash: None };
}

/// A task's folder and what it says.
pub(super) struct Recipes {
    /// `study.json`.
    pub(super) study: Value,
    pub(super) folder: PathBuf,
    /// Where trained reward models lie.
    pub(super) models: PathBuf,
    /// `potluck-study`.
    pub(super) program: PathBuf,
    pub(super) seed: u64,
    pub(super) quick: bool,
}

impl Recipes {
    /// The parties' names.
    pub(super) fn parties(&self) -> Vec<String> {
        let parties = self.study["parties"].as_array().map(Vec::as_slice).unwrap_or_default();
        parties.iter().filter_map(|it| it["name"].as_str().map(str::to_owned)).collect()
    }

    /// The measures' names.
    pub(super) fn measures(&self) -> Vec<String> {
        self.strings("measures")
    }

    /// The reward models to train.
    pub(super) fn models(&self) -> Vec<String> {
        self.strings("models")
    }

    /// Those of them that learn from several groups' labels, and are no party's reward.
    pub(super) fn pooled(&self) -> Vec<String> {
        self.models().into_iter().filter(|model| model.starts_with("pooled")).collect()
    }

    fn strings(&self, key: &str) -> Vec<String> {
        let all = self.study[key].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    }

    /// A stage's recipe, `pretrain` or `sft`; `round` says how often it was passed before.
    pub(super) fn stage(&self, stage: &str, model: &Path, round: u64) -> Result<String> {
        let body = self.study[stage].as_str().context("study.json lacks a stage")?;
        let file = self.folder.join(format!("{stage}.jsonl"));
        Ok(format!(
            "{}seed = {}\nprecision = \"f32\"\ncheckpoint_every = 200\n\n[journal]\ntensorboard = false\nsamples_every = 0\n\n\
             [data]\nfile = {}\nlongest = 256\n\n{body}",
            model_line(model),
            self.seed + round,
            quoted(&file)
        ))
    }

    /// A recipe of reinforcement on these rewards.
    pub(super) fn rl(
        &self,
        model: &Path,
        weights: &[(String, f64)],
        seed: u64,
        way: Way,
    ) -> Result<String> {
        let body = self.study["rl"].as_str().context("study.json lacks rl")?;
        let body = lengthened(body, way.times);
        let body = match way.leash {
            Some(cost) => leashed(&body, cost),
            None => body,
        };
        let body = if way.lora {
            // A low rank needs a higher rate for the same change.
            body + "\n[lora]\nrank = 8\nalpha = 32.0\ntarget_modules = [\"all-linear\"]\n"
        } else {
            body
        };
        Ok(format!(
            "{}\n{}",
            self.head(model, seed, "prompts.jsonl"),
            body + &self.tables(weights, true)?
        ))
    }

    /// A recipe to score by: the rewards of some parties, or measures. Where only the likeliest answer counts, its
    /// temperature is next to nothing.
    pub(super) fn judged(&self, model: &Path, names: &[String], likeliest: bool) -> Result<String> {
        let weights: Vec<(String, f64)> = names.iter().map(|name| (name.clone(), 1.0)).collect();
        let sampling = self.study["rl"]
            .as_str()
            .and_then(|rl| rl.lines().find(|line| line.starts_with("max_tokens")));
        Ok(format!(
            "{}\n[rl]\nsteps = 1\n\n[sampling]\n{}\n{}\n{}",
            self.head(model, self.seed, "held-out.jsonl"),
            sampling.unwrap_or_default(),
            if likeliest { "temperature = 0.01\n" } else { "" },
            self.tables(&weights, false)?
        ))
    }

    fn head(&self, model: &Path, seed: u64, file: &str) -> String {
        format!(
            "{}seed = {seed}\nprecision = \"f32\"\ncheckpoint_every = 50\n\n[journal]\ntensorboard = false\nsamples_every = 0\n\n\
             [data]\nfile = {}\nlongest = 256\n",
            model_line(model),
            quoted(&self.folder.join(file))
        )
    }

    /// `[[reward]]` tables. Scores of reward models have no scale of their own: they are whitened to train
    /// on, and taken as they are to judge by.
    fn tables(&self, weights: &[(String, f64)], trains: bool) -> Result<String> {
        let mut text = String::new();
        for (name, weight) in weights.iter().filter(|(_, weight)| *weight != 0.0) {
            let body = self.body(name)?;
            let whiten = trains && body.contains("\"model\"");
            let whiten = if whiten { "whiten = true\n" } else { "" };
            text +=
                &format!("\n[[reward]]\nname = \"{name}\"\nweight = {weight:?}\n{whiten}{body}");
        }
        Ok(text)
    }

    /// The table of a party's reward, of a reward model that no party has, or of a measure.
    fn body(&self, name: &str) -> Result<String> {
        let parties = self.study["parties"].as_array().map(Vec::as_slice).unwrap_or_default();
        let own = parties.iter().find(|it| it["name"] == name);
        let body = match own.and_then(|it| it["reward"].as_str()) {
            Some(body) => body.to_owned(),
            None if self.models().iter().any(|model| model == name) => {
                format!("kind = \"model\"\nfolder = \"{{models}}/{name}/model\"\n")
            }
            None => format!("kind = \"exec\"\ncommand = [{{reward}}, \"{name}\"]\n"),
        };
        let task = self.study["task"].as_str().context("study.json lacks its task")?;
        let models = self.models.to_str().context("a path that is no UTF-8")?;
        let reward = format!("{}, \"reward\", \"{task}\"", quoted(&self.program));
        Ok(body.replace("{models}", models).replace("{reward}", &reward))
    }
}

fn model_line(model: &Path) -> String {
    format!("model = {}\n", quoted(model))
}

/// As TOML has it; a path of ours has no control characters.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// The same with `times` as many steps in `[rl]`.
fn lengthened(body: &str, times: f64) -> String {
    let line = |line: &str| match line.strip_prefix("steps = ").map(str::parse::<f64>) {
        Some(Ok(steps)) => format!("steps = {:.0}\n", (steps * times).max(1.0)),
        _ => format!("{line}\n"),
    };
    body.lines().map(line).collect()
}

/// What ends a training that goes astray, beside what is not finite.
const GUARDS: [&str; 8] =
    ["kl", "length", "entropy", "distinct", "copies", "empty", "unfinished", "held_out"];

/// The same with another cost of divergence, and without what ends a training that goes astray.
fn leashed(body: &str, cost: f64) -> String {
    let guards: String =
        GUARDS.iter().map(|guard| format!("{guard} = {{ enabled = false }}\n")).collect();
    let line = |line: &str| match line {
        _ if line.starts_with("cost = ") => format!("cost = {cost:?}\n"),
        _ if line == "[guards]" => format!("{line}\n{guards}"),
        _ if line.starts_with("kl = ") => String::new(),
        _ => format!("{line}\n"),
    };
    body.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recipe_names_its_rewards_with_their_weights() {
        let study = json!({
            "task": "t", "models": ["pooled"], "measures": ["words"],
            "parties": [{"name": "a", "reward": "kind = \"model\"\nfolder = \"{models}/a\"\n"}],
            "rl": "[rl]\nsteps = 10\n\n[sampling]\nmax_tokens = 7\n\n[kl]\ncost = 0.05\n\n[guards]\nkl = { stop = 12.0 }\n",
        });
        let recipes = Recipes {
            study,
            folder: "/f".into(),
            models: "/m".into(),
            program: "/p".into(),
            seed: 3,
            quick: false,
        };
        let weights = [("a".to_owned(), 0.5), ("pooled".to_owned(), 0.0)];
        let text = recipes
            .rl(Path::new("/b"), &weights, 9, Way { times: 3.0, lora: true, leash: Some(0.0) })
            .unwrap();
        assert!(text.contains("cost = 0.0\n") && !text.contains("stop"), "{text}");
        assert!(text.contains("[guards]\nkl = { enabled = false }\n"), "{text}");
        assert!(text.contains("steps = 30") && text.contains("[lora]"), "{text}");
        assert!(text.contains("folder = \"/m/a\"") && text.contains("whiten = true"), "{text}");
        assert!(!text.contains("pooled") && text.contains("weight = 0.5"), "{text}");
        let text = recipes.judged(Path::new("/b"), &["words".to_owned()], false).unwrap();
        assert!(text.contains("command = [\"/p\", \"reward\", \"t\", \"words\"]"), "{text}");
        assert!(text.contains("max_tokens = 7") && text.contains("held-out.jsonl"), "{text}");
    }
}
