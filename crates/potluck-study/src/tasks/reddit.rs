//! Summaries of posts in which somebody tells a quarrel: the news task's trade-off in another language, with more
//! said around what matters.
//!
//! Authors want everything told; moderators want nothing told that the post does not bear out. On some things the
//! post gives two versions, and which of them is true no reader can know.

use potluck_train::stream::Stream;
use serde_json::{Map, Value, json};

use crate::task::{Answer, Item, Split, Task, Training, exec};

/// Something that a post tells.
struct Kind {
    name: &'static str,
    values: &'static [&'static str],
    /// How the post tells it, with a place for the value.
    tells: &'static [&'static str],
    /// How it tells two versions; nothing where there is never a doubt.
    doubts: &'static [&'static str],
    /// How a summary begins the clause; the value follows.
    says: &'static str,
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "who",
        values: &[
            "brother",
            "roommate",
            "boss",
            "cousin",
            "neighbour",
            "landlord",
            "aunt",
            "friend",
            "teacher",
            "uncle",
        ],
        tells: &[
            "So this is about my {}.",
            "My {} is driving me mad.",
            "I need to vent about my {}.",
        ],
        doubts: &[],
        says: "my",
    },
    Kind {
        name: "did",
        values: &["sold", "broke", "hid", "painted", "borrowed", "lost", "burned", "copied"],
        tells: &["Somebody {} it, and I know who.", "It was {} when I came back."],
        doubts: &["I say it was {}, they say {}."],
        says: "who",
    },
    Kind {
        name: "what",
        values: &[
            "bike", "guitar", "laptop", "jacket", "sofa", "diary", "tent", "phone", "piano", "mug",
        ],
        tells: &["It was all over a {}.", "The {} meant a lot to me."],
        doubts: &["I thought of the {}, others of the {}."],
        says: "the",
    },
    Kind {
        name: "where",
        values: &[
            "Leeds", "Austin", "Perth", "Cork", "Dallas", "Bergen", "Graz", "Malmo", "Nantes",
            "Bilbao",
        ],
        tells: &["We live in {}.", "This was back in {}.", "It happened in {}."],
        doubts: &["Some say it was in {}, some in {}."],
        says: "in",
    },
    Kind {
        name: "why",
        values: &["rent", "jealousy", "boredom", "envy", "money", "spite", "hunger", "love"],
        tells: &["The reason was {}.", "I blame {}."],
        doubts: &["I blame {}, my sister blames {}.", "It was {} or {}, who knows."],
        says: "out of",
    },
    Kind {
        name: "since",
        values: &["Monday", "Tuesday", "Friday", "Sunday", "Easter", "August", "October", "March"],
        tells: &["It has gone on since {}.", "We have not spoken since {}."],
        doubts: &["I think it began on {}, or maybe {}."],
        says: "since",
    },
    Kind {
        name: "cost",
        values: &["40", "60", "80", "150", "250", "350", "450", "650"],
        tells: &["I am out {} dollars.", "The damage is {} dollars."],
        doubts: &["They say {} dollars, I say {}."],
        says: "for",
    },
    Kind {
        name: "now",
        values: &[
            "lawyer", "police", "refund", "apology", "divorce", "silence", "party", "holiday",
        ],
        tells: &["Now I want a {} or whatever comes next.", "What I need is a {}, I guess."],
        doubts: &["I want a {}, my partner a {}."],
        says: "now a",
    },
    Kind {
        name: "ask",
        values: &["wrong", "naive", "rude", "petty", "greedy", "strict"],
        tells: &["Am I being {} here?", "People call me {} for this."],
        doubts: &[],
        says: "am I",
    },
];

/// What is said around it.
const FILLERS: [&str; 10] = [
    "Long time reader, first post.",
    "Sorry for my spelling.",
    "Bear with me.",
    "I am typing this on the bus.",
    "Anyway.",
    "You cannot make this up.",
    "I have tried to stay calm.",
    "Names are changed.",
    "There is more to it.",
    "Thanks for reading.",
];

/// The share of told things that have two versions, in posts and in the short ones that are pretrained on.
const DOUBTED: [f64; 2] = [0.6, 0.2];
/// The share of wrong values in references.
const NOISE: f64 = 0.07;
/// Summaries behind one text in pretraining.
const SUMMARIES: usize = 4;

pub(super) struct Reddit;

#[derive(Debug, Clone, PartialEq)]
struct Fact {
    kind: usize,
    value: String,
    other: Option<String>,
}

