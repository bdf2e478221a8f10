//! The text of a news item: the date first, then a sentence for each other fact, in any order.

use crate::stream::Stream;

use super::item::Fact;
use super::lexicon::Kind;

/// Writes the text that states `facts`.
pub(super) fn write(facts: &[Fact], stream: &mut Stream) -> String {
    let (date, mut others): (Vec<_>, Vec<_>) =
        facts.iter().partition(|fact| fact.kind == Kind::When);
    stream.shuffle(&mut others);
    let sentences: Vec<_> =
        date.into_iter().chain(others).map(|fact| sentence(fact, stream)).collect();
    sentences.join(" ")
}

/// Which of two disputed values stands first says nothing about which is true.
fn sentence(fact: &Fact, stream: &mut Stream) -> String {
    match &fact.rumour {
        None => stream.pick(fact.kind.article_forms()).replacen("{}", &fact.value, 1),
        Some(rumour) => {
            let form = stream.pick(fact.kind.disputed_forms());
            let (first, second) = match stream.chance(0.5) {
                true => (&fact.value, rumour),
                false => (rumour, &fact.value),
            };
            form.replacen("{}", first, 1).replacen("{}", second, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disputed_fact_names_both_values_in_either_order() {
        let fact =
            Fact { kind: Kind::Where, value: "Lima".to_owned(), rumour: Some("Oslo".to_owned()) };
        let mut stream = Stream::of("article test", &[]);
        let mut truth_first = 0;
        for _ in 0..400 {
            let text = sentence(&fact, &mut stream);
            let (truth, rumour) = (text.find("Lima").unwrap(), text.find("Oslo").unwrap());
            truth_first += usize::from(truth < rumour);
        }
        assert!((160..240).contains(&truth_first), "{truth_first}");
    }
}
