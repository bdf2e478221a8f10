//! The report: one page without script or anything from elsewhere, for a committee to read and file.
//!
//! Everything in it that somebody else wrote (names, reasons, addresses) is escaped.

use std::fmt::Write as _;

use potluck_core::entry::Role;
use potluck_core::federation::{LogKey, Member, Round};
use potluck_core::{Author, Federation};

use super::verdict::{Mark, Verdict};
pub(super) use crate::clock::utc;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}\
.verdict{padding:1rem 1.2rem;border-left:.5rem solid;font-size:1.15rem}\
.good{border-color:#1b7f3b;background:#eef8f0}.bad{border-color:#b3261e;background:#fdeeed}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}\
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.num{text-align:right}\
.passed{color:#1b7f3b}.warned{color:#8a5a00}.skipped{color:#666}.failed{color:#b3261e;font-weight:bold}\
@media print{body{margin:0}}";

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
                "<p>The first step that differs is <strong>{}</strong> (<code>{}</code>).</p>",
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
    push(page, format_args!("<p>Made on {}.", utc(verdict.time)));
    if let Some((federation, checkpoint)) = &verdict.federation {
        push(
            page,
            format_args!(
                " The ledger has {} entries under the root <code>{}</code>; it last stated the time {}. The federation is <code>{}</code>.",
                checkpoint.size(),
                checkpoint.root(),
                utc(federation.time()),
                federation.id()
            ),
        );
    }
    page.push_str("</p>");
}

fn steps(page: &mut String, verdict: &Verdict) {
    page.push_str(
        "<h2>What was checked</h2><table><tr><th></th><th>Step</th><th>Finding</th></tr>",
    );
    for step in &verdict.steps {
        let (class, sign) = match step.mark {
            Mark::Passed => ("passed", "✓ holds"),
            Mark::Warned => ("warned", "! remark"),
            Mark::Skipped => ("skipped", "– not checked"),
            Mark::Failed => ("failed", "✗ differs"),
        };
        push(
            page,
            format_args!(
                "<tr><td class=\"{class}\">{sign}</td><td>{}</td><td>{}</td></tr>",
                escaped(step.step),
                escaped(&step.what)
            ),
        );
    }
    page.push_str("</table>");
}

fn members(page: &mut String, federation: &Federation) {
    page.push_str(
        "<h2>Members and their keys</h2><table><tr><th>Member</th><th>Role</th><th>Key</th></tr>",
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
    let mut name = escaped(&author.to_string());
    if let Some(reason) = &member.suspended {
        push(&mut name, format_args!(" (suspended: {})", escaped(reason)));
    }
    for role in [Role::Sign, Role::Transport, Role::Witness] {
        if let Some(key) = member.key(role) {
            push(
                page,
                format_args!("<tr><td>{name}</td><td>{role}</td><td><code>{key}</code></td></tr>"),
            );
        }
    }
}

fn rounds(page: &mut String, federation: &Federation) {
    page.push_str("<h2>Rounds</h2>");
    if federation.rounds().is_empty() {
        page.push_str("<p>None was opened yet.</p>");
        return;
    }
    page.push_str("<table><tr><th>Round</th><th>Party</th><th>Proposed</th><th class=\"num\">Agreed share</th></tr>");
    for round in federation.rounds() {
        round_rows(page, round);
    }
    page.push_str("</table>");
}

fn round_rows(page: &mut String, round: &Round) {
    for party in round.experts.keys() {
        let proposal = round.proposals.get(party);
        let proposal = proposal.map_or_else(|| "not yet".to_owned(), ToString::to_string);
        let agreed = round.agreement.as_ref().and_then(|it| it.lambda.ppm().get(party));
        let agreed = agreed.map_or_else(|| "none yet".to_owned(), |ppm| percent(u64::from(*ppm)));
        push(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{agreed}</td></tr>",
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
    page.push_str(
        "<table><tr><th>Round</th><th>Published (BLAKE3, SHA-256)</th><th>Made again</th></tr>",
    );
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
                "<tr><td>{number}</td><td><code>{}</code><br><code>{}</code></td><td class=\"{class}\">{again}</td></tr>",
                soup.file.blake3, soup.file.sha256
            ),
        );
    }
    page.push_str("</table>");
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

fn escaped(text: &str) -> String {
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
        assert!(page.contains("50 %") && page.contains("agency"));
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