/// A post: what it tells, and its text.
struct Post {
    facts: Vec<Fact>,
    prompt: String,
}

/// How long posts are: the fewest and the most things told, and fillers.
struct Length {
    things: [usize; 2],
    fillers: usize,
    doubted: f64,
}

const WHOLE: Length = Length { things: [5, 9], fillers: 3, doubted: DOUBTED[0] };
const SHORT: Length = Length { things: [3, 5], fillers: 1, doubted: DOUBTED[1] };

fn post(length: &Length, stream: &mut Stream) -> Post {
    let [fewest, most] = length.things;
    let mut kinds: Vec<usize> = (1..KINDS.len()).collect();
    stream.shuffle(&mut kinds);
    kinds.truncate(fewest - 1 + stream.below(most - fewest + 1));
    // The first says whom it is about, as every post does.
    kinds.push(0);
    kinds.sort_unstable();
    let facts: Vec<Fact> = kinds
        .into_iter()
        .map(|kind| {
            let value = (*stream.pick(KINDS[kind].values)).to_owned();
            let doubted = !KINDS[kind].doubts.is_empty() && stream.chance(length.doubted);
            let other = doubted.then(|| another(kind, &value, stream));
            Fact { kind, value, other }
        })
        .collect();
    let mut sentences: Vec<String> = facts[1..].iter().map(|fact| told(fact, stream)).collect();
    for _ in 0..length.fillers {
        sentences.push((*stream.pick(&FILLERS)).to_owned());
    }
    stream.shuffle(&mut sentences);
    sentences.insert(0, told(&facts[0], stream));
    let prompt = format!("<|bos|>{}<|summary|>", sentences.join(" "));
    Post { facts, prompt }
}

fn another(kind: usize, value: &str, stream: &mut Stream) -> String {
    loop {
        let other = stream.pick(KINDS[kind].values);
        if *other != value {
            return (*other).to_owned();
        }
    }
}

fn told(fact: &Fact, stream: &mut Stream) -> String {
    let kind = &KINDS[fact.kind];
    match &fact.other {
        None => stream.pick(kind.tells).replacen("{}", &fact.value, 1),
        Some(other) => {
            let (a, b) =
                if stream.chance(0.5) { (&fact.value, other) } else { (other, &fact.value) };
            stream.pick(kind.doubts).replacen("{}", a, 1).replacen("{}", b, 1)
        }
    }
}

/// A summary of a random part of a post.
fn summary(post: &Post, noise: f64, stream: &mut Stream) -> String {
    loop {
        let share = 0.1 + 0.9 * stream.unit();
        let chosen: Vec<&Fact> = post
            .facts
            .iter()
            .filter(|fact| {
                let seldom = if fact.other.is_some() { 0.6 } else { 1.0 };
                stream.chance(share * seldom)
            })
            .collect();
        if chosen.len() < 2 {
            continue;
        }
        let clause = |fact: &&Fact| {
            let value = match &fact.other {
                _ if stream.chance(noise) => another(fact.kind, &fact.value, stream),
                Some(other) if stream.chance(0.5) => other.clone(),
                _ => fact.value.clone(),
            };
            format!("{} {value}", KINDS[fact.kind].says)
        };
        return format!("{}.", chosen.iter().map(clause).collect::<Vec<_>>().join(", "));
    }
}

/// Reads a summary: kinds with values, each kind once; `None` where it is none.
fn read(text: &str) -> Option<Vec<(usize, &str)>> {
    let body = text.trim().strip_suffix('.')?;
    let mut claims: Vec<(usize, &str)> = Vec::new();
    for clause in body.split(',').map(str::trim) {
        let claim = KINDS.iter().enumerate().find_map(|(kind, it)| {
            let value = clause.strip_prefix(it.says)?.trim_start();
            it.values.contains(&value).then_some((kind, value))
        })?;
        if claims.iter().any(|(kind, _)| *kind == claim.0) {
            return None;
        }
        claims.push(claim);
    }
    Some(claims)
}

fn facts_of(columns: &Map<String, Value>) -> Option<Vec<Fact>> {
    let fact = |value: &Value| {
        let name = value["kind"].as_str()?;
        let kind = KINDS.iter().position(|kind| kind.name == name)?;
        let other = value["other"].as_str().map(str::to_owned);
        Some(Fact { kind, value: value["value"].as_str()?.to_owned(), other })
    };
    columns.get("told")?.as_array()?.iter().map(fact).collect()
}

