use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value as Json, json};

use super::super::{Fault, Sample, Shown, TextScorer};
use super::*;
use crate::task::{NewsDesk, Split};
use crate::text::{Around, ChatTemplate, Conversation, Specials};

/// The array of one `[[reward]]` with these keys.
fn one(keys: &str) -> Value {
    let table: toml::Table = keys.parse().unwrap();
    Value::Array(vec![Value::Table(table)])
}

fn many(text: &str) -> Value {
    text.parse::<toml::Table>().unwrap()["reward"].clone()
}

fn sample<'a>(completion: &'a str, columns: &'a Map<String, Json>) -> Sample<'a> {
    Sample {
        prompt: "Say it.",
        conversation: None,
        completion,
        tokens: 1,
        is_finished: true,
        columns,
    }
}

/// The score that the one reward with these keys gives a completion.
pub(in crate::reward) fn score(keys: &str, completion: &str) -> f64 {
    score_with(keys, completion, json!({}))
}

pub(in crate::reward) fn score_with(keys: &str, completion: &str, columns: Json) -> f64 {
    let mut rewards = Rewards::parse(&one(keys), Path::new(".")).unwrap();
    total(&mut rewards, completion, &columns)
}

/// The same of a completion with that many tokens.
pub(in crate::reward) fn score_of_tokens(keys: &str, tokens: usize) -> f64 {
    let (mut rewards, columns) = (Rewards::parse(&one(keys), Path::new(".")).unwrap(), Map::new());
    let sample = Sample { tokens, ..sample("a", &columns) };
    rewards.score(1, &[sample]).unwrap().total[0].unwrap()
}

pub(in crate::reward) fn score_in(folder: &Path, keys: &str, completion: &str) -> f64 {
    total(&mut Rewards::parse(&one(keys), folder).unwrap(), completion, &json!({}))
}

fn total(rewards: &mut Rewards, completion: &str, columns: &Json) -> f64 {
    let scored = rewards.score(1, &[sample(completion, columns.as_object().unwrap())]).unwrap();
    scored.total[0].unwrap()
}

/// Why the one reward with these keys is refused.
pub(in crate::reward) fn refusal(keys: &str) -> String {
    refusal_in(Path::new("."), keys)
}

pub(in crate::reward) fn refusal_in(folder: &Path, keys: &str) -> String {
    Rewards::parse(&one(keys), folder).unwrap_err().to_string()
}

/// Why the one reward with these keys cannot score a completion.
pub(in crate::reward) fn fault(keys: &str, completion: &str, columns: Json) -> String {
    let mut rewards = Rewards::parse(&one(keys), Path::new(".")).unwrap();
    let columns = columns.as_object().unwrap();
    rewards.score(1, &[sample(completion, columns)]).unwrap_err().to_string()
}

/// Scores a batch of texts without columns.
fn batch(rewards: &mut Rewards, texts: &[&str]) -> Result<Scored, RewardError> {
    let columns = Map::new();
    let samples: Vec<_> = texts.iter().map(|text| sample(text, &columns)).collect();
    rewards.score(12, &samples)
}

#[test]
fn the_total_is_the_weighted_sum_of_clipped_scores() {
    let mut rewards = Rewards::parse(
        &many(
            r"
            [[reward]]
            name = 'digits'
            kind = 'regex'
            pattern = '[0-9]'
            mode = 'per-match'
            weight = 2
            clip = [0, 3]
            [[reward]]
            kind = 'length'
            target = 1
            weight = -0.5
            [[reward]]
            name = 'watched'
            kind = 'finished'
            weight = 0
            ",
        ),
        Path::new("."),
    )
    .unwrap();
    let scored = batch(&mut rewards, &["1", "12345", "a b"]).unwrap();
    assert_eq!(scored.total, [Some(1.5), Some(5.5), Some(0.0)]);
    let digits = &scored.parts[0];
    assert_eq!(digits.scores, [Some(1.0), Some(5.0), Some(0.0)], "as they were before clipping");
    assert_eq!((digits.mean, digits.min, digits.max), (2.0, 0.0, 5.0));
    let names: Vec<_> = rewards.names().collect();
    assert_eq!(names, [("digits", 2.0), ("length", -0.5), ("watched", 0.0)]);
}

