//! The page: one agreement in plain words.
//!
//! The order is that in which a committee asks: what, who, what for, how, who was against, until when, is it true.

use potluck_core::entry::Stance;
use potluck_core::federation::bargain::Outcome;
use potluck_core::{Blake3, FileEntry, PartyId};

use super::facts::{Facts, Standing};
use super::render::Block;
use super::words::{self, capital, count, gain, listed, share};
use crate::clock::utc;

/// What the page says.
pub(super) fn blocks(facts: &Facts<'_>) -> Vec<Block> {
    let mut blocks = vec![title(facts), verdict(facts)];
    blocks.push(Block::Text(opening(facts)));
    blocks.push(Block::Heading("Who, and which shares"));
    blocks.push(parties(facts));
    blocks.extend(gains_note(facts).map(Block::Text));
    blocks.push(Block::Heading("How it was decided"));
    blocks.extend(decision(facts).into_iter().map(Block::Text));
    blocks.push(Block::Heading("How the parties stand to it"));
    blocks.extend(stances(facts));
    blocks.push(Block::Heading("How long it holds"));
    blocks.push(Block::List(duration(facts)));
    blocks.push(Block::Heading("What it is made of"));
    blocks.push(made_of(facts));
    blocks.push(Block::Heading("How to check it"));
    blocks.extend(check(facts));
    blocks
}

fn title(facts: &Facts<'_>) -> Block {
    let name = facts.charter().name();
    Block::Title(format!("Agreement of round {} of the federation {name}", facts.round.number))
}

fn verdict(facts: &Facts<'_>) -> Block {
    let standing = facts.standing();
    let holds = match standing {
        Standing::InForce => "It is in force.".to_owned(),
        Standing::Unratified => "It is not ratified yet.".to_owned(),
        Standing::Unpublished => "Its soup is not published yet.".to_owned(),
        Standing::Expired => "Its time is over: it is no longer in force.".to_owned(),
        Standing::Withdrawn => "A party took its expert back: it is no longer in force.".to_owned(),
        Standing::Replaced(round) => {
            format!("It is no longer in force: the soup of round {round} has its place.")
        }
    };
    let text = format!("The shares are: {}. {holds}", facts.headline());
    Block::Verdict { is_good: !standing.has_lapsed(), text }
}

fn opening(facts: &Facts<'_>) -> String {
    let what = "A soup is the model that comes of mixing the experts of several parties, each an answer to what its party \
                wants; the shares say how much of each is in it.";
    let how = match (facts.bargain(), facts.no_deal()) {
        (Some(_), None) => {
            "These shares are a bargain: every party that was heard tried the candidates on its own questions, accepts this \
             one, and gains by it over having no deal."
                .to_owned()
        }
        (Some(_), Some(why)) => format!(
            "These shares are no bargain but the fallback, to which the proposals entitle the parties: {}.",
            why.sentence()
        ),
        (None, _) => format!(
            "These shares follow from what the parties proposed, by the charter's rule: {}.",
            words::entitlement(facts.agreement.rule)
        ),
    };
    format!(
        "{what} {how} Nobody declares the outcome: it follows from the ledger, and everybody can work it out again."
    )
}

fn parties(facts: &Facts<'_>) -> Block {
    let is_bargain = facts.bargain().is_some();
    let mut head = vec!["party", "weight", "because", "share"];
    let mut numbers = vec![1, 3];
    if is_bargain {
        head.extend(["gains over no deal", "its best candidate", "gives up"]);
        numbers.extend([4, 5, 6]);
    }
    head.push("stands to it");
    let total: u64 = facts.charter().parties().values().map(|seat| u64::from(seat.weight)).sum();
    let (gains, first) = (facts.gains(), facts.first_gains());
    let row = |party: &PartyId| {
        let seat = facts.charter().parties().get(party);
        let reason = seat.map_or("", |seat| seat.reason.as_str());
        let reason = if reason.is_empty() { "not stated" } else { reason };
        let ppm = facts.agreement.lambda.ppm().get(party).copied().unwrap_or(0);
        let weight = facts.charter().weight(party);
        let mut row =
            vec![party.to_string(), format!("{weight} of {total}"), reason.to_owned(), share(ppm)];
        if is_bargain {
            let (here, best) = (gains.get(party), facts.best(party));
            row.push(here.map_or("not heard".to_owned(), |it| gain(*it)));
            row.push(best.map_or("–".to_owned(), |(number, most)| {
                format!("{} (candidate {})", gain(most), number + 1)
            }));
            row.push(match (first.get(party), best) {
                (Some(here), Some((_, most))) => gain(most.saturating_sub(*here)),
                _ => "–".to_owned(),
            });
        }
        row.push(stands(facts, party).to_owned());
        row
    };
    let rows = facts.round.experts.keys().map(row).collect();
    Block::Table { head, numbers, rows }
}

