//! HTTP/1.1 as a client needs it here: one request after the other on one connection.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

/// How much is taken from the socket at once.
const BUFFER: usize = 256 << 10;

/// After so long a silence the server is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer came and was not looked at.
    held: Range<usize>,
    /// Bytes of the body that are to come, those in the buffer included.
    left: u64,
}

/// What an answer begins with.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of its body.
    pub(crate) length: u64,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; BUFFER], held: 0..0, left: 0 })
    }

    /// Asks for what stands at `path`, or its first bytes, and reads the answer's head.
    pub(crate) fn ask(&mut self, path: &str, first: Option<u64>) -> io::Result<Head> {
        let range = first.map_or_else(String::new, |it| format!("Range: bytes=0-{}\r\n", it - 1));
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{range}\r\n");
        self.stream.write_all(request.as_bytes())?;
        self.held = 0..0;
        loop {
            let come = &self.buffer[..self.held.end];
            if let Some(end) = come.windows(4).position(|it| it == b"\r\n\r\n") {
                let head = head(&come[..end]).ok_or(io::ErrorKind::InvalidData)?;
                (self.held.start, self.left) = (end + 4, head.length);
                return Ok(head);
            }
            let count = self.stream.read(&mut self.buffer[self.held.end..])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.held.end += count;
        }
    }

    /// The body's next bytes; nothing at its end.
    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        if self.held.is_empty() {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.held = 0..count;
        }
        let held = std::mem::replace(&mut self.held, 0..0);
        self.left -= held.len() as u64;
        Ok(&self.buffer[held])
    }
}

fn head(bytes: &[u8]) -> Option<Head> {
    let mut lines = std::str::from_utf8(bytes).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some(Head { status, length: length? })
}