#[test]
fn whitening_resumes_to_the_same_bits() {
    let keys = "kind = 'length'\nunit = 'chars'\ntarget = 30\nwhiten = true";
    let open = || Rewards::parse(&one(keys), Path::new(".")).unwrap();
    let batches = [["a", "bb"], ["ccc", "d"], ["eeeeeee", "ff"]];
    let mut whole = open();
    let expected: Vec<_> =
        batches.iter().map(|texts| batch(&mut whole, texts).unwrap().total).collect();
    assert_ne!(expected[0][0], expected[1][1], "the same text, against another mean");
    for cut in 0..batches.len() {
        let mut first = open();
        for (texts, expected) in batches[..cut].iter().zip(&expected) {
            assert_eq!(&batch(&mut first, texts).unwrap().total, expected);
        }
        let state = first.state().to_string();
        let mut second = open();
        second.restore(&serde_json::from_str(&state).unwrap()).unwrap();
        for (texts, expected) in batches[cut..].iter().zip(&expected[cut..]) {
            let total = batch(&mut second, texts).unwrap().total;
            let bits = |total: &[Option<f64>]| -> Vec<_> {
                total.iter().map(|score| score.map(f64::to_bits)).collect()
            };
            assert_eq!(bits(&total), bits(expected));
        }
        assert_eq!(second.state(), whole.state());
    }
}

#[test]
fn a_foreign_state_is_refused_and_changes_nothing() {
    let keys = "kind = 'length'\ntarget = 3\nwhiten = true";
    let mut rewards = Rewards::parse(&one(keys), Path::new(".")).unwrap();
    batch(&mut rewards, &["a", "b c"]).unwrap();
    let state = rewards.state();
    for foreign in [
        json!({}),
        json!({"v": 2, "whitening": state["whitening"]}),
        json!({"v": 1, "whitening": {}}),
        json!({"v": 1, "whitening": {"length": 3}}),
        json!({"v": 1, "whitening": {"other": state["whitening"]["length"]}}),
    ] {
        rewards.restore(&foreign).unwrap_err();
        assert_eq!(rewards.state(), state);
    }
}

#[test]
fn what_is_not_scored_fails_or_is_left_out() {
    let rows = [json!({"answer": "a"}), json!({}), json!({"answer": null})];
    let samples: Vec<_> = rows.iter().map(|row| sample("a", row.as_object().unwrap())).collect();
    let open = |unscored: &str| {
        let keys = format!("kind = 'exact'\ncolumn = 'answer'\nunscored = '{unscored}'");
        Rewards::parse(&one(&keys), Path::new(".")).unwrap()
    };
    let error = open("fail").score(12, &samples).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reward `exact` failed at step 12 on a batch of 3: sample 1 got no score: it has no column \
         `answer` (unscored = \"skip\" would leave it out)"
    );
    let scored = open("skip").score(12, &samples).unwrap();
    assert_eq!(scored.total, [Some(1.0), None, None]);
    assert_eq!((scored.parts[0].unscored, scored.parts[0].mean), (2, 1.0));
    let error = open("skip").score(12, &samples[1..]).unwrap_err();
    assert_eq!(error.fault, Fault::NothingScored(Some("it has no column `answer`".to_owned())));
    let error = open("skip").score(12, &[]).unwrap_err();
    assert_eq!((error.reward.as_str(), error.samples), ("rewards", 0));
}

#[test]
fn an_error_leaves_no_trace_in_the_state() {
    let text = "[[reward]]\nname = 'a'\nkind = 'length'\ntarget = 3\nwhiten = true\n\
        [[reward]]\nname = 'b'\nkind = 'exact'\ncolumn = 'answer'";
    let mut rewards = Rewards::parse(&many(text), Path::new(".")).unwrap();
    let state = rewards.state();
    batch(&mut rewards, &["a"]).unwrap_err();
    assert_eq!(rewards.state(), state);
}

