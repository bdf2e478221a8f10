//! The report: one page without script or anything from elsewhere, for a committee to read and file.
//!
//! Everything in it that somebody else wrote (names, reasons, addresses) is escaped.

use std::fmt::Write as _;

use potluck_core::entry::Role;
use potluck_core::federation::{LogKey, Member, Round};
use potluck_core::{Author, Federation, Lambda, PartyId, Recipe};

use super::verdict::{Mark, Verdict};
pub(super) use crate::clock::utc;

/// Light, dark, on paper, and as narrow as a phone.
const STYLE: &str = include_str!("report/style.css");

/// The page.
pub(super) fn page(verdict: &Verdict) -> String {
    let mut page = String::new();
    let name = verdict.federation.as_ref().map_or_else(
        || "unknown".to_owned(),
        |(federation, _)| federation.charter().name().to_string(),
    );
    let title = format!("Audit of the federation {}", escaped(&name));
    page += "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">";
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    page += "<meta name=\"viewport\" content=\"width=device-width\">";
    push(&mut page, format_args!("<title>{title}</title><style>{STYLE}</style></head><body>"));
    push(&mut page, format_args!("<h1>{title}</h1>"));
    opening(&mut page, verdict);
    remarks(&mut page, verdict);
    steps(&mut page, verdict);
    if let Some((federation, _)) = &verdict.federation {
        members(&mut page, federation);
        rounds(&mut page, federation);
    }
    soups(&mut page, verdict);
    repeat(&mut page, verdict);
    page += "</body></html>\n";
    page
}

fn opening(page: &mut String, verdict: &Verdict) {
    let class = if verdict.difference.is_none() { "good" } else { "bad" };
    let words = escaped(&verdict.in_words());
    push(page, format_args!("<p class=\"verdict {class}\"><strong>{words}</strong></p>"));
    if let Some(difference) = &verdict.difference {
        push(
            page,
            format_args!(
                "<p>The first question that cannot be answered with yes: <strong>{}</strong> (step {}, <code>{}</code>). What comes after it was not looked at.</p>",
                question(difference.step).unwrap_or("Does it agree?"),
                escaped(difference.step),
                escaped(difference.code)
            ),
        );
        if let Some((expected, found)) = &difference.compared {
            push(
                page,
                format_args!(
                    "<table><tr><th>expected</th><td><code>{}</code></td></tr><tr><th>found</th><td><code>{}</code></td></tr></table>",
                    escaped(expected),
                    escaped(found)
                ),
            );
        }
        if let Some(hint) = &difference.hint {
            push(page, format_args!("<p>{}</p>", escaped(hint)));
        }
    }
    page.push_str("<p>This page was written by <code>potluck audit</code>, which read the whole ledger and worked out everything again by itself. It takes nobody's word for it, the operator's included; all that it was given beforehand is the log's key.</p>");
    push(page, format_args!("<table><tr><th>Made on</th><td>{}</td></tr>", utc(verdict.time)));
    if let Some((federation, checkpoint)) = &verdict.federation {
        push(
            page,
            format_args!(
                "<tr><th>Ledger</th><td>{} entries, the last of {}</td></tr><tr><th>Its root</th><td><code>{}</code></td></tr><tr><th>Federation</th><td><code>{}</code></td></tr>",
                checkpoint.size(),
                utc(federation.time()),
                checkpoint.root(),
                federation.id()
            ),
        );
    }
    page.push_str("</table>");
}

/// What a reader should know although nothing is wrong.
fn remarks(page: &mut String, verdict: &Verdict) {
    let mut warned = verdict.steps.iter().filter(|step| step.mark == Mark::Warned).peekable();
    if warned.peek().is_none() {
        return;
    }
    page.push_str("<h2>Remarks</h2><ul>");
    for step in warned {
        push(page, format_args!("<li>{}: {}</li>", escaped(step.step), escaped(&step.what)));
    }
    page.push_str("</ul>");
}

/// What a step asks, in words for whoever does not know how it is answered.
fn question(step: &str) -> Option<&'static str> {
    Some(match step {
        "source" => "Is this the log that was meant?",
        "memory" => "Does the log still hold what it showed before?",
        "ledger" => "Did the log sign all that it shows?",
        "replay" => "Did its author sign each entry, and do they keep the rules?",
        "checkpoint" => "Is no entry missing, added or changed?",
        "tiles" => "Are the files of the copy those of its entries?",
        "state" => "Does everybody who reads the entries come to the same result?",
        "times" => "Are the stated times in order?",
        "keys" => "Was every key valid when it signed?",
        "bundles" => "Do other tools confirm who handed in each expert?",
        "witnesses" => "Do others vouch that everybody is shown the same ledger?",
        "experts" => "Are the experts the files that were handed in?",
        "soups" => "Does making the soup again give the published file?",
        _ => return None,
    })
}

