//! A charter in plain words, and what in it somebody may regret.

mod bargain;

use potluck_core::Charter;
use potluck_core::charter::{Audience, Otherwise, Rule, Start, TrainingRules};

/// Something that is allowed and that its parties may regret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    /// Its stable name.
    pub(super) code: &'static str,
    /// In words.
    pub(super) text: String,
}

/// What the charter means, line by line.
pub(super) fn meaning(charter: &Charter) -> Vec<String> {
    let total = total(charter);
    let mut lines =
        vec![format!("The federation {} of {} parties:", charter.name(), charter.parties().len())];
    for (party, seat) in charter.parties() {
        let mut line = format!(
            "  {party}: weight {} of {total}, {}",
            seat.weight,
            percent(u64::from(seat.weight) * 1_000_000 / total)
        );
        if seat.floor_ppm > 0 {
            line += &format!("; at least {} of every soup", percent(seat.floor_ppm.into()));
        }
        if seat.cap_ppm < 1_000_000 {
            line += &format!("; at most {} of a bargained soup", percent(seat.cap_ppm.into()));
        }
        if !seat.reason.is_empty() {
            line += &format!(" ({})", seat.reason);
        }
        lines.push(line);
    }
    lines.push(decision(charter.rule()).to_owned());
    lines.push(rounds(charter));
    lines.extend(bargain::meaning(charter));
    lines.extend(charter.training().map(training));
    let recovery = charter.keys().recovery;
    lines.push(match recovery {
        0 => "A lost signing key cannot be replaced.".to_owned(),
        1 => "A lost signing key is replaced by one other member's vote.".to_owned(),
        votes => format!("A lost signing key is replaced by the votes of {votes} other members."),
    });
    lines.push(match charter.witnesses().quorum {
        0 => "Nobody has to witness the log before a soup counts.".to_owned(),
        quorum => format!("A soup counts once {quorum} witnesses have cosigned the log with it."),
    });
    let who = |audience| match audience {
        Audience::Parties => "the parties and the operator",
        Audience::TokenHolders => "the parties, the operator and holders of their tokens",
        Audience::Anyone => "anybody",
    };
    let access = charter.access();
    lines.push(format!(
        "Base and experts are read by {}, soups by {}.",
        who(access.experts),
        who(access.soups)
    ));
    let limits = charter.limits();
    if let Some(rules) = charter.adapters() {
        lines.push(match rules.shared_a {
            None => format!(
                "An expert is a LoRA adapter on the base, of rank {} at most, and a soup is one of all their ranks together.",
                rules.max_rank
            ),
            Some(seed) => format!(
                "An expert is the factors B of a LoRA adapter on the base, of rank {} at most, trained beside factors A that all \
                 parties draw from the seed {seed}; a soup is the mean of their B's.",
                rules.max_rank
            ),
        });
    }
    lines.push(format!(
        "An expert has at most {} bytes, and moves no tensor of the base by more than {} % of its norm.",
        limits.expert_bytes,
        f64::from(limits.change_permille) / 10.0
    ));
    lines
}

fn rounds(charter: &Charter) -> String {
    let rules = charter.rounds();
    let sealed = match (rules.sealed, rules.commit_seconds) {
        (false, _) => String::new(),
        (true, 0) => {
            "Parties first commit to their proposals, and show them when all have. ".to_owned()
        }
        (true, seconds) => {
            format!("Parties first commit to their proposals, within {}. ", duration(seconds))
        }
    };
    match rules.reveal_seconds {
        0 => format!("{sealed}A round waits until everybody has proposed."),
        seconds => format!(
            "{sealed}Proposals are taken for {}; then a round that is closed leads to an agreement if {} of the weight \
             proposed, and is void otherwise.",
            duration(seconds),
            percent(u64::from(rules.quorum_permille) * 1000)
        ),
    }
}

fn training(rules: &TrainingRules) -> String {
    let start = match (rules.start, rules.from_round) {
        (Start::Base, _) => "Experts are trained from the base in every round".to_owned(),
        (Start::Soup, 0) => {
            "Experts are trained from the soup in force, and from the base while there is none"
                .to_owned()
        }
        (Start::Soup, round) => format!(
            "Experts of round {round} and later are trained from the soup in force, earlier ones from the base"
        ),
    };
    let otherwise = match rules.otherwise {
        Otherwise::Warn => "warned of, and handed in",
        Otherwise::Refuse => "not handed in by the party's own client",
    };
    format!("{start}; one whose card says otherwise is {otherwise}.")
}

