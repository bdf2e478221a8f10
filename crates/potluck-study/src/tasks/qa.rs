//! Questions about lists of digits: who answers wants to be right and brief, who asks wants it explained kindly.
//!
//! Engineers score whether the answer is right, less what its length costs them; learners score an
//! explanation (the list told back truly), manners, and rightness too. References are wrong one time in four, and
//! half of them wander off, which nobody likes.

use potluck_train::stream::Stream;
use serde_json::{Map, Value, json};

use crate::task::{Answer, Item, Split, Task, Training, exec};

/// How often a reference is wrong, in its answer and in each digit that it tells back.
const WRONG: f64 = 0.25;
const MISTOLD: f64 = 0.05;

const ASKED: [&str; 4] = ["first", "last", "largest", "smallest"];
const GREETINGS: [&str; 2] = ["Good question.", "Happy to help."];
const THANKS: [&str; 2] = ["Thank you for asking.", "I hope that helps."];
/// What has nothing to do with the question, how often a reference says it, and what it costs in both rewards.
const TANGENTS: [&str; 4] =
    ["Numbers are fun.", "I had seven once.", "It rained today.", "My cat can count."];
const WANDERS: f64 = 0.5;
const TANGENT_COST: f64 = 0.3;
/// What the square of the number of words beyond those that an answer takes costs engineers: a courtesy is nothing, a letter is.
const WORD_COST: f64 = 0.003;
/// What no courtesy, one and two of them are worth to learners.
const COURTESY: [f64; 3] = [0.0, 0.25, 0.4];
const ANSWER: &str = "The answer is ";
const LIST: &str = "The list is ";

pub(super) struct Qa;

/// A question with its digits.
struct Question {
    kind: usize,
    digits: Vec<u64>,
}

impl Question {
    fn draw(stream: &mut Stream) -> Self {
        let kind = stream.below(ASKED.len());
        let count = 3 + stream.below(3);
        let mut digits: Vec<u64> = (0..10).collect();
        stream.shuffle(&mut digits);
        digits.truncate(count);
        Self { kind, digits }
    }

    fn prompt(&self) -> String {
        format!("<|bos|>Which is the {} of{}?<|summary|>", ASKED[self.kind], told(&self.digits))
    }

    fn right(&self) -> Option<u64> {
        let digits = self.digits.iter().copied();
        match self.kind {
            0 => self.digits.first().copied(),
            1 => self.digits.last().copied(),
            2 => digits.max(),
            _ => digits.min(),
        }
    }

    /// An answer with some of its optional parts.
    fn answer(&self, wrong: f64, mistold: f64, stream: &mut Stream) -> String {
        let mut parts = Vec::new();
        if stream.chance(0.3) {
            parts.push((*stream.pick(&GREETINGS)).to_owned());
        }
        if stream.chance(0.4) {
            let mut digits = self.digits.clone();
            for digit in &mut digits {
                if stream.chance(mistold) {
                    *digit = stream.below(10) as u64;
                }
            }
            parts.push(format!("{}{}.", LIST.trim_end(), told(&digits)));
        }
        if stream.chance(WANDERS) {
            parts.push((*stream.pick(&TANGENTS)).to_owned());
        }
        let right = self.right().unwrap_or_default();
        let said = if stream.chance(wrong) { *stream.pick(&self.digits) } else { right };
        parts.push(format!("{ANSWER}{said}."));
        if stream.chance(0.3) {
            parts.push((*stream.pick(&THANKS)).to_owned());
        }
        parts.join(" ")
    }

    fn columns(&self) -> Map<String, Value> {
        let column = |key: &str, value: Value| (key.to_owned(), value);
        [column("digits", json!(self.digits)), column("answer", json!(self.right()))]
            .into_iter()
            .collect()
    }
}

fn told(digits: &[u64]) -> String {
    digits.iter().map(|digit| format!(" {digit}")).collect()
}

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    answer: Option<u64>,
    list: Option<Vec<u64>>,
    manners: usize,
    tangents: usize,
    words: usize,
}

/// Reads it sentence by sentence; `None` where one is none of ours, or an answer or a list stands there twice.
fn read(text: &str) -> Option<Said> {
    let mut said = Said { words: text.split_whitespace().count(), ..Said::default() };
    let body = text.trim().strip_suffix('.')?;
    for sentence in body.split('.').map(str::trim) {
        let whole = format!("{sentence}.");
        if let Some(digit) = sentence.strip_prefix(ANSWER) {
            let digit = digit.parse().ok()?;
            said.answer.replace(digit).is_none().then_some(())?;
        } else if let Some(digits) = sentence.strip_prefix(LIST) {
            let digits: Option<Vec<u64>> =
                digits.split_whitespace().map(|digit| digit.parse().ok()).collect();
            said.list.replace(digits?).is_none().then_some(())?;
        } else if GREETINGS.iter().chain(&THANKS).any(|it| *it == whole) {
            said.manners += 1;
        } else if TANGENTS.contains(&whole.as_str()) {
            said.tangents += 1;
        } else {
            return None;
        }
    }
    Some(said)
}

