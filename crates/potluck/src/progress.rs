//! Progress of long steps, drawn on standard error while somebody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// One long step that moves bytes. It vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Begins a step; `what` stands before the bar.
    pub(crate) fn begin(output: &Output, what: impl Into<String>) -> Self {
        let target = if output.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{msg:24!} {bar:30} {percent:>3} % {bytes:>10} of {total_bytes} {bytes_per_sec}",
        )
        .expect("the template is a constant that is well formed");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.set_message(what.into());
        Self(bar)
    }

    /// So many bytes are done, of so many.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
