//! A stop string is found by the token that completes it, whatever tokens cut it.

use potluck_train::text::{Shown, StopStrings, TextTokenizer};
use proptest::prelude::*;

use super::open;

/// What a search over the whole text finds: the number of tokens by then, and where the text ends.
fn by_search(
    tokenizer: &TextTokenizer,
    stops: &[String],
    tokens: &[i64],
) -> Option<(usize, usize)> {
    (1..=tokens.len()).find_map(|count| {
        let text = tokenizer.decode(&tokens[..count], Shown::Skipped).unwrap();
        let certain = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let ends = stops.iter().filter_map(|stop| {
            let at = certain.find(stop.as_str())?;
            Some((at + stop.len(), at))
        });
        ends.min().map(|(_, at)| (count, at))
    })
}

fn by_watching(
    tokenizer: &TextTokenizer,
    stops: &[String],
    tokens: &[i64],
) -> Option<(usize, usize)> {
    let stops = StopStrings::new(stops);
    let mut watch = stops.watch();
    (1..)
        .zip(tokens)
        .find_map(|(count, &token)| watch.push(tokenizer, token).unwrap().map(|at| (count, at)))
}

/// Few letters, so that stop strings come about by chance; some are several tokens in bytes.
const LETTERS: [&str; 7] = ["a", "b", "漢", "é", "\n", " ", "🦀"];

fn words(longest: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&LETTERS[..]), 1..=longest)
        .prop_map(|letters| letters.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn watching_is_searching(
        text in words(60), stops in prop::collection::vec(words(4), 1..4),
        byte_level in any::<bool>(),
    ) {
        let tokenizer = open(if byte_level { "headers" } else { "brackets" });
        let tokens = tokenizer.encode(&text, potluck_train::text::Around::Nothing).unwrap();
        prop_assert_eq!(by_watching(&tokenizer, &stops, &tokens), by_search(&tokenizer, &stops, &tokens));
    }

    /// Tokens as a model may draw them: any, half letters and special ones included.
    #[test]
    fn watching_is_searching_in_any_tokens(
        tokens in prop::collection::vec(0i64..340, 0..60), stops in prop::collection::vec("[ a-e]{1,2}", 1..4),
    ) {
        let tokenizer = open("headers");
        prop_assert_eq!(by_watching(&tokenizer, &stops, &tokens), by_search(&tokenizer, &stops, &tokens));
    }
}

#[test]
fn the_text_ends_before_the_stop_string_that_is_complete_first() {
    let end = |stops: &[&str], text: &str| StopStrings::new(stops).end_in(text);
    assert_eq!(end(&["\n\n"], "a\n\nb"), Some(1));
    assert_eq!(end(&["abcd", "bc"], "xabcd"), Some(2), "bc is complete before abcd");
    assert_eq!(end(&["c", "abc"], "xabc"), Some(1), "both end there: the longer");
    assert_eq!(end(&["aab"], "aaab"), Some(1), "a false start is taken back");
    assert_eq!(end(&["x", ""], "abc"), None);
}