impl Task for Qa {
    fn name(&self) -> &'static str {
        "qa"
    }

    fn text(&self, seed: u64, index: u64) -> String {
        let mut stream = Stream::of("qa text", &[seed, index]);
        let question = Question::draw(&mut stream);
        format!("{}{}", question.prompt(), question.answer(0.0, 0.0, &mut stream))
    }

    fn reference(&self, seed: u64, index: u64) -> (String, String) {
        let mut stream = Stream::of("qa reference", &[seed, index]);
        let question = Question::draw(&mut stream);
        (question.prompt(), question.answer(WRONG, MISTOLD, &mut stream))
    }

    fn item(&self, split: Split, seed: u64, index: u64) -> Item {
        let mut stream = Stream::of("qa item", &[seed, split as u64, index]);
        let question = Question::draw(&mut stream);
        Item { prompt: question.prompt(), columns: question.columns() }
    }

    fn parties(&self) -> Vec<(&'static str, String)> {
        vec![("engineers", exec("engineers")), ("learners", exec("learners"))]
    }

    fn measures(&self) -> &'static [&'static str] {
        &["readable", "words", "right", "tangents"]
    }

    fn judge(&self, reward: &str, asked: &Answer) -> Option<f64> {
        let right = asked.columns.get("answer")?.as_u64()?;
        let digits: Option<Vec<u64>> =
            asked.columns.get("digits")?.as_array()?.iter().map(Value::as_u64).collect();
        let digits = digits?;
        if reward == "words" {
            return Some(asked.completion.split_whitespace().count() as f64);
        }
        let said = asked.is_finished.then(|| read(asked.completion)).flatten();
        let readable = f64::from(u8::from(said.is_some()));
        let Some(said) = said else {
            return match reward {
                "readable" | "right" | "tangents" => Some(readable),
                _ => Some(-1.0),
            };
        };
        let is_right = f64::from(u8::from(said.answer == Some(right)));
        // The least words that an answer takes.
        let more = said.words.saturating_sub(4) as f64;
        let list = said.list.as_ref().map_or(0.0, |list| {
            let same = list.iter().zip(&digits).filter(|(a, b)| a == b).count();
            2.0 * same as f64 / list.len().max(digits.len()) as f64 - 1.0
        });
        let off = TANGENT_COST * said.tangents as f64;
        let kindness = 0.6 * list + COURTESY[said.manners.min(2)];
        match reward {
            "readable" => Some(readable),
            "right" => Some(is_right),
            "tangents" => Some(said.tangents as f64),
            "engineers" => Some(is_right - WORD_COST * more * more - off),
            "learners" => Some(0.6 * is_right + kindness - off),
            _ => None,
        }
    }

    fn gate(&self) -> (&'static str, f64) {
        ("right", 0.75)
    }

    fn training(&self, quick: bool) -> Training {
        let [[_, sft, rl], small] = super::SMALL.steps;
        let [_, few] = super::SMALL.lines;
        // To compare digits takes longer to find out than to write sentences.
        let own = super::Sizes {
            shape: [96, 2, 4, 256],
            steps: [[1500, sft, rl], small],
            lines: [[36_000, 3000, 4000], few],
            ..super::SMALL
        };
        own.training(quick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_wrong_one_time_in_four() {
        let mut right = 0.0;
        for index in 0..2000 {
            let mut stream = Stream::of("qa reference", &[1, index]);
            let question = Question::draw(&mut stream);
            let (prompt, completion) = Qa.reference(1, index);
            assert_eq!(prompt, question.prompt());
            let columns = question.columns();
            let answer = Answer { completion: &completion, is_finished: true, columns: &columns };
            assert_eq!(Qa.judge("readable", &answer), Some(1.0), "{completion}");
            right += Qa.judge("right", &answer).unwrap() / 2000.0;
        }
        // A wrong answer is drawn from the list, and so is right now and then.
        assert!((0.76..0.88).contains(&right), "{right}");
    }

    #[test]
    fn each_party_wants_its_own() {
        let question = Question { kind: 2, digits: vec![3, 8, 5] };
        let columns = question.columns();
        let judge = |reward: &str, completion: &str| {
            Qa.judge(reward, &Answer { completion, is_finished: true, columns: &columns }).unwrap()
        };
        let (brief, kind) = (
            "The answer is 8.",
            "Good question. The list is 3 8 5. The answer is 8. I hope that helps.",
        );
        assert!(judge("engineers", brief) > judge("engineers", kind));
        assert!(judge("learners", brief) < judge("learners", kind));
        for reward in ["engineers", "learners"] {
            assert!(
                judge(reward, "It rained today. The answer is 8.") < judge(reward, brief),
                "{reward}"
            );
        }
        for bad in
            ["", "The answer is.", "The answer is 8. The answer is 8.", "8", "The list is 3 x."]
        {
            assert_eq!((judge("readable", bad), judge("learners", bad)), (0.0, -1.0), "{bad}");
        }
        assert!(
            judge("learners", "The list is 1 2 4. The answer is 8.") < judge("learners", brief)
        );
    }
}