#[test]
fn samples_that_do_not_concern_a_reward_are_not_asked_about() {
    let text = "[[reward]]\nkind = 'exact'\ncolumn = 'answer'\nwhen = {column = 'task', is = 'qa'}\n\
        [[reward]]\nkind = 'json'\nwhen = {column = 'task', is = 'json'}\nempty = -1\nunfinished = -2";
    let mut rewards = Rewards::parse(&many(text), Path::new(".")).unwrap();
    let rows =
        [json!({"task": "qa", "answer": "yes"}), json!({"task": "json"}), json!({"task": "other"})];
    let with = |text: &'static str, row: &'static str| (text, row);
    let column = |name: &str| match name {
        "qa" => rows[0].as_object().unwrap(),
        "json" => rows[1].as_object().unwrap(),
        _ => rows[2].as_object().unwrap(),
    };
    let batch: Vec<_> =
        [with("yes", "qa"), with("{}", "json"), with(" ", "json"), with("x", "other")]
            .into_iter()
            .map(|(text, row)| sample(text, column(row)))
            .collect();
    let scored = rewards.score(1, &batch).unwrap();
    assert_eq!(scored.total, [Some(1.0), Some(1.0), Some(-1.0), None]);
    assert_eq!(scored.parts.iter().map(|part| part.unscored).sum::<usize>(), 0);
    let cut = Sample { is_finished: false, ..sample("{}", column("json")) };
    assert_eq!(rewards.score(1, &[cut]).unwrap().total, [Some(-2.0)]);
    rewards.score(1, &batch[3..]).unwrap_err();
}

#[test]
fn overflow_is_an_error_and_not_a_score() {
    let keys = "kind = 'regex'\npattern = 'a'\nmode = 'per-match'\nscore = 1e308";
    let mut rewards = Rewards::parse(&one(keys), Path::new(".")).unwrap();
    let error = batch(&mut rewards, &["a", "a aa"]).unwrap_err();
    assert_eq!(error.fault, Fault::NotFinite { sample: 1, score: f64::INFINITY });
    let mut rewards =
        Rewards::parse(&one(&format!("{keys}\nweight = 1000")), Path::new(".")).unwrap();
    assert!(matches!(batch(&mut rewards, &["a"]).unwrap_err().fault, Fault::NotFinite { .. }));
}

