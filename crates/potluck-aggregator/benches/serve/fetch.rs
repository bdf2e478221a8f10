//! One reader: when the first byte of the body came, and when the last.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::client::Connection;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of the server
    #[arg(long)]
    address: SocketAddr,
    /// What to read
    #[arg(long)]
    path: String,
    /// Hang up after the first MiB
    #[arg(long)]
    taste: bool,
    /// The file that it must be, byte for byte
    #[arg(long)]
    compare: Option<PathBuf>,
}

const MIB: u64 = 1 << 20;

/// What a fetch took, in seconds from before the connection was made.
pub(crate) struct Fetched {
    pub(crate) first_byte: f64,
    /// Where there was as much; else as for the last byte.
    pub(crate) first_mib: f64,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
}

pub(crate) fn run(args: &Args) -> Value {
    let expected = args.compare.as_ref().map(|path| File::open(path).unwrap());
    let mut memory = Vec::new();
    let check = |offset: u64, bytes: &[u8]| {
        let Some(expected) = &expected else { return !args.taste || offset < MIB };
        memory.resize(bytes.len(), 0);
        expected.read_exact_at(&mut memory, offset).unwrap();
        assert!(memory == bytes, "the bytes from {offset} on are others");
        true
    };
    let fetched = fetch(args.address, &args.path, None, check).unwrap();
    if let Some(expected) = &expected {
        assert_eq!(fetched.bytes, expected.metadata().unwrap().len());
    }
    let Fetched { first_byte, first_mib, seconds, bytes } = fetched;
    json!({"first_byte": first_byte, "first_mib": first_mib, "seconds": seconds, "bytes": bytes})
}

/// Reads what stands at `path`, or its first bytes, for as long as `go_on` says so of what came at an offset.
pub(crate) fn fetch(
    address: SocketAddr,
    path: &str,
    first: Option<u64>,
    mut go_on: impl FnMut(u64, &[u8]) -> bool,
) -> io::Result<Fetched> {
    let begun = Instant::now();
    let mut connection = Connection::open(address)?;
    let head = connection.ask(path, first)?;
    if !matches!(head.status, 200 | 206) {
        return Err(io::Error::other(format!("{path}: status {}", head.status)));
    }
    let (mut bytes, mut first_byte, mut first_mib) = (0, 0.0, None);
    loop {
        let come = connection.next()?;
        if bytes == 0 {
            first_byte = begun.elapsed().as_secs_f64();
        }
        if bytes + come.len() as u64 >= MIB {
            first_mib.get_or_insert_with(|| begun.elapsed().as_secs_f64());
        }
        if come.is_empty() || !go_on(bytes, come) {
            let seconds = begun.elapsed().as_secs_f64();
            let first_mib = first_mib.unwrap_or(seconds);
            return Ok(Fetched { first_byte, first_mib, seconds, bytes });
        }
        bytes += come.len() as u64;
    }
}
