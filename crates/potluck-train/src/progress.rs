//! How far a long step is: a bar on a terminal, else a plain line about every tenth of the way.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of one step, on stderr.
pub(crate) struct Progress {
    name: String,
    length: u64,
    /// Tenths that were told already; none on a terminal.
    told: Option<u64>,
    bar: ProgressBar,
}

impl Progress {
    /// A step of `length` parts, of which `done` were done before.
    pub(crate) fn new(name: &str, length: u64, done: u64) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let bar = if on_terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
        let style = "{prefix:>12} [{bar:30}] {pos}/{len} {eta:>4} {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.set_position(done);
        let tenths = (done * 10).checked_div(length).unwrap_or(10);
        Self { name: name.to_owned(), length, told: (!on_terminal).then_some(tenths), bar }
    }

    /// `done` parts are done; `note` says how it goes.
    pub(crate) fn at(&mut self, done: u64, note: impl FnOnce() -> String) {
        let tenths = (done * 10).checked_div(self.length).unwrap_or(10);
        match &mut self.told {
            None => {
                self.bar.set_message(note());
                self.bar.set_position(done);
            }
            Some(told) if tenths > *told => {
                *told = tenths;
                eprintln!("{}: {done}/{} {}", self.name, self.length, note());
            }
            Some(_) => {}
        }
    }

    /// The step is over, with this to say.
    pub(crate) fn end(self, note: &str) {
        self.bar.finish_and_clear();
        eprintln!("{}: {note}", self.name);
    }
}
