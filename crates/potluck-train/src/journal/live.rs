//! The line for who watches: drawn anew on a terminal, else a plain one about every tenth of the way.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Speed and time left are those of so many last steps.
const RECENT: usize = 10;

/// What the line shows of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveFigures {
    /// Tokens that the step computed with.
    pub tokens: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// The mean reward and its standard error; none where nothing is rewarded.
    pub reward: Option<(f64, f64)>,
    /// Nats from the base, a completion.
    pub kl: Option<f64>,
    /// Tokens a completion.
    pub length: Option<f64>,
    /// What is minimised, where that says something.
    pub loss: Option<f64>,
    /// The share of what was told right.
    pub accuracy: Option<f64>,
}

/// The progress of a stage, on stderr.
#[derive(Debug)]
pub struct Live {
    stage: String,
    steps: u64,
    /// Tenths that were told already; none on a terminal.
    told: Option<u64>,
    recent: VecDeque<(u64, f64)>,
    bar: ProgressBar,
}

impl Live {
    /// A stage of `steps`, of which `done` were done before.
    pub fn begin(stage: &str, steps: u64, done: u64) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let bar = if on_terminal { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{prefix:>12} [{bar:24}] {pos}/{len} {msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(stage.to_owned());
        bar.set_position(done);
        let told = (!on_terminal).then(|| tenths(done, steps));
        Self { stage: stage.to_owned(), steps, told, recent: VecDeque::new(), bar }
    }

    /// `done` steps are done, the last with these figures.
    pub fn at(&mut self, done: u64, figures: &LiveFigures) {
        self.recent.push_back((figures.tokens, figures.seconds));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let now = tenths(done, self.steps);
        match &mut self.told {
            None => {
                self.bar.set_message(line(figures, &self.recent, self.steps.saturating_sub(done)));
                self.bar.set_position(done);
            }
            Some(told) if now > *told => {
                *told = now;
                let left = self.steps.saturating_sub(done);
                let line = line(figures, &self.recent, left);
                eprintln!("{}: {done}/{} {line}", self.stage, self.steps);
            }
            Some(_) => {}
        }
    }

    /// Says a sentence above the line.
    pub fn say(&self, sentence: &str) {
        self.bar.suspend(|| eprintln!("{}: {sentence}", self.stage));
    }

    /// The stage is over, with this to say.
    pub fn end(self, note: &str) {
        self.bar.finish_and_clear();
        eprintln!("{}: {note}", self.stage);
    }
}

fn tenths(done: u64, steps: u64) -> u64 {
    done.saturating_mul(10).checked_div(steps).unwrap_or(10)
}

/// Figures, speed and time left.
fn line(figures: &LiveFigures, recent: &VecDeque<(u64, f64)>, left: u64) -> String {
    let mut parts = Vec::new();
    if let Some((mean, error)) = figures.reward {
        parts.push(format!("reward {mean:.3} ± {error:.3}"));
    }
    parts.extend(figures.loss.map(|loss| format!("loss {loss:.3}")));
    parts.extend(figures.accuracy.map(|accuracy| format!("accuracy {accuracy:.2}")));
    parts.extend(figures.kl.map(|kl| format!("kl {kl:.2}")));
    parts.extend(figures.length.map(|length| format!("length {length:.1}")));
    let tokens: u64 = recent.iter().map(|(tokens, _)| tokens).sum();
    let seconds: f64 = recent.iter().map(|(_, seconds)| seconds).sum();
    if seconds > 0.0 {
        if tokens > 0 {
            parts.push(format!("{:.0} tok/s", tokens as f64 / seconds));
        }
        let left = left as f64 * seconds / recent.len() as f64;
        parts.push(format!(
            "{} left",
            span(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
        ));
    }
    parts.join(", ")
}

/// A span of time in its two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_it_goes() {
        let figures = LiveFigures {
            reward: Some((1.23456, 0.04)),
            kl: Some(4.0),
            length: Some(38.25),
            ..LiveFigures::default()
        };
        let recent = VecDeque::from([(1000, 0.5), (3000, 1.5)]);
        assert_eq!(
            line(&figures, &recent, 90),
            "reward 1.235 ± 0.040, kl 4.00, length 38.2, 2000 tok/s, 1 min 30 s left"
        );
        assert_eq!(
            line(&LiveFigures { loss: Some(2.0), ..LiveFigures::default() }, &VecDeque::new(), 3),
            "loss 2.000"
        );
        let figures = LiveFigures { accuracy: Some(0.75), ..LiveFigures::default() };
        assert_eq!(line(&figures, &VecDeque::from([(0, 2.0)]), 3), "accuracy 0.75, 6 s left");
        assert_eq!(span(Duration::from_secs(7265)), "2 h 01 min");
        assert_eq!(span(Duration::from_secs(200_000)), "2 d 07 h");
    }
}
