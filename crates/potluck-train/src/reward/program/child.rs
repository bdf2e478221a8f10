//! One running child: started apart from our secrets, spoken with through threads, killed whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::heard::{Heard, LONGEST_LINE, LastWords, read_lines};
use super::settings::Settings;

/// How long a child that closed its output is given to end, so that its exit status can be told.
const GRACE: Duration = Duration::from_secs(2);

/// A line to be written; shared, as it may be written to a second child.
pub(super) type Line = Arc<[u8]>;

/// Why a child gave no answer: it died, it floods, it is too slow, or it could not be started.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What happened, to follow "the program".
    pub(super) what: String,
}

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    to_write: Sender<Line>,
    heard: Receiver<Heard>,
    words: LastWords,
    listener: JoinHandle<()>,
    is_killed: bool,
}

impl Child {
    /// Starts the program in a process group of its own, in the recipe's folder.
    pub(super) fn start(settings: &Settings) -> Result<Self, Trouble> {
        let log = open_log(&settings.log).map_err(|error| Trouble {
            what: format!("has no log: {}: {error}", settings.log.display()),
        })?;
        let mut command = Command::new(&settings.program);
        command.args(&settings.args).current_dir(&settings.folder).process_group(0);
        command.env_clear().envs(settings.environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| Trouble {
            what: format!("cannot be started ({}: {error})", settings.program.display()),
        })?;

        let mut input = process.stdin.take().expect("it was asked for as a pipe");
        let output = process.stdout.take().expect("it was asked for as a pipe");
        let errors = process.stderr.take().expect("it was asked for as a pipe");
        // The channel holds no more than the batch that is being scored.
        let (to_write, lines) = channel::<Line>();
        // Threads end with the pipes, which end with the child: see `Drop` for why none is joined.
        thread::spawn(move || {
            // A child that is gone is found by whoever reads from it.
            lines.iter().try_for_each(|line| input.write_all(&line).and_then(|()| input.flush()))
        });
        let (say, heard) = sync_channel(1);
        thread::spawn(move || read_lines(output, &say));
        let words = LastWords::default();
        let listener = thread::spawn({
            let words = words.clone();
            move || words.listen(errors, log)
        });
        Ok(Self { process, to_write, heard, words, listener, is_killed: false })
    }

    /// Has a line written as soon as the child takes it.
    pub(super) fn write(&self, line: &Line) {
        // The writer is gone where the child is, which `read` finds.
        let _ = self.to_write.send(line.clone());
    }

    /// The next line that the child says before the deadline, which was `limit` away.
    pub(super) fn read(&mut self, deadline: Instant, limit: Duration) -> Result<Vec<u8>, Trouble> {
        // What lies in the channel is taken even if the deadline is past: we may have been busy.
        let heard = match self.heard.try_recv() {
            Ok(heard) => Ok(heard),
            Err(_) => self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())),
        };
        let what = match heard {
            Ok(Heard::Line(line)) => return Ok(line),
            Ok(Heard::TooLong) => format!("wrote a line of more than {LONGEST_LINE} bytes"),
            Ok(Heard::End { in_a_line: true }) => {
                format!("stopped in the middle of an answer{}", self.ending())
            }
            Ok(Heard::End { in_a_line: false }) | Err(RecvTimeoutError::Disconnected) => {
                format!("stopped without an answer{}", self.ending())
            }
            Err(RecvTimeoutError::Timeout) => {
                format!("gave no answer within {} s", limit.as_secs_f64())
            }
        };
        Err(Trouble { what })
    }

    /// How it ended, if it does within a moment; it stays to be waited for, so that its process
    /// group is still its own when that is killed.
    fn ending(&self) -> String {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let deadline = Instant::now() + GRACE;
        loop {
            if let Ok(Some(status)) = waitid(WaitId::Pid(self.pid()), options) {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => format!(" and ended with exit code {code}"),
                    (None, Some(signal)) => format!(" and was killed by signal {signal}"),
                    (None, None) => String::new(),
                };
            }
            if Instant::now() >= deadline {
                return " and closed its output".to_owned();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it, and gives its last lines of standard error.
    pub(super) fn last_words(mut self) -> Vec<String> {
        self.kill();
        let deadline = Instant::now() + GRACE;
        // Somebody outside the process group may hold the pipe open: then what came so far.
        while !self.listener.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.words.lines()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kills whatever is in its process group, then takes its exit status.
    fn kill(&mut self) {
        // Once only, and before `wait`: until then nobody else can have the group's number.
        if !std::mem::replace(&mut self.is_killed, true) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

impl Drop for Child {
    /// Kills it with its process group. The threads are not joined: a grandchild that left the
    /// group may hold a pipe open for as long as it likes, and they hold nothing else.
    fn drop(&mut self) {
        self.kill();
    }
}

/// The log, for its owner alone: a program may print what it is given.
fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
