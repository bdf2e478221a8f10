//! Running the product's programs: one log file and one progress bar each, and what they said at the end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

/// How many lines of a failed program's errors are repeated.
const LAST_WORDS: usize = 8;

/// Where the programs are, where they log, and where their progress is shown.
pub(crate) struct Programs {
    bin_dir: PathBuf,
    log_dir: PathBuf,
    bars: MultiProgress,
}

/// A program that ended: its exit code, its last line of JSON, its last words.
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// The last line on standard output, read as JSON; null when it is none.
    pub(crate) json: Value,
    /// The end of standard error.
    pub(crate) last_words: String,
}

impl Programs {
    /// Programs in `bin_dir` that log into `log_dir`.
    ///
    /// # Errors
    /// When the folder for logs cannot be made.
    pub(crate) fn new(bin_dir: PathBuf, log_dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&log_dir)
            .with_context(|| format!("cannot make {}", log_dir.display()))?;
        Ok(Self { bin_dir, log_dir, bars: MultiProgress::new() })
    }

    /// Where a program stands.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.bin_dir.join(program)
    }

    /// Runs `potluck` with `--json` to its end; `title` names the log file and the progress bar.
    ///
    /// # Errors
    /// When it cannot be started or watched.
    pub(crate) fn potluck(&self, title: &str, args: &[&str]) -> Result<Ended> {
        let mut command = Command::new(self.path("potluck"));
        command.args(args).arg("--json");
        self.run(title, command)
    }

    /// As [`Self::potluck`], where anything but success is an error.
    ///
    /// # Errors
    /// When it fails; the text repeats its last words.
    pub(crate) fn succeed(&self, title: &str, args: &[&str]) -> Result<Value> {
        let ended = self.potluck(title, args)?;
        if ended.code != Some(0) {
            bail!("{title}: potluck {} failed: {}", args.join(" "), ended.last_words.trim());
        }
        Ok(ended.json)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started or watched.
    pub(crate) fn run(&self, title: &str, mut command: Command) -> Result<Ended> {
        let mut log = self.log(title)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stderr = stderr.context("standard error was piped")?;
        let bar = self.bar(title);
        let watcher = std::thread::spawn(move || watch(stderr, &bar));
        let mut said = String::new();
        stdout.context("standard output was piped")?.read_to_string(&mut said)?;
        let status = child.wait()?;
        let words = watcher.join().map_err(|_| anyhow::anyhow!("the watcher of {title} died"))?;
        writeln!(log, "{}\n{said}", words.iter().cloned().collect::<Vec<_>>().join("\n"))?;
        let json = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let skipped = words.len().saturating_sub(LAST_WORDS);
        let last_words = words.into_iter().skip(skipped).collect::<Vec<_>>().join("\n");
        Ok(Ended { code: status.code(), json: json.unwrap_or(Value::Null), last_words })
    }

    /// Starts the aggregator and waits until it listens; returns it and its address.
    ///
    /// # Errors
    /// When it ends before it listens; the text says where its log is.
    pub(crate) fn serve(&self, dir: &Path) -> Result<(Server, String)> {
        let log = self.log("serve")?;
        let mut command = Command::new(self.path("potluck"));
        command.arg("serve").arg("--dir").arg(dir).args(["--listen", "127.0.0.1:0"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut server = Server(child.context("cannot start potluck serve")?);
        let mut line = String::new();
        let stdout = server.0.stdout.take().context("standard output was piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").with_context(|| {
            format!("potluck serve did not start; see {}", self.log_dir.join("serve.log").display())
        })?;
        Ok((server, address.to_owned()))
    }

    /// Where `title` logs.
    fn log(&self, title: &str) -> Result<File> {
        let name: String =
            title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = self.log_dir.join(format!("{name}.log"));
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn bar(&self, title: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "  {msg:20} {prefix:10} {bar:32} {percent:>3} % {elapsed}",
        )
        .expect("the template is a constant that is well formed");
        let bar = self.bars.add(ProgressBar::new(100).with_style(style));
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

/// Reads a program's errors to their end: percentages move the bar, the last lines are kept.
fn watch(stderr: ChildStderr, bar: &ProgressBar) -> VecDeque<String> {
    let mut words = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some((phase, percent)) = progress(&line) {
            bar.set_prefix(phase.to_owned());
            bar.set_position(percent);
        }
        words.push_back(line);
        if words.len() > 1000 {
            words.pop_front();
        }
    }
    bar.finish_and_clear();
    words
}

/// Reads `phase: done/total …`, as the trainer writes it where nobody watches: the phase, and per cent.
fn progress(line: &str) -> Option<(&str, u64)> {
    let (phase, rest) = line.trim_start().split_once(": ")?;
    let (done, total) = rest.split_whitespace().next()?.split_once('/')?;
    let (done, total): (u64, u64) = (done.parse().ok()?, total.parse().ok()?);
    Some((phase, done.checked_mul(100)?.checked_div(total)?))
}

/// The running aggregator; dropping it kills it, which it survives by design.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs jobs beside one another, as many at a time as there are cores; results stand in the order of the jobs.
///
/// A lane that is done takes the next job. Small models gain little from a second thread, and what a training
/// comes to does not depend on what runs beside it.
///
/// # Errors
/// The first error, once all that were begun have ended; nothing is begun after it.
pub(crate) fn beside<J: Sync, T: Send>(
    jobs: &[J],
    run: impl Fn(&J) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let lane = || {
        let mut done = Vec::new();
        while !has_failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else { break };
            let result = run(job);
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((place, result));
        }
        done
    };
    let mut done = std::thread::scope(|scope| -> Result<Vec<_>> {
        let threads: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a thread of ours died"))?);
        }
        Ok(all)
    })?;
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A path as an argument.
///
/// # Errors
/// When it is no UTF-8.
pub(crate) fn arg(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_back_in_their_order_and_the_first_error_counts() {
        let jobs: Vec<u32> = (0..20).collect();
        assert_eq!(beside(&jobs, |job| Ok(job * 2)).unwrap()[19], 38);
        let failed = beside(&jobs, |job| if *job == 7 { bail!("seven") } else { Ok(()) });
        assert_eq!(failed.unwrap_err().to_string(), "seven");
        assert!(beside(&[] as &[u32], |_| Ok(())).unwrap().is_empty());
    }

    #[test]
    fn progress_is_read_from_the_trainers_lines() {
        assert_eq!(progress("pretrain: 120/400 loss 2.1"), Some(("pretrain", 30)));
        assert_eq!(progress("rl: 5/5 kl 3"), Some(("rl", 100)));
        assert_eq!(progress("rl: 5/0"), None);
        assert_eq!(progress("pretrain: done, loss 1.0"), None);
        assert_eq!(progress("error: a/b"), None);
    }
}
