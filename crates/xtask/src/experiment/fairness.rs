//! Who gains how much under each way to choose λ.
//!
//! λ is chosen on the even prompts and its gains are told on the odd ones: the best of many candidates on the
//! prompts that chose it is partly the one that was lucky.

use serde_json::{Value, json};

use super::shapes::gains;
use super::statistics::{Means, mean};
use super::study::{Role, Seen};

/// A way to choose among soups: by the parties' gains, the higher the better.
type Rule = fn(&[f64]) -> f64;

const RULES: [(&str, Rule); 3] = [
    ("max-min", |gains| gains.iter().copied().fold(f64::INFINITY, f64::min)),
    // The product of gains; where somebody loses, only how little.
    ("Nash", |gains| {
        let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
        if least <= 0.0 { least } else { gains.iter().map(|gain| gain.ln()).sum::<f64>().exp() }
    }),
    ("sum", |gains| gains.iter().sum()),
];

/// A row a rule: the mean gain of each party over seeds, as shares of what its own expert gains, and the least.
pub(super) fn table(seeds: &[Seen]) -> Value {
    let mut rows: Vec<(String, Vec<Vec<f64>>)> = Vec::new();
    let mut add = |name: String, gains: Option<Vec<f64>>| {
        let Some(gains) = gains else { return };
        match rows.iter_mut().find(|(own, _)| *own == name) {
            Some((_, all)) => all.push(gains),
            None => rows.push((name, vec![gains])),
        }
    };
    for seen in seeds {
        let half = |from: usize| (from..seen.prompts()).step_by(2).collect::<Vec<_>>();
        let (choosing, telling) = (Means::over(seen, &half(0)), Means::over(seen, &half(1)));
        let told = |place: usize| gains(seen, &telling, place);
        let soups: Vec<usize> = seen.of(Role::Soup).chain(seen.of(Role::Simplex)).collect();
        let spread = |place: &usize| {
            let lambda = &seen.candidates[*place].lambda;
            let count = seen.parties.len() as f64;
            lambda.iter().map(|it| (it - 1.0 / count).abs()).sum::<f64>()
        };
        let equal = soups.iter().min_by(|a, b| spread(a).total_cmp(&spread(b)));
        add("equal λ".to_owned(), equal.and_then(|place| told(*place)));
        for (name, rule) in RULES {
            let value = |place: &usize| {
                gains(seen, &choosing, *place).map_or(f64::NEG_INFINITY, |gains| rule(&gains))
            };
            let best = soups.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
            add(name.to_owned(), best.and_then(|place| told(*place)));
        }
        for (place, party) in seen.parties.iter().enumerate() {
            let unit: Vec<f64> =
                (0..seen.parties.len()).map(|it| f64::from(u8::from(it == place))).collect();
            let corner = seen.at(Role::Soup, &unit).or_else(|| seen.at(Role::Simplex, &unit));
            add(format!("expert of {party} alone"), corner.and_then(told));
        }
        for place in seen.of(Role::Pooled) {
            let number = seen.candidates[place].lambda.first().copied().unwrap_or_default();
            let names = seen.facts["pooled"].as_array();
            let name = names.and_then(|it| it.get(number as usize)).and_then(Value::as_str);
            add(name.unwrap_or("pooled reward model").to_owned(), told(place));
        }
    }
    let row = |(name, all): (String, Vec<Vec<f64>>)| {
        let count = all.first().map_or(0, Vec::len);
        let of = |party: usize| mean(&all.iter().map(|gains| gains[party]).collect::<Vec<_>>());
        let own: Vec<f64> = (0..count).map(of).collect();
        let least = all.iter().map(|gains| gains.iter().copied().fold(f64::INFINITY, f64::min));
        json!({"rule": name, "gains": own, "least": mean(&least.collect::<Vec<_>>())})
    };
    rows.into_iter().map(row).collect()
}
