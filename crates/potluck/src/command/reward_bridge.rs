//! `potluck reward-bridge`: the process through which a trainer's `http` reward speaks with an endpoint.
//!
//! The trainer links no network; it starts this command and writes a line of JSON for each batch. Each line is
//! posted to the endpoint, and one line comes back: scores, or why there are none. Completions leave the machine
//! only where somebody wrote `--allow-remote`, and no redirect takes them anywhere else.

mod dialect;
mod endpoint;

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;
use dialect::Dialect;
use endpoint::Endpoint;

/// The longest request that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 30;

/// Ask an HTTP endpoint for rewards, for a trainer that cannot (runs under potluck train)
///
/// Reads a line of JSON for each batch from standard input, posts it, and prints one line of JSON with the scores.
/// A recipe's reward with kind = "http" starts it. The endpoint must be on this machine, unless --allow-remote says
/// that completions may leave it. A request is tried again when the endpoint cannot be reached, takes too long, is
/// busy or fails.
///
/// Example: potluck reward-bridge --url http://127.0.0.1:8000/score
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to post
    #[arg(long)]
    url: String,
    /// What the endpoint understands
    #[arg(long, value_enum, default_value_t = Dialect::Potluck)]
    dialect: Dialect,
    /// The column that goes as `labels` to an endpoint in the dialect of OpenRLHF
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label: String,
    /// Let prompts and completions leave this machine
    #[arg(long)]
    allow_remote: bool,
    /// A header, and the environment variable that holds its value
    #[arg(long, value_name = "HEADER=VARIABLE")]
    header_env: Vec<String>,
    /// How long a request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "180", value_parser = seconds)]
    timeout: Duration,
    /// How often a request that failed is made again
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,
    /// How long to wait before the first retry, in seconds; each further wait is twice as long, up to 30 s
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    backoff: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "it is no number".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| *time <= Duration::from_secs(86_400))
        .ok_or_else(|| "it must be between 0 and 86400".to_owned())
}

/// Answers line after line until standard input ends.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let endpoint = Endpoint::open(args)?;
    let mut lines = io::stdin().lock();
    let mut answers = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.map_err(Failure::system)? == 0 {
            return Ok(());
        }
        let answer = answer(args, &endpoint, &line)?;
        let written = writeln!(answers, "{answer}").and_then(|()| answers.flush());
        match written {
            // The trainer is gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(Failure::system)?,
        }
    }
}

/// The answer to one line; an endpoint that fails is an answer too, a line that is no request is not.
fn answer(args: &Args, endpoint: &Endpoint, line: &[u8]) -> Result<Value, Failure> {
    let request: Value = serde_json::from_slice(line)
        .map_err(|error| Failure::input(format!("what was read is no JSON: {error}")))?;
    let id = request.get("id").and_then(Value::as_u64);
    let id = id.ok_or_else(|| Failure::input("what was read is no request: it has no id"))?;
    let body = args.dialect.body(&request, &args.label);
    let body = body.ok_or_else(|| Failure::input("what was read is no request: no completions"))?;
    let scores = endpoint.post(&body).and_then(|reply| args.dialect.scores(&reply, id));
    Ok(match scores {
        Ok((rewards, metrics)) => json!({"id": id, "rewards": rewards, "metrics": metrics}),
        Err(error) => json!({"id": id, "error": error}),
    })
}