fn duration(seconds: u64) -> String {
    for (unit, name) in [(86_400, "days"), (3600, "hours"), (60, "minutes")] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            let count = seconds / unit;
            let name = if count == 1 { name.trim_end_matches('s') } else { name };
            return format!("{count} {name}");
        }
    }
    format!("{seconds} seconds")
}

fn decision(rule: Rule) -> &'static str {
    match rule {
        Rule::Mean => "λ is the mean of the parties' proposals, by weight.",
        Rule::IndependentMarkets => {
            "λ follows from the proposals by independent markets: nobody gains by a proposal that is not its wish, and \
             who all want one expert give it what their weight is worth."
        }
        Rule::Ladder => {
            "λ follows from the proposals by the ladder: nobody gains by a proposal that is not its wish, and no share \
             lies far from the mean."
        }
        Rule::Utilitarian => {
            "λ follows from the proposals by the utilitarian rule: nobody gains by a proposal that is not its wish, and \
             the sum of all distances is the least that there is."
        }
        Rule::PiecewiseUniform => {
            "λ follows from the proposals by piecewise uniform phantoms: nobody gains by a proposal that is not its \
             wish, and shares are in proportion to weights."
        }
    }
}

/// What somebody may regret.
pub(super) fn warnings(charter: &Charter) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, text: String| warnings.push(Warning { code, text });
    let (parties, total) = (charter.parties(), total(charter));
    if charter.rule() == Rule::Mean && parties.len() > 1 {
        let text = "a party that asks for more than it wants is given more under the mean; independent_markets, ladder \
                    and piecewise_uniform reward nobody for that";
        warn("not-truthful", text.to_owned());
    }
    let heaviest = parties.iter().max_by_key(|(_, seat)| seat.weight);
    if let Some((party, seat)) = heaviest.filter(|_| parties.len() > 1)
        && charter.rule() == Rule::Utilitarian
        && u64::from(seat.weight) * 2 > total
    {
        warn(
            "one-decides",
            format!("{party} holds more than half of the weight, and decides alone"),
        );
    }
    let rounds = charter.rounds();
    if parties.len() > 1 && rounds.reveal_seconds == 0 {
        let text = "a round has no deadline: one party that never proposes holds it up for good; set [rounds] \
                    reveal_seconds";
        warn("one-blocks-a-round", text.to_owned());
    }
    let blocking = parties.iter().find(|(_, seat)| {
        (total - u64::from(seat.weight)) * 1000 < total * u64::from(rounds.quorum_permille)
    });
    if let Some((party, _)) = blocking.filter(|_| parties.len() > 1 && rounds.reveal_seconds > 0) {
        let text = format!(
            "{party} alone can make a round void by staying away: without it there is no quorum"
        );
        warn("one-voids-a-round", text);
    }
    if parties.len() > 1 && !rounds.sealed {
        let text = "proposals are open: who proposes last has seen all others";
        warn("last-one-sees-all", text.to_owned());
    }
    let floors: u64 = parties.values().map(|seat| u64::from(seat.floor_ppm)).sum();
    if floors > 800_000 {
        let text = format!("the floors leave {} to be decided", percent(1_000_000 - floors));
        warn("little-to-decide", text);
    }
    for (party, seat) in parties {
        let share = u64::from(seat.weight) * 1_000_000 / total;
        if u64::from(seat.floor_ppm) > share {
            let floor = percent(seat.floor_ppm.into());
            let text =
                format!("{party} has a floor of {floor} for {} of the weight", percent(share));
            warn("floor-above-weight", text);
        }
    }
    match charter.keys().recovery {
        0 => warn("lost-keys-stay-lost", "who loses its signing key is out for good".to_owned()),
        1 => {
            let text = "one member alone, the operator for instance, can take another's seat by voting for a key of its \
                        own";
            warn("one-takes-a-seat", text.to_owned());
        }
        _ => {}
    }
    let witnesses = parties.len() + charter.witnesses().outside.len();
    let quorum = charter.witnesses().quorum as usize;
    if quorum > 0 && quorum == witnesses {
        let text = "every witness must cosign: one that is away keeps every soup back";
        warn("one-blocks-a-soup", text.to_owned());
    }
    if quorum == 0 && parties.len() > 1 {
        let text = "without a quorum of witnesses, a log that tells two stories is found only when two readers compare";
        warn("no-witnesses", text.to_owned());
    }
    if charter.access().experts != Audience::Anyone {
        let text = "only parties can recompute a soup, since others cannot read the experts";
        warn("closed-audit", text.to_owned());
    }
    warnings.extend(bargain::warnings(charter));
    warnings
}