fn stands(facts: &Facts<'_>, party: &PartyId) -> &'static str {
    match facts.stance(party) {
        Some(Stance::Ratify) => "ratified",
        Some(Stance::Abstain) => "abstained",
        Some(Stance::Dissent) => "objected",
        None => "said nothing",
    }
}

/// What the numbers mean.
fn gains_note(facts: &Facts<'_>) -> Option<String> {
    facts.bargain()?;
    let rules = facts.charter().bargain()?;
    Some(format!(
        "Each party measured by itself, in its own unit, and showed only this: 0 % is what it has without a deal ({}), and \
         100 % the best that any of the first candidates gave it. So the numbers of one party compare with each other, and \
         not with another party's. What it gives up is what its own best candidate gives it beyond this one, both by the first \
         scores: finalists are scored once more on new prompts, and so apart from the others.",
        words::disagreement(rules.disagreement)
    ))
}

fn decision(facts: &Facts<'_>) -> Vec<String> {
    let entitled = format!(
        "{} of {} proposed shares. By {}, the proposals lead to",
        facts.round.proposals.len(),
        count(facts.round.experts.len(), "party", "parties"),
        words::entitlement(facts.agreement.rule)
    );
    let Some((bargain, deal)) = facts.bargain() else {
        return vec![format!("{entitled} the shares above.")];
    };
    let fallback = shares_of(&bargain.entitlement);
    let mut entitled = format!("{entitled} {fallback}; that is what holds where there is no deal.");
    let gains = bargain.number(&bargain.entitlement).map(|number| bargain.gains(number));
    if let Some(gains) = gains.filter(|it| !it.is_empty() && facts.no_deal().is_none()) {
        let gains: Vec<_> =
            gains.iter().map(|(party, ppm)| format!("{party} {}", gain(*ppm))).collect();
        entitled += &format!(" By it the parties would gain: {}.", gains.join(", "));
    }
    let mut texts = vec![entitled];
    let mut tried = format!(
        "{} were tried, in {}. Among those that are a gain for everybody and that everybody accepts, the charter's rule \
         chooses {}.",
        count(bargain.candidates.len(), "candidate", "candidates"),
        count(bargain.batches.len(), "batch", "batches"),
        words::bargain(deal.rule)
    );
    if let Some((chosen, runner_up)) = facts.chosen() {
        let of = |number: usize| {
            let lambda = bargain.candidates.get(number).map(shares_of).unwrap_or_default();
            format!("candidate {} ({lambda})", number + 1)
        };
        tried += &match (deal.outcome, runner_up) {
            (Outcome::Chosen { .. }, Some(next)) => {
                format!(" It chose {}; the runner-up is {}.", of(chosen), of(next))
            }
            (Outcome::Chosen { .. }, None) => {
                format!(" It chose {}; no other one was left.", of(chosen))
            }
            (Outcome::Fallback(_), _) => format!(" It chose {}.", of(chosen)),
        };
    }
    if let Some(why) = facts.no_deal() {
        tried += &format!(" There is no deal: {}.", why.sentence());
    }
    texts.push(tried);
    let out = facts.excluded();
    if !out.is_empty() {
        let each: Vec<_> =
            out.iter().map(|(why, n)| format!("{n} {}", words::excluded(*why, *n))).collect();
        texts.push(format!(
            "{} could not be chosen, by the first reason that applies to each: {}. decision.csv lists them.",
            capital(&count(out.iter().map(|(_, n)| n).sum(), "candidate", "candidates")),
            listed(&each)
        ));
    }
    let silent = facts.round.experts.keys().filter(|it| !bargain.heard.contains(*it));
    let silent: Vec<_> = silent.map(PartyId::to_string).collect();
    if !silent.is_empty() {
        texts.push(format!(
            "{} did not show scores of every batch, so that neither their gains nor their floors counted.",
            listed(&silent)
        ));
    }
    texts
}

fn shares_of(lambda: &potluck_core::Lambda) -> String {
    let shares = lambda.ppm().iter().map(|(party, ppm)| format!("{party} {}", share(*ppm)));
    shares.collect::<Vec<_>>().join(", ")
}

fn stances(facts: &Facts<'_>) -> Vec<Block> {
    let rules = facts.charter().agreement();
    let needed = match rules.ratify_permille {
        0 => "The charter asks for no ratification: what follows from the ledger holds.".to_owned(),
        permille => format!(
            "By the charter a bargain comes into force once {} of the weight has ratified it; the fallback needs nobody's word.",
            share(permille * 1000)
        ),
    };
    let digest = facts.agreement.digest();
    let said = facts.told.stood.iter().map(|(place, party, said)| {
        let verb = match said.stance {
            Stance::Ratify => "ratified",
            Stance::Abstain => "abstained",
            Stance::Dissent => "objected",
        };
        let of = if said.agreement == digest {
            String::new()
        } else {
            format!(" to what was chosen before, {}", before(facts, said.agreement))
        };
        let reason =
            if said.reason.is_empty() { String::new() } else { format!(": “{}”", said.reason) };
        format!("{party} {verb}{of} (entry {}, {}){reason}", place.index, utc(place.time))
    });
    let said: Vec<_> = said.collect();
    let silent = facts.round.experts.keys().filter(|it| facts.stance(it).is_none());
    let silent: Vec<_> = silent.map(PartyId::to_string).collect();
    let mut blocks = vec![Block::Text(needed)];
    if !said.is_empty() {
        blocks.push(Block::List(said));
    }
    if !silent.is_empty() {
        blocks.push(Block::Text(format!("Said nothing of it: {}.", listed(&silent))));
    }
    blocks
}

/// An agreement that was replaced.
fn before(facts: &Facts<'_>, digest: Blake3) -> String {
    let known = facts.told.agreements.iter().find(|(_, it)| it.digest() == digest);
    known.map_or_else(|| digest.short(), |(_, it)| shares_of(&it.lambda))
}

fn duration(facts: &Facts<'_>) -> Vec<String> {
    let told = facts.told;
    let mut items = Vec::new();
    if let Some((place, _)) = told.agreements.last() {
        items.push(format!("Reached on {} (entry {}).", utc(place.time), place.index));
    }
    items.push(match told.published {
        Some(place) => {
            format!("Its soup was published on {} (entry {}).", utc(place.time), place.index)
        }
        None => "Its soup is not published yet.".to_owned(),
    });
    items.push(match facts.agreement.expires {
        Some(end) => format!("It holds until {}, unless another soup takes its place.", utc(end)),
        None => "It has no date on which it ends: it holds until another soup takes its place."
            .to_owned(),
    });
    items.extend(told.withdrawn.iter().map(|(place, party, reason)| {
        format!(
            "{party} took its expert back on {} (entry {}): “{reason}”",
            utc(place.time),
            place.index
        )
    }));
    if let Standing::Replaced(round) = facts.standing() {
        items.push(format!("The soup of round {round} has taken its place."));
    }
    items.push(format!(
        "All this is as of the ledger's {} entries, the last of {}.",
        facts.size,
        utc(facts.federation.time())
    ));
    items
}

fn made_of(facts: &Facts<'_>) -> Block {
    let row =
        |part: String, share: String, file: &FileEntry| vec![part, share, file.blake3.to_string()];
    let none = || "–".to_owned();
    let mut rows = vec![row("the base".to_owned(), none(), facts.federation.base_weights())];
    rows.extend(facts.told.experts.iter().filter_map(|(party, expert)| {
        let ppm = facts.agreement.lambda.ppm().get(party).copied().unwrap_or(0);
        Some(row(format!("the expert of {party}"), share(ppm), expert.manifest.expert()?))
    }));
    rows.extend(facts.round.soup.as_ref().map(|it| row("the soup".to_owned(), none(), &it.file)));
    Block::Table { head: vec!["part", "share", "BLAKE3 of its weights"], numbers: vec![1], rows }
}

fn check(facts: &Facts<'_>) -> Vec<Block> {
    let (place, key) = (facts.address.as_deref().unwrap_or("COPY"), &facts.log_key);
    let round = facts.round.number;
    let offline = if facts.address.is_some() { "" } else { " --offline" };
    let folder = if facts.address.is_some() {
        ""
    } else {
        " COPY is a folder with a copy of the ledger, as potluck mirror makes it."
    };
    vec![
        Block::Text(format!(
            "Whoever has the log's public key needs nobody's word for any of this. The first command replays the whole ledger \
             and makes the soups again, the second writes this page anew, to be compared with the one at hand.{folder} Get the \
             log key from the operator or a party, not from this page: whoever wrote the page could have put another one here."
        )),
        Block::Code(vec![
            format!("potluck audit {place} --log-key {key}{offline}"),
            format!("potluck agreement {place} --log-key {key}{offline} --round {round} --out again"),
        ]),
        Block::Text(
            "Without any of our programs: decision.csv opens in a spreadsheet (LibreOffice, Excel; say yes where it asks \
             whether to evaluate formulas), whose own formulas decide once more by the scores, and compare."
                .to_owned(),
        ),
        Block::Code(vec![
            format!("agreement {}", facts.agreement.digest()),
            format!("federation {}", facts.federation.id()),
            format!("charter version {}", facts.told.version),
            format!("ledger root over {} entries {}", facts.size, facts.root),
        ]),
        Block::Text(
            "Rules on AI models ask that design choices be written down with their reasons (in the European Union for instance \
             Annex XI of the AI Act, for providers of general-purpose models); shares, rule and who agreed are such choices. \
             This page is generated, and no legal advice."
                .to_owned(),
        ),
    ]
}