fn steps(page: &mut String, verdict: &Verdict) {
    page.push_str("<h2>What was checked</h2><table><tr class=\"head\"><th></th><th>Question</th><th>Finding</th></tr>");
    let mut before = "";
    for step in &verdict.steps {
        // Several findings may answer one question.
        let question = if step.step == before { String::new() } else { asked(step.step) };
        before = step.step;
        let (class, sign) = match step.mark {
            Mark::Passed => ("passed", "✓ holds"),
            Mark::Warned => ("warned", "! remark"),
            Mark::Skipped => ("skipped", "– not checked"),
            Mark::Failed => ("failed", "✗ differs"),
        };
        push(
            page,
            format_args!(
                "<tr><td class=\"mark {class}\">{sign}</td><td>{}</td><td>{}</td></tr>",
                question,
                escaped(&step.what)
            ),
        );
    }
    page.push_str("</table>");
}

/// The question, and the step's name as the command says it.
fn asked(step: &str) -> String {
    let name = escaped(step);
    match question(step) {
        Some(question) => format!("{question}<small>{name}</small>"),
        None => name,
    }
}

fn members(page: &mut String, federation: &Federation) {
    page.push_str(
        "<h2>Members and their keys</h2><table><tr class=\"head\"><th>Member</th><th>Keys</th></tr>",
    );
    for (author, member) in federation.members().iter() {
        member_rows(page, author, member);
    }
    for LogKey { since, key } in federation.log_keys() {
        push(
            page,
            format_args!(
                "<tr><td>the log</td><td>since entry {since}</td><td><code>{key}</code></td></tr>"
            ),
        );
    }
    page.push_str("</table>");
    let mut void = federation.members().all_retired().peekable();
    if void.peek().is_some() {
        page.push_str("<p>Void keys (what they signed before stays valid):</p><ul>");
        for (key, retired) in void {
            let why = retired.reason.as_deref().unwrap_or("another key took its place");
            push(
                page,
                format_args!(
                    "<li><code>{}</code> of {}, since entry {}: {}</li>",
                    key.short(),
                    escaped(&retired.of.to_string()),
                    retired.index,
                    escaped(why)
                ),
            );
        }
        page.push_str("</ul>");
    }
}

fn member_rows(page: &mut String, author: &Author, member: &Member) {
    push(page, format_args!("<tr><td><strong>{}</strong>", escaped(&author.to_string())));
    if let Some(reason) = &member.suspended {
        push(page, format_args!("<small>suspended: {}</small>", escaped(reason)));
    }
    page.push_str("</td><td>");
    let mut has_none = true;
    for (role, does) in [
        (Role::Sign, "signs with"),
        (Role::Transport, "connects with"),
        (Role::Witness, "vouches for the ledger with"),
    ] {
        if let Some(key) = member.key(role) {
            push(page, format_args!("<small>{does}</small><code>{key}</code>"));
            has_none = false;
        }
    }
    if has_none {
        page.push_str("<span class=\"faint\">none in force</span>");
    }
    page.push_str("</td></tr>");
}

fn rounds(page: &mut String, federation: &Federation) {
    page.push_str("<h2>Rounds</h2>");
    if federation.rounds().is_empty() {
        page.push_str("<p>None was opened yet.</p>");
        return;
    }
    page.push_str("<p>In each round every party proposes how to weigh all experts; the shares that were agreed on follow from the proposals by the charter's rule.</p><table><tr class=\"head\"><th>Round</th><th>Party</th><th>Proposed</th><th class=\"num\">Its agreed share</th></tr>");
    for round in federation.rounds() {
        round_rows(page, round);
    }
    page.push_str("</table>");
}

fn round_rows(page: &mut String, round: &Round) {
    for party in round.experts.keys() {
        let proposal = round.proposals.get(party);
        let proposal = proposal.map_or_else(|| "not yet".to_owned(), shares);
        let agreed = round.agreement.as_ref().and_then(|it| it.lambda.ppm().get(party));
        let agreed = agreed.map_or_else(|| "none yet".to_owned(), |ppm| percent(u64::from(*ppm)));
        push(
            page,
            format_args!(
                "<tr><td data-label=\"Round\">{}</td><td data-label=\"Party\">{}</td><td data-label=\"Proposed\">{}</td><td data-label=\"Its agreed share\" class=\"num\">{agreed}</td></tr>",
                round.number,
                escaped(party.as_str()),
                escaped(&proposal)
            ),
        );
    }
}