fn total(charter: &Charter) -> u64 {
    // A charter has a party, and no weight is zero.
    charter.parties().values().map(|seat| u64::from(seat.weight)).sum()
}

fn percent(ppm: u64) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter(rule: &str, rest: &str) -> Charter {
        Charter::from_toml(&format!("name = 'news'\nrule = '{rule}'\n{rest}")).unwrap()
    }

    fn codes(charter: &Charter) -> Vec<&'static str> {
        warnings(charter).into_iter().map(|it| it.code).collect()
    }

    #[test]
    fn what_may_be_regretted_is_said() {
        let rest = "[parties.a]\nweight = 3\nfloor_ppm = 850000\n[parties.b]\nweight = 1\n\
                    [witnesses]\nquorum = 2\n[access]\nexperts = 'anyone'\nsoups = 'anyone'\n";
        let expected = [
            "one-decides",
            "one-blocks-a-round",
            "last-one-sees-all",
            "little-to-decide",
            "floor-above-weight",
            "lost-keys-stay-lost",
            "one-blocks-a-soup",
            "fixed-for-good",
        ];
        assert_eq!(codes(&charter("utilitarian", rest)), expected);
        let rest = "[parties.a]\nweight = 1\n[parties.b]\nweight = 1\n[keys]\nrecovery = 1\n\
                    [rounds]\nsealed = true\ncommit_seconds = 86400\nreveal_seconds = 5400\n";
        let expected = [
            "not-truthful",
            "one-voids-a-round",
            "one-takes-a-seat",
            "no-witnesses",
            "closed-audit",
            "fixed-for-good",
        ];
        assert_eq!(codes(&charter("mean", rest)), expected);
        let alone = "[parties.a]\nweight = 1\n[access]\nexperts = 'anyone'\nsoups = 'anyone'\n";
        assert_eq!(codes(&charter("ladder", alone)), ["lost-keys-stay-lost", "fixed-for-good"]);
    }

    #[test]
    fn from_what_experts_are_trained() {
        let say = |rules: &str| {
            let rest = format!("[parties.a]\nweight = 1\n{rules}");
            let lines = meaning(&charter("mean", &rest));
            lines.into_iter().filter(|line| line.contains("trained")).collect::<Vec<_>>()
        };
        assert!(say("").is_empty());
        assert_eq!(
            say("[training]\nstart = 'soup'\n"),
            [
                "Experts are trained from the soup in force, and from the base while there is none; one whose card says otherwise is warned of, and handed in."
            ]
        );
        assert_eq!(
            say("[training]\nstart = 'soup'\nfrom_round = 3\notherwise = 'refuse'\n"),
            [
                "Experts of round 3 and later are trained from the soup in force, earlier ones from the base; one whose card says otherwise is not handed in by the party's own client."
            ]
        );
        assert!(
            say("[training]\nstart = 'base'\n")[0]
                .starts_with("Experts are trained from the base in every round;")
        );
    }

    #[test]
    fn a_charter_in_words() {
        let rest = "[parties.a]\nweight = 1\nfloor_ppm = 125000\nreason = 'was first'\n[parties.b]\nweight = 2\n";
        let lines = meaning(&charter("independent_markets", rest));
        assert_eq!(lines[0], "The federation news of 2 parties:");
        assert_eq!(
            lines[1],
            "  a: weight 1 of 3, 33.3333 %; at least 12.5 % of every soup (was first)"
        );
        assert!(lines[3].contains("independent markets"));
    }
}
