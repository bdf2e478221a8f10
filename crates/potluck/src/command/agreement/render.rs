//! One page, twice: Markdown for repositories, HTML for a browser and a printer. Both say the same words.

use std::fmt::Write as _;

use crate::command::audit::report::escaped;

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// What the page is.
    Title(String),
    /// What matters most, and whether it is as it should be.
    Verdict { is_good: bool, text: String },
    /// Of a section.
    Heading(&'static str),
    /// A paragraph.
    Text(String),
    /// Items.
    List(Vec<String>),
    /// Columns, of which some are numbers, and rows.
    Table { head: Vec<&'static str>, numbers: Vec<usize>, rows: Vec<Vec<String>> },
    /// What is typed, or compared letter by letter.
    Code(Vec<String>),
}

/// Light, dark, on paper, and as narrow as a phone: as the audit's report.
const STYLE: &str = include_str!("../audit/report/style.css");

/// Words in tables are not broken, digests are. On paper it is to be short.
const PRINT: &str = "th,td{overflow-wrap:normal}td.digest{overflow-wrap:anywhere;min-width:9rem}@media print{body{font-size:9.5pt;line-height:1.35}h1{font-size:14pt}h2{font-size:11pt;margin-top:.9rem}}";

/// As Markdown.
pub(super) fn markdown(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        // Writing to a string does not fail.
        let _ = match block {
            Block::Title(title) => write!(text, "# {}\n\n", marked(title)),
            Block::Verdict { text: words, .. } => write!(text, "**{}**\n\n", marked(words)),
            Block::Heading(heading) => write!(text, "## {heading}\n\n"),
            Block::Text(words) => write!(text, "{}\n\n", marked(words)),
            Block::List(items) => {
                let items: String = items.iter().map(|it| format!("- {}\n", marked(it))).collect();
                writeln!(text, "{items}")
            }
            Block::Table { head, numbers, rows } => {
                let rule: String = (0..head.len())
                    .map(|column| if numbers.contains(&column) { "--:|" } else { "---|" })
                    .collect();
                let line = |row: &[String]| {
                    let cells: String = row.iter().map(|it| format!(" {} |", marked(it))).collect();
                    format!("|{cells}\n")
                };
                let rows: String = rows.iter().map(|row| line(row)).collect();
                write!(text, "| {} |\n|{rule}\n{rows}\n", head.join(" | "))
            }
            Block::Code(lines) => {
                let lines: String = lines.iter().map(|it| format!("    {}\n", plain(it))).collect();
                writeln!(text, "{lines}")
            }
        };
    }
    format!("{}\n", text.trim_end())
}

/// As a page that needs nothing beside it, and runs nothing.
pub(super) fn html(blocks: &[Block]) -> String {
    let title = blocks.iter().find_map(|block| match block {
        Block::Title(title) => Some(escaped(title)),
        _ => None,
    });
    let title = title.unwrap_or_default();
    let mut page = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">".to_owned();
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    page += "<meta name=\"viewport\" content=\"width=device-width\">";
    let _ = write!(page, "<title>{title}</title><style>{STYLE}{PRINT}</style></head><body>");
    for block in blocks {
        let _ = match block {
            Block::Title(title) => write!(page, "<h1>{}</h1>", escaped(title)),
            Block::Verdict { is_good, text } => {
                let class = if *is_good { "good" } else { "bad" };
                write!(page, "<p class=\"verdict {class}\"><strong>{}</strong></p>", escaped(text))
            }
            Block::Heading(heading) => write!(page, "<h2>{}</h2>", escaped(heading)),
            Block::Text(text) => write!(page, "<p>{}</p>", escaped(text)),
            Block::List(items) => {
                let items: String =
                    items.iter().map(|it| format!("<li>{}</li>", escaped(it))).collect();
                write!(page, "<ul>{items}</ul>")
            }
            Block::Table { head, numbers, rows } => {
                write!(page, "{}", table(head, numbers, rows))
            }
            Block::Code(lines) => {
                let lines: Vec<_> =
                    lines.iter().map(|it| format!("<code>{}</code>", escaped(it))).collect();
                write!(page, "<p>{}</p>", lines.join("<br>"))
            }
        };
    }
    page += "</body></html>\n";
    page
}

fn table(head: &[&str], numbers: &[usize], rows: &[Vec<String>]) -> String {
    let class = |column| if numbers.contains(&column) { " class=\"num\"" } else { "" };
    let heads = head.iter().enumerate();
    let heads: String =
        heads.map(|(column, it)| format!("<th{}>{}</th>", class(column), escaped(it))).collect();
    let mut text = format!("<table><tr class=\"head\">{heads}</tr>");
    for row in rows {
        text += "<tr>";
        for (column, (cell, label)) in row.iter().zip(head).enumerate() {
            // A digest breaks wherever the page ends, a word nowhere.
            let is_digest = cell.len() == 64 && cell.bytes().all(|it| it.is_ascii_hexdigit());
            let class = if is_digest { " class=\"digest\"" } else { class(column) };
            let label = escaped(label);
            let _ = write!(text, "<td data-label=\"{label}\"{class}>{}</td>", escaped(cell));
        }
        text += "</tr>";
    }
    text + "</table>"
}

/// Without what moves a terminal or breaks a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A party's words stay words: nothing in them becomes markup.
fn marked(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        let blocks = [
            Block::Title("<b> & 'c'".into()),
            Block::Table {
                head: vec!["a"],
                numbers: vec![0],
                rows: vec![vec!["x | [y](javascript:z) \u{1b}[2J <i>".into()]],
            },
        ];
        let (page, text) = (html(&blocks), markdown(&blocks));
        assert!(page.contains("<h1>&lt;b&gt; &amp; &#39;c&#39;</h1>") && !page.contains("<i>"));
        assert!(text.contains("x \\| \\[y\\](javascript:z)  \\[2J &lt;i&gt; |"), "{text}");
        assert!(!page.contains('\u{1b}') && !text.contains('\u{1b}'));
    }
}
