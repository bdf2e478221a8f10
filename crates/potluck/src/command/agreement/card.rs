//! The card of the published soup, as model hubs read it. What the ledger does not say is called not stated.

use std::fmt::Write as _;

use super::facts::Facts;
use super::words::{self, gain, share};
use crate::clock::utc;

/// The whole text; nothing before the soup is published.
pub(super) fn card(facts: &Facts<'_>) -> Option<String> {
    let soup = facts.round.soup.as_ref()?;
    let name = facts.charter().name();
    let license = facts.license.map_or_else(
        || "unknown".to_owned(),
        // Quoted: an expression may hold what YAML reads otherwise.
        |it| format!("\"{it}\""),
    );
    let mut text = format!("---\nlicense: {license}\ntags:\n- merge\n- potluck\n---\n");
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n# Soup of round {} of the federation {name}\n\nA mixture of the experts of several parties, by shares that they agreed on: {}.\n`agreement.md` says how they came to agree.\n",
        facts.round.number,
        facts.headline()
    );
    let base = facts.federation.base_weights();
    let _ = write!(
        text,
        "\n## What it is made of\n\n| part | share | BLAKE3 |\n|---|--:|---|\n| base, from which all experts start | | `{}` |\n",
        base.blake3
    );
    for expert in soup.recipe.experts() {
        let file = facts.told.experts.get(&expert.party).and_then(|it| it.manifest.expert());
        let digest = file.map_or("not known".to_owned(), |file| format!("`{}`", file.blake3));
        let _ = writeln!(text, "| expert of {} | {} | {digest} |", expert.party, share(expert.ppm));
    }
    let _ = write!(
        text,
        "\nMixed by `linear/1`; the soup's file has {} bytes, BLAKE3 `{}`, SHA-256 `{}`.\n",
        soup.file.size, soup.file.blake3, soup.file.sha256
    );
    text += &decided(facts);
    let _ = write!(
        text,
        "\n## Use and limits\n\n- Intended use: not stated by the parties.\n- Uses it is not meant for: not stated by the parties.\n- Training data of base and experts: not stated by the parties{}.\n- Licence: {}.\n- A share says how much of an expert is in the weights, and not how much of its behaviour is in the soup's.\n- Experts are fine-tuned to rewards that their parties keep to themselves; what the soup does beyond the parties' own questions nobody here has measured.\n",
        commitments(facts),
        facts.license.map_or(
            "not stated by the parties",
            |_| "see above, as stated by whoever wrote this card"
        ),
    );
    let _ = write!(
        text,
        "\n## How to check it\n\n    potluck audit {} --log-key {}\n\nThe same experts and shares give the same bytes on any machine.\n",
        facts.address.as_deref().unwrap_or("COPY --offline"),
        facts.log_key
    );
    Some(text)
}

fn decided(facts: &Facts<'_>) -> String {
    let mut text = "\n## How it was decided\n\n".to_owned();
    let rule = words::entitlement(facts.agreement.rule);
    let _ = match (facts.bargain(), facts.no_deal()) {
        (Some((_, deal)), None) => {
            writeln!(
                text,
                "A bargain by the rule `{}`: {}.",
                deal.rule.as_str(),
                words::bargain(deal.rule)
            )
        }
        (Some(_), Some(why)) => {
            writeln!(text, "No bargain but the fallback, by {rule}: {}.", why.sentence())
        }
        (None, _) => writeln!(text, "From the parties' proposals, by {rule}."),
    };
    let gains = facts.gains();
    if !gains.is_empty() {
        text += "\nWhat it gives each party by the party's own measure; 0 % is having no deal, 100 % the best of the first candidates:\n\n| party | gain |\n|---|--:|\n";
        for (party, ppm) in &gains {
            let _ = writeln!(text, "| {party} | {} |", gain(*ppm));
        }
    }
    let _ = match facts.agreement.expires {
        Some(end) => writeln!(text, "\nThe agreement holds until {}.", utc(end)),
        None => writeln!(text, "\nThe agreement has no date on which it ends."),
    };
    if facts.standing().has_lapsed() {
        let _ = writeln!(text, "\n**It is no longer in force: {}.**", facts.standing().as_str());
    }
    text
}

/// Who could show later what it optimised.
fn commitments(facts: &Facts<'_>) -> String {
    let bound = facts.told.experts.iter().filter(|(_, it)| it.reward_commitment.is_some());
    let bound: Vec<_> = bound.map(|(party, _)| party.to_string()).collect();
    match bound.is_empty() {
        true => String::new(),
        false => format!("; the reward is committed to by {}", words::listed(&bound)),
    }
}
