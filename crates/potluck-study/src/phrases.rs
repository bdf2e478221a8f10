//! Answers that are sentences out of a table: written at random, and read back without doubt.

use potluck_train::stream::Stream;

/// A sentence, without its full stop, and what it is like: numbers whose meaning is the task's.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// As it stands in an answer.
    pub text: String,
    /// What it is about; two of one subject in an answer repeat each other.
    pub subject: usize,
    /// What it is like.
    pub traits: Vec<f64>,
}

/// Reads an answer sentence by sentence; `None` where it is empty or one of them is not in the table.
pub fn read<'t>(table: &'t [Phrase], answer: &str) -> Option<Vec<&'t Phrase>> {
    let body = answer.trim().strip_suffix('.')?;
    let found = |text: &str| table.iter().find(|phrase| phrase.text == text.trim());
    let phrases: Option<Vec<_>> = body.split('.').map(found).collect();
    phrases.filter(|phrases| !phrases.is_empty())
}

/// Writes phrases as an answer.
pub fn write(phrases: &[&Phrase]) -> String {
    let texts: Vec<_> = phrases.iter().map(|phrase| format!("{}.", phrase.text)).collect();
    texts.join(" ")
}

/// How many of the phrases are about what an earlier one was about.
pub fn repeated(phrases: &[&Phrase]) -> usize {
    let again = |(place, phrase): (usize, &&Phrase)| {
        phrases[..place].iter().any(|other| other.subject == phrase.subject)
    };
    phrases.iter().enumerate().filter(|it| again((it.0, it.1))).count()
}

/// The sum of a trait.
pub fn sum(phrases: &[&Phrase], which: usize) -> f64 {
    phrases.iter().map(|phrase| phrase.traits[which]).sum()
}

/// Draws `count` phrases of different subjects, as long as there are any.
pub fn draw<'t>(table: &'t [Phrase], count: usize, stream: &mut Stream) -> Vec<&'t Phrase> {
    draw_liked(table, count, |_| 1.0, stream)
}

/// Draws `count` phrases of different subjects, of which each is taken with the probability that its writer likes it with.
pub fn draw_liked<'t>(
    table: &'t [Phrase],
    count: usize,
    liked: impl Fn(&Phrase) -> f64,
    stream: &mut Stream,
) -> Vec<&'t Phrase> {
    let mut drawn: Vec<&Phrase> = Vec::new();
    let mut tries = 0;
    while drawn.len() < count && tries < 100 * count {
        tries += 1;
        let phrase = stream.pick(table);
        // Who likes everything takes no number out of the stream.
        let liking = liked(phrase);
        let is_taken = liking >= 1.0 || stream.chance(liking);
        if is_taken && drawn.iter().all(|other| other.subject != phrase.subject) {
            drawn.push(phrase);
        }
    }
    drawn
}