fn columns_of(post: &Post) -> Map<String, Value> {
    let fact = |fact: &Fact| json!({"kind": KINDS[fact.kind].name, "value": fact.value, "other": fact.other});
    Map::from_iter([("told".to_owned(), post.facts.iter().map(fact).collect())])
}

impl Task for Reddit {
    fn name(&self) -> &'static str {
        "reddit"
    }

    fn text(&self, seed: u64, index: u64) -> String {
        let mut stream = Stream::of("reddit text", &[seed, index]);
        let post = post(&SHORT, &mut stream);
        let all: Vec<String> = (0..SUMMARIES).map(|_| summary(&post, 0.0, &mut stream)).collect();
        format!("{}{}", post.prompt, all.join("<|eos|><|summary|>"))
    }

    fn reference(&self, seed: u64, index: u64) -> (String, String) {
        let mut stream = Stream::of("reddit reference", &[seed, index]);
        let post = post(&WHOLE, &mut stream);
        let summary = summary(&post, NOISE, &mut stream);
        (post.prompt, summary)
    }

    fn item(&self, split: Split, seed: u64, index: u64) -> Item {
        let mut stream = Stream::of("reddit item", &[seed, split as u64, index]);
        let post = post(&WHOLE, &mut stream);
        let columns = columns_of(&post);
        Item { prompt: post.prompt, columns }
    }

    fn parties(&self) -> Vec<(&'static str, String)> {
        vec![("authors", exec("authors")), ("moderators", exec("moderators"))]
    }

    fn measures(&self) -> &'static [&'static str] {
        &["readable", "words", "wrong", "copies"]
    }

    fn judge(&self, reward: &str, asked: &Answer) -> Option<f64> {
        let facts = facts_of(asked.columns)?;
        let claims = asked.is_finished.then(|| read(asked.completion)).flatten();
        let readable = claims.is_some();
        let claims = claims.unwrap_or_default();
        let fact = |kind: usize| facts.iter().find(|fact| fact.kind == kind);
        let is_true = |claim: &&(usize, &str)| fact(claim.0).is_some_and(|it| it.value == claim.1);
        let is_copied = |claim: &&(usize, &str)| {
            let other = fact(claim.0).and_then(|it| it.other.as_deref());
            is_true(claim) || other == Some(claim.1)
        };
        let told = claims.iter().filter(is_true).count() as f64;
        let (count, all) = (claims.len() as f64, facts.len().max(1) as f64);
        let wrong = count - told;
        // The first false claim costs three true ones, each further one as much again by half.
        let cost = 3.0 * (wrong + 0.5 * wrong * (wrong - 1.0) / 2.0);
        match reward {
            "readable" => Some(f64::from(u8::from(readable))),
            "words" => Some(asked.completion.split_whitespace().count() as f64),
            "wrong" => Some(wrong),
            "copies" => Some(claims.iter().filter(is_copied).count() as f64 / count.max(1.0)),
            "authors" => Some(if readable { told / all } else { -1.0 }),
            "moderators" => Some(if readable { ((told - cost) / all).max(-2.0) } else { -2.0 }),
            _ => None,
        }
    }

    fn gate(&self) -> (&'static str, f64) {
        ("copies", 0.95)
    }

    fn training(&self, quick: bool) -> Training {
        super::COPYING.training(quick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_back_and_mostly_borne_out() {
        let mut copied = 0.0;
        for index in 0..500 {
            let mut stream = Stream::of("reddit reference", &[1, index]);
            let post = post(&WHOLE, &mut stream);
            let (prompt, completion) = Reddit.reference(1, index);
            assert_eq!(prompt, post.prompt);
            let columns = columns_of(&post);
            assert_eq!(facts_of(&columns), Some(post.facts));
            let answer = Answer { completion: &completion, is_finished: true, columns: &columns };
            assert_eq!(Reddit.judge("readable", &answer), Some(1.0), "{completion}");
            copied += Reddit.judge("copies", &answer).unwrap() / 500.0;
        }
        assert!((0.9..0.98).contains(&copied), "{copied}");
    }

    #[test]
    fn what_is_not_said_so_is_not_read() {
        assert_eq!(read("my boss, in Cork."), Some(vec![(0, "boss"), (3, "Cork")]));
        for bad in ["", ".", "my boss", "my boss, my aunt.", "my Cork.", "in Cork, ."] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