#[test]
fn a_malformed_list_is_refused_by_table_and_key() {
    let refuse = |text: &str| Rewards::parse(&many(text), Path::new(".")).unwrap_err().to_string();
    let json = "[[reward]]\nkind = 'json'\n";
    for (text, fault) in [
        ("reward = 3", "must be an array of tables"),
        ("reward = []", "1 to 64 tables"),
        ("reward = [3]", "reward[1] must be a table"),
        ("[[reward]]", "reward[1]: kind is missing"),
        ("[[reward]]\nkind = 'beauty'", "kind must be one of `regex`"),
        (&format!("{json}{json}"), "reward[2]: name `json` stands twice"),
        (&format!("{json}colour = 3"), "reward[1] (`json`): colour is not a key"),
        (&format!("{json}weight = inf"), "weight must be a number from -1000000 to 1000000"),
        (&format!("{json}weight = 0"), "each weight is 0"),
        (&format!("{json}name = 'a b'"), "name must be"),
        (&format!("{json}clip = [1, 0]"), "clip must be two finite numbers"),
        (&format!("{json}clip = [0, nan]"), "clip must be two finite numbers"),
        (&format!("{json}unscored = 'zero'"), "unscored must be one of `fail`, `skip`"),
        (&format!("{json}when = {{column = 'a'}}"), "when is malformed: when: is is missing"),
        (&format!("{json}empty = nan"), "empty must be a finite number"),
        ("[[reward]]\nkind = 'model'\nfolder = 'rm'", "folder names no reward model"),
        ("[[reward]]\nkind = 'brevity'\nbroken = -1.0\nscale = 2.0", "allowance is missing"),
        ("[[reward]]\nkind = 'completeness'\nbroken = 0.0", "must not pay for silence"),
    ] {
        let error = refuse(text);
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn the_news_are_scored_from_their_column_of_facts() {
    let item = NewsDesk::news(3, 0.5).item(Split::Train, 0);
    let columns = json!({"facts": item.facts_column()});
    let summary = format!("{}.", item.facts()[0].clause());
    let sample = |completion, is_finished| Sample {
        prompt: item.article(),
        conversation: None,
        completion,
        tokens: 1,
        is_finished,
        columns: columns.as_object().unwrap(),
    };
    for (keys, reward) in [
        ("kind = 'completeness'\nbroken = -1.0", "kind = 'completeness'\nbroken = -1.0"),
        (
            "kind = 'brevity'\nallowance = 1.0\nscale = 9.0\nbroken = -2.0",
            "kind = 'brevity'\nallowance = 1.0\nscale = 9.0\nbroken = -2.0",
        ),
    ] {
        let mut rewards = Rewards::parse(&one(keys), Path::new(".")).unwrap();
        let reward: super::super::Reward = toml::from_str(reward).unwrap();
        let batch = [sample(&summary, true), sample(&summary, false), sample("nonsense", true)];
        let expected = [
            reward.judge(&item, Some(&summary)).score,
            reward.judge(&item, None).score,
            reward.judge(&item, None).score,
        ];
        assert_eq!(rewards.score(1, &batch).unwrap().total, expected.map(Some));
    }
    let foreign = json!({"facts": [{"kind": "mood", "value": "good"}]});
    let keys = "kind = 'completeness'\nbroken = -1.0";
    assert!(fault(keys, "x", foreign).contains("must be a list of facts of the news"));
}

/// Scores a text by its length, and a pair by that of its second half.
struct Lengths(usize);

impl TextScorer for Lengths {
    fn score(&mut self, texts: &[Shown]) -> Result<Vec<f64>, String> {
        if texts.len() > self.0 {
            return Err(format!("{} texts at once", texts.len()));
        }
        Ok(texts.iter().map(|it| it.second.as_ref().unwrap_or(&it.first).len() as f64).collect())
    }
}

#[test]
fn a_model_is_opened_by_the_caller_and_shown_what_the_recipe_says() {
    let total = |keys: &str, most| {
        let mut open = |folder: &Path| -> Result<Box<dyn TextScorer>, BadInput> {
            assert!(folder.ends_with("rm") && folder.is_absolute());
            Ok(Box::new(Lengths(most)))
        };
        let tables = one(&format!("kind = 'model'\nfolder = 'rm'\nbatch = 2\n{keys}"));
        let mut rewards = Rewards::parse_with(&tables, Path::new("."), &mut open).unwrap();
        batch(&mut rewards, &["a", "bb", "ccc"]).map(|scored| scored.total)
    };
    // The prompt has 7 bytes.
    assert_eq!(total("", 2).unwrap(), [Some(8.0), Some(9.0), Some(10.0)]);
    assert_eq!(total("input = 'pair'", 2).unwrap(), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(total("input = 'completion'", 2).unwrap(), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(total("", 1).unwrap_err().fault, Fault::Refused("2 texts at once".to_owned()));
}

/// Keeps what it is shown.
struct Seen(Arc<Mutex<Vec<Shown<'static>>>>, ChatTemplate);

impl TextScorer for Seen {
    fn score(&mut self, texts: &[Shown]) -> Result<Vec<f64>, String> {
        let owned = texts.iter().map(|it| Shown {
            first: it.first.clone().into_owned().into(),
            second: it.second.clone().map(|it| it.into_owned().into()),
            around: it.around,
        });
        self.0.lock().unwrap().extend(owned);
        Ok(vec![0.0; texts.len()])
    }

    fn template(&self) -> Result<Option<&ChatTemplate>, String> {
        Ok(Some(&self.1))
    }
}

#[test]
fn a_conversation_is_printed_by_the_models_own_template() {
    let template = "{% for it in messages %}<{{ it.role }}>{{ it.content }}</>{% endfor %}\
                    {% if add_generation_prompt %}<assistant>{% endif %}";
    let shown = |keys: &str, conversation: Option<&Conversation>| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut open = |_: &Path| -> Result<Box<dyn TextScorer>, BadInput> {
            let template = ChatTemplate::new(template, &Specials::default(), None).unwrap();
            Ok(Box::new(Seen(seen.clone(), template)))
        };
        let tables = one(&format!("kind = 'model'\nfolder = 'rm'\n{keys}"));
        let mut rewards = Rewards::parse_with(&tables, Path::new("."), &mut open).unwrap();
        let columns = Map::new();
        // As the policy's template would print it.
        let sample = Sample { prompt: "[user] Why? [it]", conversation, ..sample("So.", &columns) };
        rewards.score(1, &[sample]).unwrap();
        let Shown { first, second, around } = seen.lock().unwrap().remove(0);
        (first.into_owned(), second.map(std::borrow::Cow::into_owned), around)
    };
    let chat = Conversation::of_user("Why?");
    let whole = "<user>Why?</><assistant>So.</>".to_owned();
    assert_eq!(shown("", Some(&chat)), (whole, None, Around::Nothing));
    let pair = ("<user>Why?</><assistant>".to_owned(), Some("So.</>".to_owned()), Around::Nothing);
    assert_eq!(shown("input = 'pair'", Some(&chat)), pair);
    let alone = ("So.".to_owned(), None, Around::Specials);
    assert_eq!(shown("input = 'completion'", Some(&chat)), alone);
    let text = ("[user] Why? [it]So.".to_owned(), None, Around::Specials);
    assert_eq!(shown("", None), text);
}

#[test]
fn the_definition_is_the_tables_and_the_files_that_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words");
    let definition = |text: &str| {
        let rewards = Rewards::parse(&many(text), folder.path()).unwrap();
        String::from_utf8(rewards.definition().to_vec()).unwrap()
    };
    std::fs::write(&words, "good").unwrap();
    let text = "[[reward]]\nweight = 0.5\nkind = 'lexicon'\nfile = 'words'";
    let first = definition(text);
    let digest = blake3::hash(b"good").to_hex();
    assert_eq!(
        first,
        format!(
            r#"{{"files":{{"words":"{digest}"}},"reward":[{{"file":"words","kind":"lexicon","weight":0.5}}],"v":1}}"#
        )
    );
    assert_eq!(definition("[[reward]]\nfile = 'words'\nkind = 'lexicon'\nweight = 0.5"), first);
    std::fs::write(&words, "bad").unwrap();
    assert_ne!(definition(text), first);
}

#[test]
fn the_example_list_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training/rewards.toml");
    let rewards = Rewards::read(&path).unwrap();
    assert_eq!(rewards.names().count(), 14);
    let definition = String::from_utf8(rewards.definition().to_vec()).unwrap();
    let adapter = blake3::hash(&std::fs::read(path.with_file_name("wrap_reward.py")).unwrap());
    assert!(definition.contains(&format!("\"wrap_reward.py\":\"{}\"", adapter.to_hex())));

    // Without the two that need a program and a server, it scores.
    let text = std::fs::read_to_string(&path).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    let tables = table["reward"].as_array_mut().unwrap();
    tables.retain(|table| !matches!(table["kind"].as_str(), Some("exec" | "http")));
    let mut rewards = Rewards::parse(&table["reward"], path.parent().unwrap()).unwrap();
    let row = json!({"task": "sums", "answer": 7, "reference": "The answer is 7."});
    let scored = rewards.score(1, &[sample("The answer is 7.", row.as_object().unwrap())]).unwrap();
    // 2 for the answer, ½ three times for the reference, 0.1 for the end, and 4 words of 30 to 50:
    // 1 − 26 / 30.
    let expected = 2.0 + 1.5 + 0.1 + (1.0 - 26.0 / 30.0);
    assert!((scored.total[0].unwrap() - expected).abs() < 1e-9, "{scored:?}");
}

#[test]
fn a_file_that_is_no_list_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    for (text, fault) in [
        ("", "mine.toml: there must be 1 to 64 tables"),
        ("[[reward]]\nkind = 'json'\n[other]", "mine.toml: other is not a key of this file"),
        ("[[reward]]\nkind = 'json'\nmood = 1", "mine.toml: reward[1] (`json`): mood is not a key"),
        ("[[reward]\n", "mine.toml line 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Rewards::read(&path).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    assert!(Rewards::read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
}
