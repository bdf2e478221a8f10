//! `potluck-aggregator doctor`: the command around [`potluck_aggregator::doctor`].
//!
//! Exit code 6: something would keep the aggregator from serving. Warnings alone leave it at 0.

use std::io::{self, Write as _};
use std::process::ExitCode;

use potluck_aggregator::config::DoctorArguments;
use potluck_aggregator::doctor::{Finding, Verdict, examine};

/// The exit code of a machine on which it would not run.
const UNWELL: u8 = 6;

/// Looks, and says what was found.
pub(crate) fn run(arguments: &DoctorArguments) -> io::Result<ExitCode> {
    let findings = examine(&arguments.as_server());
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Well);
    print(&findings, worst, arguments.json)?;
    Ok(if worst == Verdict::Wrong { ExitCode::from(UNWELL) } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding], worst: Verdict, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{}", serde_json::json!({"findings": findings, "verdict": worst}));
    }
    let wide = findings.iter().map(|finding| finding.subject.len()).max().unwrap_or(0);
    for Finding { subject, verdict, seen, cure } in findings {
        let mark = match verdict {
            Verdict::Well => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "WRONG",
        };
        writeln!(out, "{mark:>7}  {subject:wide$}  {seen}")?;
        if let Some(cure) = cure {
            writeln!(out, "{:>7}  {:wide$}  → {cure}", "", "")?;
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    match (count(Verdict::Wrong), count(Verdict::Warning)) {
        (0, 0) => writeln!(out, "An aggregator can run here."),
        (0, warnings) => writeln!(out, "An aggregator can run here; {warnings} to look at."),
        (wrong, _) => {
            writeln!(out, "An aggregator cannot run here as it is: {wrong} to mend first.")
        }
    }
}