fn soups(page: &mut String, verdict: &Verdict) {
    page.push_str("<h2>Soups</h2>");
    let rounds = verdict.federation.iter().flat_map(|(federation, _)| federation.rounds());
    let published: Vec<_> =
        rounds.filter_map(|round| Some((round.number, round.soup.as_ref()?))).collect();
    if published.is_empty() {
        page.push_str("<p>None was published yet.</p>");
        return;
    }
    page.push_str("<p>A soup is the model that comes of mixing the experts by the agreed shares.</p><table><tr class=\"head\"><th>Round</th><th>Made of</th><th>Published file</th><th>Made again</th></tr>");
    for (number, soup) in published {
        let again = verdict.soups.iter().find(|it| it.round == number);
        let (class, again) = match again {
            Some(it) if it.recomputed_blake3 == soup.file.blake3 => {
                ("passed", "the same, bit for bit".to_owned())
            }
            Some(it) => ("failed", format!("<code>{}</code>", it.recomputed_blake3)),
            None => ("skipped", "not made again in this audit".to_owned()),
        };
        push(
            page,
            format_args!(
                "<tr><td data-label=\"Round\">{number}</td><td data-label=\"Made of\">{}</td><td data-label=\"Published file\"><small>BLAKE3</small><code>{}</code><small>SHA-256</small><code>{}</code></td><td data-label=\"Made again\" class=\"{class}\">{again}</td></tr>",
                ingredients(&soup.recipe),
                soup.file.blake3,
                soup.file.sha256
            ),
        );
    }
    page.push_str("</table>");
}

/// A proposed λ as people read it.
fn shares(lambda: &Lambda) -> String {
    listed(lambda.ppm().iter().map(|(party, ppm)| (party, *ppm)))
}

/// What a soup is made of.
fn ingredients(recipe: &Recipe) -> String {
    escaped(&listed(recipe.experts().iter().map(|expert| (&expert.party, expert.ppm))))
}

fn listed<'p>(shares: impl Iterator<Item = (&'p PartyId, u32)>) -> String {
    let shares = shares.map(|(party, ppm)| format!("{party} {}", percent(u64::from(ppm))));
    shares.collect::<Vec<_>>().join(", ")
}

fn repeat(page: &mut String, verdict: &Verdict) {
    page.push_str("<h2>How to repeat it</h2>");
    let Some((place, key)) = &verdict.repeat else {
        page.push_str("<p>The audit ended before it knew where the log is.</p>");
        return;
    };
    push(
        page,
        format_args!(
            "<p><code>potluck audit {} --log-key {}</code></p>",
            escaped(place),
            escaped(key)
        ),
    );
    page.push_str("<p>Get the log key from the operator or a party, not from this page: whoever wrote the page could have put another one here. The ledger may have grown since; what is listed above must still be its beginning.</p>");
}

/// Parts per million as per cent, exactly.
fn percent(ppm: u64) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Text for a page: words stay words, and nothing in them becomes markup or moves a terminal.
pub(in crate::command) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn push(page: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = page.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::output::Output;
    use crate::samples::Story;

    #[test]
    fn the_page_says_what_was_found_and_carries_no_foreign_markup() {
        let output = Output::new(true);
        let mut trail = super::super::verdict::Trail::new(&output);
        trail.found(&Story::published().ledger());
        trail.begin("soups");
        trail.repeats("<script>alert(1)</script>", &Story::log_key());
        let failure = Failure::unverified("soup-mismatch", "it is \"<b>\" & 'not'");
        let page = page(&trail.finish(Some(&failure.differs("<i>", "b"))));
        assert!(page.contains("Something is not as the ledger says"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        for forbidden in ["<script", "<b>", "<i>", "http://", "https://", "src="] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("agency 50 %, readers 50 %"));
        assert!(page.contains("not made again in this audit"));
    }

    #[test]
    fn shares_and_times_read_as_people_write_them() {
        assert_eq!(percent(1_000_000), "100 %");
        assert_eq!(percent(333_333), "33.3333 %");
        assert_eq!(percent(5), "0.0005 %");
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(utc(u64::MAX), "9999-12-31 23:59:59 UTC");
    }
}
