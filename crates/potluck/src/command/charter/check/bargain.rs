//! How λ is bargained for, ratified, and how the charter changes: in plain words, and what in it somebody may regret.

use potluck_core::PartyId;
use potluck_core::charter::{BargainRule, BargainRules, Charter, Disagreement, Fallback, NoShow};

use super::{Warning, duration, percent, total};

/// Below this the noise of a score is likely more than a twentieth of its range, where choosing well gets rarer.
const ENOUGH_PROMPTS: u32 = 400;

/// What the charter means where λ is bargained for.
pub(super) fn meaning(charter: &Charter) -> Vec<String> {
    let mut lines = charter.bargain().map(|rules| bargain(charter, rules)).unwrap_or_default();
    lines.push(agreement(charter));
    lines.push(match charter.amendment().permille {
        0 => "The charter is fixed for good.".to_owned(),
        permille => format!(
            "A new charter needs {} of the weight of the seats that are taken, by the present charter's weights, and what it \
             asks for itself, by its own.",
            percent(u64::from(permille) * 1000)
        ),
    });
    lines
}

fn bargain(charter: &Charter, rules: &BargainRules) -> Vec<String> {
    let parties = charter.parties().len();
    // The lattice {N, 2} and its centroid; with two parties the centroid is on the lattice.
    let first = parties * (parties + 1) / 2 + usize::from(parties > 2);
    let nominated = match rules.batches {
        0 => "nobody nominates others".to_owned(),
        batches => {
            format!("then up to {} times {} more that parties nominate", batches, rules.nominations)
        }
    };
    let mut lines = vec![format!(
        "That is what holds without a deal. Before, λ is bargained for: each party tries {first} candidates by itself (one more \
         where what holds without a deal is none of them), {nominated}, each on at least {} prompts.",
        rules.least_prompts
    )];
    if !rules.protocol.is_empty() {
        lines.push(format!("Candidates are evaluated so: {}", rules.protocol));
    }
    lines.push(format!(
        "A party shows how much of its own range a candidate gains over {}.",
        match rules.disagreement {
            Disagreement::Base => "the base",
            Disagreement::StatusQuo => "the soup in force, or the base where there is none",
            Disagreement::Reserve =>
                "a point that it sets itself, not below the base, and tells nobody",
        }
    ));
    let veto = if rules.veto {
        " First each party strikes its worst candidates, as many as its weight is worth."
    } else {
        ""
    };
    lines.push(format!(
        "Only what everybody accepts and gains by can be chosen; of that, {}.{veto}",
        choice(rules.rule)
    ));
    lines.push(match rules.finalists {
        0 => "The first scores decide.".to_owned(),
        1 => "The best one is scored once more, on four times as many new prompts, before it is chosen.".to_owned(),
        some => format!(
            "The best {some} are scored once more, on four times as many new prompts, and those scores decide."
        ),
    });
    lines.push(
        match rules.fallback {
            Fallback::Entitlement => "Without a deal, λ is what follows from the proposals.",
            Fallback::Nothing => "Without a deal, the round is void, and what was in force stays.",
        }
        .to_owned(),
    );
    lines.push(
        match rules.on_no_reveal {
            NoShow::Drop => "Who shows no scores is left out of the rest of the round: neither its gains nor its floor count.",
            NoShow::Void => "If anybody shows no scores, the round is void.",
        }
        .to_owned(),
    );
    lines.push(deadlines(rules));
    lines
}

fn choice(rule: BargainRule) -> &'static str {
    match rule {
        BargainRule::Nash => {
            "the largest product of gains, each to the power of its party's weight (Nash): whoever gains least counts most, and \
             nobody's scale matters"
        }
        BargainRule::Leximin => {
            "the best for whoever gains least of what it could, then for the next; weights do not count (leximin)"
        }
        BargainRule::Utilitarian => {
            "the largest weighted sum of gains, each as a part of what its party could gain (utilitarian)"
        }
        BargainRule::AlphaHalf => "the largest weighted sum of the gains' square roots",
        BargainRule::AlphaTwo => "the least weighted sum of one over the gains",
        BargainRule::AlphaSixteen => "what is very nearly the best for whoever gains least",
    }
}

fn deadlines(rules: &BargainRules) -> String {
    let wait = |seconds, what: &str| match seconds {
        0 => format!("{what} wait for everybody"),
        seconds => format!("{what} are taken for {}", duration(seconds)),
    };
    let mut parts = Vec::new();
    if rules.batches > 0 {
        parts.push(wait(rules.nominate_seconds, "nominations"));
    }
    parts.push(wait(rules.score_seconds, "commitments to scores"));
    parts.push(wait(rules.show_seconds, "scores"));
    format!("In each batch, {}.", parts.join(", "))
}

fn agreement(charter: &Charter) -> String {
    let rules = charter.agreement();
    let ratified = match (rules.ratify_permille, rules.ratify_seconds) {
        (0, _) => "An agreement needs no ratification".to_owned(),
        (permille, 0) => {
            format!(
                "A bargain comes into force once {} of the weight ratify it",
                percent(u64::from(permille) * 1000)
            )
        }
        (permille, seconds) => format!(
            "A bargain comes into force once {} of the weight ratify it, within {}",
            percent(u64::from(permille) * 1000),
            duration(seconds)
        ),
    };
    match rules.valid_seconds {
        0 => format!("{ratified}; its soup is in force until there is another."),
        seconds => format!("{ratified}; it is over {} after it was reached.", duration(seconds)),
    }
}

/// What somebody may regret in it.
pub(super) fn warnings(charter: &Charter) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if charter.parties().len() > 1 {
        if let Some(rules) = charter.bargain() {
            of_choice(charter, rules, &mut warnings);
            of_waiting(charter, rules, &mut warnings);
        }
        of_ratification(charter, &mut warnings);
    }
    of_amendment(charter, &mut warnings);
    warnings
}

fn of_choice(charter: &Charter, rules: &BargainRules, warnings: &mut Vec<Warning>) {
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    if rules.rule.depends_on_scale() {
        let text = format!(
            "{} depends on the scale of scores: who stretches its own is given more weight; nash, leximin and utilitarian are \
             free of that",
            rules.rule.as_str()
        );
        warn("scale-dependent", text);
    }
    let weights = || charter.parties().values().map(|seat| seat.weight);
    if rules.rule == BargainRule::Leximin && weights().min() != weights().max() {
        warn(
            "weights-do-not-count",
            "leximin does not look at weights, and these differ".to_owned(),
        );
    }
    if rules.finalists == 0 {
        let text = "without finalists, what is chosen is partly what was lucky: its first scores say more than it is worth";
        warn("chosen-by-luck", text.to_owned());
    }
    if rules.least_prompts < ENOUGH_PROMPTS {
        let text = format!(
            "{} prompts say little: with fewer than {ENOUGH_PROMPTS}, noise is likely more than 5 % of a party's range",
            rules.least_prompts
        );
        warn("few-prompts", text);
    }
    if rules.protocol.is_empty() {
        let text = "protocol does not say how candidates are evaluated, so that nobody can say later that it was not so";
        warn("no-protocol", text.to_owned());
    }
    if rules.disagreement == Disagreement::Reserve {
        let text = "everybody sets its own point of no deal, so that high ones can leave nothing to choose";
        warn("reserves-are-unbounded", text.to_owned());
    }
    let caps: u64 = charter.parties().values().map(|seat| u64::from(seat.cap_ppm)).sum();
    if caps < 1_200_000 {
        let text = format!("the caps sum to {}, which leaves little to choose from", percent(caps));
        warn("caps-leave-little", text);
    }
}

fn of_waiting(charter: &Charter, rules: &BargainRules, warnings: &mut Vec<Warning>) {
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    if rules.score_seconds == 0 || (rules.batches > 0 && rules.nominate_seconds == 0) {
        let text = "a bargain has no deadline: one party that never scores or nominates holds it up for good; set \
                    nominate_seconds, score_seconds and show_seconds";
        warn("one-blocks-a-bargain", text.to_owned());
    }
    if rules.on_no_reveal == NoShow::Void {
        let text =
            "one party that shows no scores makes the round void, and has seen the others' by then";
        warn("one-voids-a-bargain", text.to_owned());
    }
    if rules.fallback == Fallback::Nothing {
        let text = "a party that accepts nothing leaves everybody without a new soup";
        warn("one-prevents-a-soup", text.to_owned());
    }
    let quorum = charter.rounds().quorum_permille;
    let blocking = blocking(charter, quorum);
    if rules.score_seconds > 0 && rules.on_no_reveal == NoShow::Drop && !blocking.is_empty() {
        let text = format!(
            "{} can end every bargain by staying away: without it there is no quorum",
            any_of(&blocking)
        );
        warn("one-ends-a-bargain", text);
    }
}

fn of_ratification(charter: &Charter, warnings: &mut Vec<Warning>) {
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    let rules = charter.agreement();
    if rules.ratify_permille == 0 {
        return;
    }
    let blocking = blocking(charter, rules.ratify_permille);
    if !blocking.is_empty() {
        let text = format!("{} alone can keep a bargain from being ratified", any_of(&blocking));
        warn("one-blocks-ratification", text);
    }
    if rules.ratify_seconds == 0 {
        let text = "ratification has no deadline: a bargain waits for those who say nothing; set ratify_seconds";
        warn("ratification-waits", text.to_owned());
    }
}

fn of_amendment(charter: &Charter, warnings: &mut Vec<Warning>) {
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    let (permille, total) = (charter.amendment().permille, total(charter));
    if permille == 0 {
        let text = "nobody can change the charter, whatever it turns out to mean; set [amendment] permille";
        warn("fixed-for-good", text.to_owned());
        return;
    }
    if charter.parties().len() < 2 {
        return;
    }
    let alone = charter
        .parties()
        .iter()
        .filter(|(_, seat)| u64::from(seat.weight) * 1000 >= total * u64::from(permille));
    let alone: Vec<_> = alone.map(|(party, _)| party).collect();
    if !alone.is_empty() {
        warn("one-amends", format!("{} alone can change the charter", any_of(&alone)));
    }
    let blocking = blocking(charter, permille);
    if !blocking.is_empty() {
        warn(
            "one-blocks-amendments",
            format!("{} alone can keep the charter as it is", any_of(&blocking)),
        );
    }
}

/// The parties without any one of which the others are fewer than so many thousandths.
fn blocking(charter: &Charter, permille: u32) -> Vec<&PartyId> {
    let total = total(charter);
    let seats = charter
        .parties()
        .iter()
        .filter(|(_, seat)| (total - u64::from(seat.weight)) * 1000 < total * u64::from(permille));
    seats.map(|(party, _)| party).collect()
}

fn any_of(parties: &[&PartyId]) -> String {
    match parties {
        [] => "nobody".to_owned(),
        [only] => only.to_string(),
        [some @ .., last] => {
            let some: Vec<_> = some.iter().map(|it| it.as_str()).collect();
            format!("{} or {last}", some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{meaning, warnings};
    use super::*;

    fn charter(rest: &str) -> Charter {
        Charter::from_toml(&format!(
            "name = 'news'\nrule = 'independent_markets'\n[parties.a]\nweight = 3\n[parties.b]\nweight = 1\ncap_ppm = 100000\n{rest}"
        ))
        .unwrap()
    }

    fn codes(charter: &Charter) -> Vec<&'static str> {
        super::warnings(charter).into_iter().map(|it| it.code).collect()
    }

    #[test]
    fn what_may_be_regretted_in_a_bargain_is_said() {
        let worst = "[bargain]\nrule = 'alpha_two'\nfinalists = 0\nleast_prompts = 10\non_no_reveal = 'void'\n\
                     fallback = 'nothing'\ndisagreement = 'reserve'\n[agreement]\nratify_permille = 800\n";
        let expected = [
            "scale-dependent",
            "chosen-by-luck",
            "few-prompts",
            "no-protocol",
            "reserves-are-unbounded",
            "caps-leave-little",
            "one-blocks-a-bargain",
            "one-voids-a-bargain",
            "one-prevents-a-soup",
            "one-blocks-ratification",
            "ratification-waits",
            "fixed-for-good",
        ];
        assert_eq!(codes(&charter(worst)), expected);
        let unequal = "[rounds]\nreveal_seconds = 60\nquorum_permille = 800\n[bargain]\nrule = 'leximin'\nprotocol = 'ours'\nnominate_seconds = 1\n\
                       score_seconds = 1\nshow_seconds = 1\n[amendment]\npermille = 700\n";
        let expected = [
            "weights-do-not-count",
            "caps-leave-little",
            "one-ends-a-bargain",
            "one-amends",
            "one-blocks-amendments",
        ];
        assert_eq!(codes(&charter(unequal)), expected);
        let texts: Vec<_> = warnings(&charter(worst)).into_iter().map(|it| it.text).collect();
        assert!(texts.contains(&"a or b alone can keep a bargain from being ratified".to_owned()));
    }

    #[test]
    fn a_bargain_in_words() {
        let text = meaning(&charter(
            "[bargain]\nprotocol = 'greedy, seed of the round'\nscore_seconds = 3600\nshow_seconds = 60\nveto = true\n\
             [agreement]\nratify_permille = 667\nratify_seconds = 86400\nvalid_seconds = 31536000\n[amendment]\npermille = 750\n",
        ))
        .join("\n");
        for words in [
            "at most 10 % of a bargained soup",
            "each party tries 3 candidates by itself",
            "then up to 2 times 2 more that parties nominate, each on at least 400 prompts",
            "Candidates are evaluated so: greedy, seed of the round",
            "gains over the base",
            "(Nash)",
            "First each party strikes",
            "The best 3 are scored once more",
            "nominations wait for everybody, commitments to scores are taken for 1 hour",
            "once 66.7 % of the weight ratify it, within 1 day; it is over 365 days after it was reached",
            "A new charter needs 75 % of the weight",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
}
